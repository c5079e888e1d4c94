package rotator

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// KeyID is the versionless URI of a key in its one canonical form: https,
// lower-case host without a port, no trailing slash, for instance
// https://contoso.vault.azure.net/keys/payments. Key names keep their case as
// given and compare without it, see [KeyID.Same].
type KeyID string

var (
	keyNamePattern    = regexp.MustCompile(`^[0-9a-zA-Z-]{1,127}$`)
	keyVersionPattern = regexp.MustCompile(`^[0-9a-fA-F]{32}$`)
)

// ParseKeyID reads a key identifier with or without a version, as
// configuration, the vault and the services write it:
// https://{vault}/keys/{name}[/{version}]. The version is empty for a
// versionless identifier.
//
// Source: azure/facts.md section 2 (key identifier; the port 443 is spelled out
// in some answers).
func ParseKeyID(uri string) (id KeyID, version string, err error) {
	u, err := url.Parse(strings.TrimSpace(uri))
	if err != nil {
		return "", "", fmt.Errorf("parse key identifier %q: %w", uri, err)
	}
	if !strings.EqualFold(u.Scheme, "https") || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", "", fmt.Errorf("key identifier %q is not of the form https://VAULT/keys/NAME", uri)
	}
	if p := u.Port(); p != "" && p != "443" {
		return "", "", fmt.Errorf("key identifier %q names port %s, a vault answers on 443", uri, p)
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) < 2 || len(parts) > 3 || !strings.EqualFold(parts[0], "keys") || !keyNamePattern.MatchString(parts[1]) {
		return "", "", fmt.Errorf("key identifier %q is not of the form https://VAULT/keys/NAME", uri)
	}
	if len(parts) == 3 {
		if !keyVersionPattern.MatchString(parts[2]) {
			return "", "", fmt.Errorf("key identifier %q has a version that is not 32 hex digits", uri)
		}
		version = strings.ToLower(parts[2])
	}
	return KeyID("https://" + strings.ToLower(u.Hostname()) + "/keys/" + parts[1]), version, nil
}

// Same reports whether two identifiers name one key. Key Vault compares names
// without regard to case.
func (k KeyID) Same(other KeyID) bool {
	return k == other || strings.EqualFold(string(k), string(other)) // mostly they are spelled alike
}

// Host returns the host name of the vault.
func (k KeyID) Host() string {
	host, _, _ := strings.Cut(strings.TrimPrefix(string(k), "https://"), "/")
	return host
}

// Name returns the key's name within its vault.
func (k KeyID) Name() string { return string(k[strings.LastIndexByte(string(k), '/')+1:]) }

// WithVersion returns the full identifier of one version.
func (k KeyID) WithVersion(version string) string { return string(k) + "/" + version }

// Version is one version of a key, as the vault describes it.
type Version struct {
	// ID is the 32 lower-case hex digits of the version.
	ID string `json:"id"`
	// Created is by the vault's clock, in whole seconds: two versions may share
	// one.
	Created time.Time `json:"created"`
	// Updated is when the version was last changed, for instance disabled, by
	// the vault's clock.
	Updated time.Time `json:"updated,omitzero"`
	Enabled bool      `json:"enabled"`
	// Expires and NotBefore are zero when the version has none.
	Expires   time.Time `json:"expires,omitzero"`
	NotBefore time.Time `json:"not_before,omitzero"`
	// PurgeProtected is false when the vault says that a deleted key could be
	// purged: its recovery level contains "Purgeable".
	PurgeProtected bool `json:"purge_protected"`
	// HSM is true when the vault says that the key is in an HSM: it makes fewer
	// versions of such keys.
	HSM bool `json:"hsm,omitempty"`
	// Type is the type of the key as the vault writes it, for instance RSA-HSM, Size that
	// of an RSA key in bits, Ops the operations that it may be used for, in order and
	// separated by commas. They are empty where that is not known: a list does not tell,
	// see [VersionReader].
	Type string `json:"type,omitempty"`
	Size int    `json:"size,omitempty"`
	Ops  string `json:"ops,omitempty"`
	// Exportable is true if the private key may leave the vault.
	Exportable bool `json:"exportable,omitempty"`
	// Operation is the operation that tagged this version as its own, see
	// [TagOperation].
	Operation string `json:"operation,omitempty"`
}

// TagOperation is the tag that cmkd puts on a version it made: the instance of
// the daemon's store and the operation, so that a version is recognised even
// when the answer to the call that made it was lost.
const TagOperation = "cmkd-operation"

// Newest returns the version created last; among those of one second the one
// for which prefer holds, else the one with the greatest id, so that the answer
// does not depend on the order in which the vault lists them. ok is false when
// there are none.
func Newest(versions []Version, prefer func(Version) bool) (newest Version, ok bool) {
	for i, v := range versions {
		if i == 0 || newer(v, newest, prefer) {
			newest = v
		}
	}
	return newest, len(versions) > 0
}

func newer(v, than Version, prefer func(Version) bool) bool {
	if !v.Created.Equal(than.Created) {
		return v.Created.After(than.Created)
	}
	if prefer != nil && prefer(v) != prefer(than) {
		return prefer(v)
	}
	return v.ID > than.ID
}

// FindVersion returns the version of an id; ok is false if it is not among them.
func FindVersion(versions []Version, id string) (Version, bool) {
	i := slices.IndexFunc(versions, func(v Version) bool { return v.ID == id })
	if i < 0 {
		return Version{}, false
	}
	return versions[i], true
}

// With returns the version with what is known of it besides, where the vault did not tell
// it this time.
func (v Version) With(known Version) Version {
	if v.ID == known.ID && v.Type == "" {
		v.Type, v.Size, v.Ops = known.Type, known.Size, known.Ops
		v.HSM, v.Exportable = v.HSM || known.HSM, v.Exportable || known.Exportable
	}
	return v
}

// Valid reports whether a version may be used at a time: it is enabled, not expired, and
// its time has come.
func (v Version) Valid(now time.Time) bool {
	return v.Enabled && (v.Expires.IsZero() || now.Before(v.Expires)) && !now.Before(v.NotBefore)
}

// Weaker returns in which way a version is weaker than another one, or fits less what the
// other served for; empty if in none that is known.
func (v Version) Weaker(than Version) string {
	family := func(t string) string { return strings.TrimSuffix(strings.ToUpper(t), "-HSM") }
	switch {
	case than.HSM && !v.HSM:
		return "is not in an HSM, as " + than.ID + " is"
	case v.Exportable && !than.Exportable:
		return "may be exported, unlike " + than.ID
	case v.Type == "" || than.Type == "":
		return ""
	case family(v.Type) != family(than.Type):
		return "is of type " + v.Type + ", and " + than.ID + " of type " + than.Type
	case v.Size > 0 && v.Size < than.Size:
		return fmt.Sprintf("has %d bits, and %s has %d", v.Size, than.ID, than.Size)
	}
	for op := range strings.SplitSeq(than.Ops, ",") {
		if op != "" && !slices.Contains(strings.Split(v.Ops, ","), op) {
			return "may not be used for " + op + ", as " + than.ID + " may"
		}
	}
	return ""
}

// Retire says what becomes of the previous version once every dependent has
// left it.
type Retire string

// The ways to retire a version.
const (
	RetireManual Retire = "manual" // wait for `cmkd retire KEY`; the default
	RetireAuto   Retire = "auto"   // disable it after the soak time and the guard
	RetireOff    Retire = "off"    // leave it enabled
)

// Method says how a new version is made.
type Method string

// The ways to make a version.
const (
	// MethodAuto rotates, and creates where the vault forbids rotation.
	MethodAuto   Method = "auto"
	MethodRotate Method = "rotate" // POST …/rotate, by the vault's own policy
	MethodCreate Method = "create" // POST …/create with the current version's parameters
)

// OnTamper says what is done about a version that somebody else disabled while a
// dependent uses it.
type OnTamper string

// What to do about it.
const (
	OnTamperAlert    OnTamper = "alert"     // tell of it; the default
	OnTamperReenable OnTamper = "re-enable" // enable it again, once for each time
)

// Key is a key under management, as configured.
type Key struct {
	// Name is the short name by which people and commands call the key.
	Name string
	ID   KeyID
	// Schedule is when the key is rotated; the zero value means on demand only.
	Schedule Schedule
	Retire   Retire
	Method   Method
	OnTamper OnTamper
	// Soak is how long all dependents must have been on the new version before
	// the old one may be retired.
	Soak time.Duration
	// TwoPerson demands a second person's approval of a revocation.
	TwoPerson bool
	// Discover names the subscriptions searched for dependents that nobody listed;
	// empty means all that the identity sees, and those of the dependents.
	Discover []string
	// Undiscovered is true if nothing is searched: then nothing is retired either.
	Undiscovered bool
	// Require is the weakest evidence that counts as done.
	Require    Evidence
	Dependents []Dependent
}

// KeyState is what the store keeps of a key between restarts.
type KeyState struct {
	Name string `json:"name"`
	ID   KeyID  `json:"id"`
	// NextRotation is when the schedule fires next; zero without a schedule.
	NextRotation time.Time `json:"next_rotation,omitzero"`
	// Spec is the schedule that NextRotation was computed from: a changed
	// schedule is computed afresh.
	Spec string `json:"spec,omitempty"`
	// LastFired is the scheduled time served last, which never fires again.
	LastFired time.Time `json:"last_fired,omitzero"`
	// Current is the newest version known.
	Current Version `json:"current"`
	// Seen is when the vault was last read, by the daemon's clock.
	Seen time.Time `json:"seen,omitzero"`
	// Operation is the live operation, zero if there is none.
	Operation OperationID `json:"operation,omitempty"`
	// Unretired are versions that earlier rotations left enabled.
	Unretired []string `json:"unretired,omitempty"`
	// RolledBack are versions whose retirement was rolled back: only a person retires them.
	// Compromised are those that were retired as compromised: nothing enables them again.
	RolledBack  []string `json:"rolled_back,omitempty"`
	Compromised []string `json:"compromised,omitempty"`
	// Searched are the subscriptions that were searched for its dependents as they were listed.
	Searched []string `json:"searched,omitempty"`
	// Problem is why the key needs somebody, nil if it does not.
	Problem *Problem `json:"problem,omitempty"`
	// Failed is the last operation if it failed, until the next one begins.
	Failed OperationID `json:"failed,omitempty"`
	// Missed is the scheduled time at which no rotation began though one should
	// have, until the next one begins.
	Missed time.Time `json:"missed,omitzero"`
	// Preflight is what would stop the next rotation if it began now, nil if
	// nothing would; PreflightAt is when that was looked at.
	Preflight   *Problem  `json:"preflight,omitempty"`
	PreflightAt time.Time `json:"preflight_at,omitzero"`
	// Policy is the vault's own rotation policy, zero if it has none or it could
	// not be read; PolicyAt is when it was read.
	Policy   RotationPolicy `json:"policy,omitzero"`
	PolicyAt time.Time      `json:"policy_at,omitzero"`
	// Versions are those that the vault listed last, newest first, as they were known
	// then; at most [VersionsKept].
	Versions []Version `json:"versions,omitempty"`
	// Effects are the changes of versions by cmkd of which it is not known yet whether
	// they came about.
	Effects []Effect `json:"effects,omitempty"`
	// Tampered is what somebody else did to versions, for as long as it lasts.
	Tampered []Tampering `json:"tampered,omitempty"`
	// Observed is when the dependents were last observed between operations, by the
	// daemon's clock; Changed when an operation on the key ended or a dependent drifted:
	// for a day after that they are observed more often.
	Observed time.Time `json:"observed,omitzero"`
	Changed  time.Time `json:"changed,omitzero"`
	// Drift is what changed of dependents without an operation.
	Drift []Drifted `json:"drift,omitempty"`
	// InUse are the versions that dependents were last seen to use or hold.
	InUse []InUse `json:"in_use,omitempty"`
	// Ahead is what is wrong before the next rotation without stopping it, as of
	// PreflightAt.
	Ahead []Problem `json:"ahead,omitempty"`
}

// Known returns a version of a list with what is known of it besides; s may be nil.
func (s *KeyState) Known(v Version) Version {
	if s != nil {
		if old, ok := FindVersion(s.Versions, v.ID); ok {
			return v.With(old)
		}
	}
	return v
}

// InUse is a version that dependents of a key use or hold.
type InUse struct {
	Version string `json:"version"`
	// Affected are the dependents, at most [AffectedMost]; Count is how many there are.
	Affected []Affected `json:"affected"`
	Count    int        `json:"count"`
	// Expired is when it expired, zero if it has not.
	Expired time.Time `json:"expired,omitzero"`
}

// who says which dependents those are.
func (i *InUse) who() string {
	if len(i.Affected) == 0 {
		return ""
	}
	return i.Affected[0].Kind + " " + i.Affected[0].Name + more(i.Count)
}

// String says that an expired version is in use.
func (i *InUse) String() string {
	return "version " + i.Version + " expired on " + i.Expires() + " and is in use: " + i.who()
}

// Expires says when it expired.
func (i *InUse) Expires() string { return i.Expired.UTC().Format("2006-01-02 15:04 MST") }

// Uses reports whether a dependent was last seen to use or hold a version.
func (s *KeyState) Uses(version string) bool {
	return slices.ContainsFunc(s.InUse, func(i InUse) bool { return i.Version == version })
}

// expired returns the first expired version that is in use, nil if there is none.
func (s *KeyState) expired() *InUse {
	n := slices.IndexFunc(s.InUse, func(i InUse) bool { return !i.Expired.IsZero() })
	if n < 0 {
		return nil
	}
	return &s.InUse[n]
}

// VersionsKept is how many versions are kept in mind of a key: the enabled ones first,
// then the newest.
const VersionsKept = 64

// Effect is a change of a version by cmkd.
type Effect struct {
	// Version is empty if it is one that a call may have made.
	Version string `json:"version"`
	// Enable is true if it is to be enabled, else it is to be disabled.
	Enable bool `json:"enable,omitempty"`
	// At is when it was intended.
	At time.Time `json:"at"`
}

// Tamper is what somebody else did to a version.
type Tamper string

// What may be done to a version.
const (
	TamperDisabled Tamper = "disabled"
	TamperEnabled  Tamper = "enabled"  // again, after it was disabled
	TamperVanished Tamper = "vanished" // the vault does not list it any more
	TamperMade     Tamper = "made"     // and it is none that dependents should go to
)

// Tampering is a version that somebody else changed.
type Tampering struct {
	Version string `json:"version"`
	Change  Tamper `json:"change"`
	// Seen is when it was found, by the daemon's clock; At when the vault says that the
	// version was changed, zero if it does not.
	Seen time.Time `json:"seen"`
	At   time.Time `json:"at,omitzero"`
	// Why is what is wrong with a version that was made.
	Why string `json:"why,omitempty"`
	// Mended is when cmkd intended to enable the version again, zero if it did not.
	Mended time.Time `json:"mended,omitzero"`
	// Enabled is whether a version that vanished was enabled.
	Enabled bool `json:"enabled,omitempty"`
}

// String says what happened, as a sentence.
func (t *Tampering) String() string {
	switch t.Change {
	case TamperVanished:
		return "the vault does not list version " + t.Version + " any more: restored, purged, or another vault behind the name"
	case TamperMade:
		return "somebody made version " + t.Version + ", which is not followed: it " + t.Why
	case TamperEnabled:
		return "somebody enabled version " + t.Version + " again"
	default:
		return "somebody disabled version " + t.Version
	}
}

// NotListed returns the subscriptions that were searched for the key once and that are not
// listed any more: they may exist all the same.
func (s *KeyState) NotListed(listed []string) (all []string) {
	for _, one := range s.Searched {
		if !slices.ContainsFunc(listed, func(l string) bool { return strings.EqualFold(l, one) }) {
			all = append(all, one)
		}
	}
	return all
}

// Trouble returns why the key needs somebody, nil if it does not: its problem, what
// somebody else did to its versions or dependents, an expired version in use, a scheduled
// rotation that did not take place, or one that could not begin.
func (s *KeyState) Trouble() *Problem {
	switch {
	case s.Problem != nil:
		return s.Problem
	case len(s.Tampered) > 0:
		return &Problem{
			Code: ReasonVersionTampered, Message: s.Tampered[0].String() + more(len(s.Tampered)),
			Hint: "cmkd events --key " + s.Name,
		}
	case s.expired() != nil:
		return &Problem{Code: ReasonVersionExpired, Message: s.expired().String(), Hint: InfoOf(ReasonVersionExpired).NextFor(s.Name, s.Operation)}
	case len(s.Drift) > 0:
		d := &s.Drift[0]
		return &Problem{Code: d.Change, Message: d.Affected[0].Kind + " " + d.Affected[0].Name + " " + d.Message + more(max(d.Count, len(s.Drift))), Hint: "cmkd events --key " + s.Name}
	case !s.Missed.IsZero():
		return &Problem{
			Code: ReasonScheduleMissed, Message: "no rotation began at " + s.Missed.UTC().Format(time.RFC3339),
			Hint: "cmkd rotate " + s.Name + ", or wait for the next",
		}
	case s.Preflight != nil && s.Operation == 0:
		p := *s.Preflight
		p.Message = "the rotation of " + s.NextRotation.UTC().Format(time.RFC3339) + " could not begin: " + p.Message
		return &p
	}
	return nil
}

// more says that there is more than the one that is told.
func more(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", n-1)
}

// RotationPolicy is what a vault does to a key by itself.
type RotationPolicy struct {
	// Rotate is when it makes a new version, as the vault writes it, for instance
	// "P90D after creation"; empty if it does not.
	Rotate string `json:"rotate,omitempty"`
	// Expiry is how long a new version is valid, for instance "P1Y"; empty if for
	// ever.
	Expiry string `json:"expiry,omitempty"`
}
