package rotator

// Rule names a condition that raises alerts.
type Rule string

// The rules.
const (
	RulePropagationStalled Rule = "propagation-stalled"
	RuleNeedsAction        Rule = "needs-action"
	RuleOperationFailed    Rule = "operation-failed"
	RuleScheduleMissed     Rule = "schedule-missed"
	RulePreflightFailing   Rule = "preflight-failing"
	RuleVersionExpiring    Rule = "version-expiring"
	RuleVersionExpired     Rule = "version-expired"
	RulePolicyConflict     Rule = "policy-conflict"
	RuleRevocationStalled  Rule = "revocation-stalled"
	RuleRevocationUndone   Rule = "revocation-undone"
	RuleUnreachable        Rule = "dependent-unreachable"
	RulePermissionLost     Rule = "permission-lost"
	RuleAutoRotationError  Rule = "auto-rotation-error"
	RuleVersionTampered    Rule = "version-tampered"
	RuleUsedTampered       Rule = "used-version-tampered"
	RuleDrift              Rule = "drift"
	RuleAccessLost         Rule = "access-lost"
	RuleRolledBack         Rule = "retirement-rolled-back"
	RuleRetirementBlocked  Rule = "retirement-blocked"
	RuleKeyUnusable        Rule = "key-unusable"
	RuleStoreNearFull      Rule = "store-near-full"
	RuleStoreBlocked       Rule = "store-blocked"
	RuleClockJumped        Rule = "clock-jumped"
	RuleFrozenByDaemon     Rule = "frozen-by-cmkd"
	RuleFreezeLasting      Rule = "freeze-lasting"
)
