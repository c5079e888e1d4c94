package azuresim

import (
	"slices"
	"strings"
	"time"
)

// version is one version of a key. It is never changed: an update makes a new
// one, so that readers which lag behind keep what they saw.
type version struct {
	id       string
	order    int // of creation, to tell versions of one second apart
	created  time.Time
	updated  time.Time
	enabled  bool
	exp, nbf int64 // unix seconds, 0 for none
	ops      []string
	tags     map[string]string
	kty      string // as sent, with -HSM where it applies
	material material
}

// usable says whether the version can wrap at the moment now.
func (v *version) usable(now time.Time) bool {
	return v != nil && v.enabled &&
		(v.exp == 0 || now.Unix() < v.exp) && (v.nbf == 0 || now.Unix() >= v.nbf)
}

// keyState is all that can be read of a key. It is a value: copying it is
// cheap, because versions are shared and never changed.
type keyState struct {
	exists   bool
	deleted  *deletion // soft-deleted since
	versions []*version
	policy   *rotationPolicy
}

// deletion says when a key was deleted and when it will be purged.
type deletion struct{ at, purge time.Time }

// find returns a version, the newest for "".
func (k keyState) find(id string) *version {
	if id == "" {
		return k.newest(func(*version) bool { return true })
	}
	for _, v := range k.versions {
		if strings.EqualFold(v.id, id) {
			return v
		}
	}
	return nil
}

// newest returns the newest version that satisfies ok.
func (k keyState) newest(ok func(*version) bool) *version {
	var best *version
	for _, v := range k.versions {
		if ok(v) && (best == nil || v.created.After(best.created) ||
			v.created.Equal(best.created) && v.order > best.order) {
			best = v
		}
	}
	return best
}

// current returns the version that a service would wrap with now.
func (k keyState) current(now time.Time) *version {
	if !k.exists || k.deleted != nil {
		return nil
	}
	return k.newest(func(v *version) bool { return v.usable(now) })
}

// byID returns the versions in the order of a list: by identifier, so in no
// order of time [recording keyvault.list-versions].
func (k keyState) byID() []*version {
	out := slices.Clone(k.versions)
	slices.SortFunc(out, func(a, b *version) int { return strings.Compare(a.id, b.id) })
	return out
}

// withVersion returns k with one more version.
func (k keyState) withVersion(v *version) keyState {
	k.exists = true
	k.versions = append(slices.Clone(k.versions), v)
	return k
}

// replace returns k with one version exchanged for its successor.
func (k keyState) replace(v *version) keyState {
	k.versions = slices.Clone(k.versions)
	for i, old := range k.versions {
		if old.id == v.id {
			k.versions[i] = v
		}
	}
	return k
}

// key is a key with its past.
type key struct {
	vault    *vault
	name     string
	state    keyState
	before   keyState // ahead of the last change, for stale reads
	lagging  []lagged
	past     []lagged       // all that it was, each until a moment
	backup   keyState       // at the time of the last backup
	made     int            // versions made so far
	expiries map[int64]bool // moments at which dependents look again
	settled  time.Time      // after a deletion or recovery: not found before
}

// lagged is a state that readers still see until a moment.
type lagged struct {
	until time.Time
	state keyState
}

// change sets a new state. Readers see it after the vault's read lag (facts
// §2: reads may lag writes).
func (k *key) change(next keyState, now time.Time) {
	k.before = k.state
	k.past = append(k.past, lagged{until: now, state: k.state})
	if len(k.past) > maxKeyPast {
		k.past = slices.Clone(k.past[1:])
	}
	if lag := k.vault.spec.ReadLag.Duration; lag > 0 {
		k.lagging = append(k.lagging, lagged{until: now.Add(lag), state: k.state})
	}
	k.state = next
}

// seen returns the state that a reader sees.
func (k *key) seen(now time.Time, stale bool) keyState {
	if stale {
		return k.before
	}
	for len(k.lagging) > 0 && !now.Before(k.lagging[0].until) {
		k.lagging = k.lagging[1:]
	}
	if len(k.lagging) > 0 {
		return k.lagging[0].state
	}
	return k.state
}

// uri returns the identifier of a version, or of the key for nil.
func (k *key) uri(v *version) string {
	s := "https://" + k.vault.host + "/keys/" + k.name
	if v != nil {
		s += "/" + v.id
	}
	return s
}

// vault is a key vault or a managed HSM.
type vault struct {
	spec      VaultSpec
	host      string
	keys      map[string]*key // by lower-case name
	deleted   bool            // by Azure Resource Manager
	deletedAt time.Time
}

// key returns a key by name, nil when it never existed.
func (v *vault) key(name string) *key { return v.keys[strings.ToLower(name)] }

// names returns the names of keys that satisfy ok, sorted.
func (v *vault) names(ok func(*key) bool) []string {
	var out []string
	for name, k := range v.keys {
		if ok(k) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// retention returns the days for which deleted keys are kept.
func (v *vault) retention() int {
	if v.spec.RetentionDays > 0 {
		return v.spec.RetentionDays
	}
	return 90
}

// recoveryLevel names what a deletion means. Seven days without purge
// protection are CustomizedRecoverable+Purgeable [recording keyvault.key],
// ninety days with it Recoverable [recording cosmosdb.key-vault-key-uri].
func (v *vault) recoveryLevel() string {
	level := "Recoverable"
	if v.retention() < 90 {
		level = "CustomizedRecoverable"
	}
	if !v.spec.PurgeProtection {
		level += "+Purgeable"
	}
	return level
}
