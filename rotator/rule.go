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
	RulePolicyConflict     Rule = "policy-conflict"
	RuleRevocationStalled  Rule = "revocation-stalled"
	RuleRevocationUndone   Rule = "revocation-undone"
	RuleUnreachable        Rule = "dependent-unreachable"
	RulePermissionLost     Rule = "permission-lost"
	RuleAutoRotationError  Rule = "auto-rotation-error"
	RuleRetirementBlocked  Rule = "retirement-blocked"
	RuleKeyUnusable        Rule = "key-unusable"
	RuleStoreNearFull      Rule = "store-near-full"
	RuleStoreBlocked       Rule = "store-blocked"
	RuleClockJumped        Rule = "clock-jumped"
)

// RuleInfo is what is to be said of a rule; docs/alerts.md is made of it.
type RuleInfo struct {
	Rule Rule `json:"rule"`
	// Severity is the usual one; an alert may be worse.
	Severity Severity `json:"severity"`
	// Title is the rule in a few words.
	Title string `json:"title"`
	// Meaning says what is the case, and what it means for the data.
	Meaning string `json:"meaning"`
	// Causes are the likely ones, likeliest first.
	Causes []string `json:"causes"`
	// Steps are what to do, commands in backquotes.
	Steps []string `json:"steps"`
	// Resolves says when the alert ends by itself.
	Resolves string `json:"resolves"`
}
