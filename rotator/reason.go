package rotator

import (
	"strconv"
	"strings"
)

// Reason is the code of a condition, for instance access-denied: one condition
// has one code, whoever meets it. What cmkd finds itself has a code of the
// constants below, and [Reasons] says what each means. What Azure answers keeps
// the code that Azure gave it, for instance ForbiddenByRbac.
type Reason string

// What stands in the way of an operation.
const (
	ReasonNoVersion              Reason = "no-version"
	ReasonCurrentVersionDisabled Reason = "current-version-disabled"
	ReasonNoPurgeProtection      Reason = "no-purge-protection"
	ReasonKeyUnfit               Reason = "key-unfit"
	ReasonVersionUnchanged       Reason = "version-unchanged"
	ReasonVersionVanished        Reason = "version-vanished"
	ReasonDaemonStopped          Reason = "daemon-stopped"
	ReasonRevocationUndone       Reason = "revocation-undone"
	ReasonScheduleMissed         Reason = "schedule-missed"
	ReasonVaultUnreachable       Reason = "vault-unreachable"
	ReasonWatchBehind            Reason = "watch-behind"
	ReasonVersionTampered        Reason = "version-tampered"
	ReasonVersionExpired         Reason = "version-expired"
	ReasonVersionNotValidYet     Reason = "version-not-valid-yet"
	ReasonFrozen                 Reason = "frozen"
	ReasonDefect                 Reason = "defect"
)

// What is wrong with a dependent.
const (
	ReasonAccessDenied       Reason = "access-denied"
	ReasonOtherKey           Reason = "other-key"
	ReasonOtherKeyServes     Reason = "other-key-serves"
	ReasonKeyMismatch        Reason = "key-mismatch"
	ReasonMustBeRecreated    Reason = "must-be-recreated"
	ReasonVersionNotNamed    Reason = "version-not-named"
	ReasonUnknownKeySource   Reason = "unknown-key-source"
	ReasonUnreadableKey      Reason = "unreadable-key"
	ReasonKeyNotShown        Reason = "key-not-shown"
	ReasonVersionNotShown    Reason = "version-not-shown"
	ReasonBindingChanged     Reason = "binding-changed"
	ReasonVersionChanged     Reason = "version-changed"
	ReasonKeyLeft            Reason = "key-left"
	ReasonNotObserved        Reason = "not-observed"
	ReasonUpdateByHand       Reason = "update-by-hand"
	ReasonProvisioningFailed Reason = "provisioning-failed"
	ReasonIdentityGone       Reason = "identity-gone"
	ReasonExcluded           Reason = "excluded"
	ReasonRemoved            Reason = "removed"
)

// What the retirement guard objects to.
const (
	ReasonKeyNotConfigured       Reason = "key-not-configured"
	ReasonDependentNotSettled    Reason = "dependent-not-settled"
	ReasonDependentUnreachable   Reason = "dependent-unreachable"
	ReasonDependentUnknown       Reason = "dependent-unknown"
	ReasonDependentDiscovered    Reason = "dependent-discovered"
	ReasonDependentNotSeenAfresh Reason = "dependent-not-seen-afresh"
	ReasonDependentInferred      Reason = "dependent-inferred"
	ReasonRolledBack             Reason = "retirement-rolled-back"
	ReasonBlindSpot              Reason = "blind-spot"
	ReasonNotAttested            Reason = "not-attested"
	ReasonAttestedByRetirer      Reason = "attested-by-retirer"
	ReasonAttestationVoid        Reason = "attestation-void"
	ReasonManual                 Reason = "manual"
	ReasonAwaitsRetirement       Reason = "awaits-retirement"
	ReasonAwaitsApproval         Reason = "awaits-approval"
	ReasonVersionsUnknown        Reason = "versions-unknown"
	ReasonTargetMissing          Reason = "target-missing"
	ReasonTargetSuperseded       Reason = "target-superseded"
	ReasonSoak                   Reason = "soak-not-over"
	ReasonInventoryIncomplete    Reason = "inventory-incomplete"
	ReasonDiscoveryOff           Reason = "discovery-off"
)

// Why a call did not succeed, where Azure itself gives no code.
const (
	ReasonKeyNotFound         Reason = "key-not-found"
	ReasonKeyDeleted          Reason = "key-deleted"
	ReasonNameNotResolved     Reason = "name-not-resolved"
	ReasonNotConnected        Reason = "not-connected"
	ReasonNotTrusted          Reason = "not-trusted"
	ReasonNoToken             Reason = "no-token"
	ReasonTokenRefused        Reason = "token-refused"
	ReasonHeldBack            Reason = "held-back"
	ReasonUnreadableAnswer    Reason = "unreadable-answer"
	ReasonForeignAnswer       Reason = "foreign-answer"
	ReasonUnreadableChallenge Reason = "unreadable-challenge"
	ReasonRefusedLink         Reason = "refused-link"
	ReasonEndlessList         Reason = "endless-list"
	ReasonStatus              Reason = "http-STATUS" // see [ReasonOfStatus]
	ReasonExit                Reason = "exit-STATUS" // see [ReasonOfExit]
)

// ReasonKeyDisabled is the vault's own code for a call on a disabled version;
// making one in another way would not help (azure/facts.md section 2).
const ReasonKeyDisabled Reason = "KeyDisabled"

// ReasonOfStatus is the reason of an answer that says no more than its HTTP
// status, for instance http-503.
func ReasonOfStatus(status int) Reason { return ReasonStatus.numbered(status) }

// ReasonOfExit is the reason of a program that ended with a status, for instance
// exit-1.
func ReasonOfExit(status int) Reason { return ReasonExit.numbered(status) }

const placeholder = "STATUS"

func (r Reason) numbered(status int) Reason {
	return Reason(strings.Replace(string(r), placeholder, strconv.Itoa(status), 1))
}
