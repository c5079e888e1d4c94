package rotator

import "time"

// EventType says what happened, in the past tense.
type EventType string

// The types of event.
const (
	EventDaemonStarted        EventType = "daemon-started"
	EventDaemonStopped        EventType = "daemon-stopped"
	EventConfigLoaded         EventType = "config-loaded"
	EventScheduleMissed       EventType = "schedule-missed"
	EventOperationCreated     EventType = "operation-created"
	EventStateChanged         EventType = "state-changed"
	EventApproved             EventType = "approved"
	EventCancelRequested      EventType = "cancel-requested"
	EventRetireRequested      EventType = "retire-requested"
	EventVersionIntended      EventType = "version-intended"
	EventVersionCreated       EventType = "version-created"
	EventVersionAdopted       EventType = "version-adopted"
	EventVersionDisabled      EventType = "version-disabled"
	EventVersionEnabled       EventType = "version-enabled"
	EventVersionReenabled     EventType = "version-reenabled"
	EventVersionTampered      EventType = "version-tampered"
	EventVersionBack          EventType = "version-back"
	EventDependentDrifted     EventType = "dependent-drifted"
	EventDriftOver            EventType = "drift-over"
	EventCallUncertain        EventType = "call-uncertain"
	EventDependentFound       EventType = "dependent-found"
	EventSearchIncomplete     EventType = "search-incomplete"
	EventDependentUpdated     EventType = "dependent-updated"
	EventTrackerChanged       EventType = "tracker-changed"
	EventRetirementHeld       EventType = "retirement-held"
	EventRetirementRolledBack EventType = "retirement-rolled-back"
	EventVersionKept          EventType = "version-kept"
	EventRollbackRefused      EventType = "rollback-refused"
	EventPreflightFailed      EventType = "preflight-failed"
	EventPreflightWarned      EventType = "preflight-warned"
	EventClockJumped          EventType = "clock-jumped"
	EventStoreBlocked         EventType = "store-blocked"
	EventStoreRecovered       EventType = "store-recovered"
	EventKeyProblem           EventType = "key-problem"
	EventKeyProblemResolved   EventType = "key-problem-resolved"
	EventAlertFiring          EventType = "alert-firing"
	EventAlertResolved        EventType = "alert-resolved"
	EventSilenced             EventType = "silenced"
	EventSilenceEnded         EventType = "silence-ended"
	EventAttested             EventType = "attested"
	EventAttestationVoid      EventType = "attestation-void"
	EventFrozen               EventType = "frozen"
	EventFreezeEnded          EventType = "freeze-ended"
)

// Event is one line of the audit trail.
type Event struct {
	// Seq numbers the events of a store from 1 without gaps; the store sets it.
	Seq  uint64    `json:"seq"`
	At   time.Time `json:"at"`
	Type EventType `json:"type"`
	// Key is the short name of the key concerned.
	Key       string      `json:"key,omitempty"`
	Operation OperationID `json:"operation,omitempty"`
	// Dependent is the resource id concerned.
	Dependent string `json:"dependent,omitempty"`
	// Actor is who did it: a user, or "cmkd".
	Actor string `json:"actor,omitempty"`
	// Message is a sentence for people.
	Message string `json:"message"`
	// Data are the facts, for programs.
	Data map[string]string `json:"data,omitempty"`
	// Prev and Hash chain the log: Hash is the SHA-256 of Prev and this event's
	// content, in hex. The store sets both.
	Prev string `json:"prev,omitempty"`
	Hash string `json:"hash,omitempty"`
}
