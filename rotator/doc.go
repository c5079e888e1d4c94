// Package rotator is the domain of cmkd: the nouns (keys and their versions,
// operations, trackers, evidence, schedules, events, alerts) and the contracts
// ([Vault], [Service], [Store], [Clock], [Notifier]) that others fulfil. It has no
// behaviour that needs a clock or a store; that is in rotator/engine. It knows
// neither Azure nor a database nor HTTP.
//
// # Words
//
//	key         a Key Vault or Managed HSM key, named by its versionless URI
//	version     one version of a key
//	dependent   a resource whose data key is wrapped by a key
//	binding     how a dependent names its key: follows, pinned or fixed
//	operation   one rotation, revocation or reinstatement of one key
//	tracker     one dependent's progress within one operation
//	observation what was seen of a dependent at a moment
//	evidence    how we know: confirmed > observed > inferred
//	nudge       an update that makes a dependent re-read its key now
//	retire      disable the previous version, after proof
//	window      how long a kind may take before it counts as stalled
//	reason      the code of a condition, with what is to be said of it
//
// # States
//
// A rotation:
//
//	pending ─► creating ─► propagating ─► soaking ─► retiring ─► probation ─► completed
//	   │           │            ▲  │          │           │
//	   │           │            └──┴──────────┴───────────┘ a dependent fell back
//	   └───────────┴─► failed, cancelled                      or was found late
//
// A revocation, which lives until its key is reinstated:
//
//	awaiting-approval ─► disabling ─► taking-effect ─► effective ─► completed
//
// A reinstatement:
//
//	enabling ─► recovering ─► recovered
//
// A tracker:
//
//	waiting ─► applying ─► propagating ─► done
//	stalled, needs-action, unreachable: still looked at, and left by themselves
//	excluded: by the operator, with a reason
package rotator
