package rotator

// The reasons that stand in stored state, where code decides by them. A reason
// is a code of ours, or Azure's own.
const (
	// ReasonDefect is the problem of an operation that nothing would move: a defect
	// of cmkd itself.
	ReasonDefect = "defect"
	// ReasonExcluded is the reason for which a dependent is left out on the
	// operator's word.
	ReasonExcluded = "excluded"
	// ReasonSoak is the guard's objection while the soak time runs; it passes by
	// itself.
	ReasonSoak = "soak-not-over"
	// ReasonScheduleMissed is the problem of a key whose rotation was missed; it
	// lasts until the next one begins.
	ReasonScheduleMissed = "schedule-missed"
	// ReasonKeyDisabled is the vault's code for a call on a disabled version; making
	// one in another way would not help (azure/facts.md section 2).
	ReasonKeyDisabled = "KeyDisabled"
	// ReasonVaultUnreachable is the problem of a key whose vault has not answered
	// for some time.
	ReasonVaultUnreachable = "vault-unreachable"
	// ReasonRevocationUndone is the problem of a revocation of which a version is
	// enabled again.
	ReasonRevocationUndone = "revocation-undone"
)
