// Package rotator is the domain of cmkd: keys and their versions, operations,
// trackers, evidence, the schedule, the retirement guard, and the engine that
// drives them. It knows neither Azure nor a database nor HTTP; it declares what
// it needs of them ([Vault], [Service], [Store], [Clock]) and is handed it.
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
//
// # States
//
// A rotation:
//
//	pending ─► creating ─► propagating ─► soaking ─► retiring ─► completed
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
//
// # How the engine works
//
// Everything is level-triggered: read the world, compare, act, commit. A
// decision is a pure function of (state, what was seen, now). The intent of an
// effect is committed before the effect is attempted, and each effect either is
// safe to repeat or is looked for in the world before it is repeated.
package rotator
