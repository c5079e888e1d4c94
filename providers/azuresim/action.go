package azuresim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Action is something that happens in Azure, told by a scenario's events or by
// [Server.Do].
type Action struct {
	// Do is one of [Actions].
	Do string `yaml:"do"`
	// Key is "vault/key".
	Key string `yaml:"key"`
	// Version is an id, or latest, previous or oldest. Default latest; for
	// disable-version and enable-version also all.
	Version string `yaml:"version"`
	// Vault and Behind of restore-vault: which one, and back to how long ago.
	// With Key and Version instead, back to when that version was made.
	Vault  string   `yaml:"vault"`
	Behind Duration `yaml:"behind"`
	// Resource is an id, or the name of a resource if only one has it, or
	// kind/name.
	Resource string `yaml:"resource"`
	// Client, Permission and Scope of deny and allow: who may no longer (or
	// again) do what where. Permission is a glob over action names.
	Client     string `yaml:"client"`
	Permission string `yaml:"permission"`
	Scope      string `yaml:"scope"`
	// Principal and Role of assign-role and unassign-role, at Scope; as in
	// [RoleAssignmentSpec].
	Principal string `yaml:"principal"`
	Role      string `yaml:"role"`
	// Name and Level of lock and unlock, at Scope or Resource; see [LockSpec].
	// Without a name unlock takes all of a scope off.
	Name  string `yaml:"name"`
	Level string `yaml:"level"`
	// Code and Message of auto-rotation-error; no code takes the error away.
	Code    string `yaml:"code"`
	Message string `yaml:"message"`
	// Properties are merged into a document by set-property, or are the whole
	// document of add-resource.
	Properties map[string]any `yaml:"properties"`
}

// Event is an action at a moment.
type Event struct {
	// At is counted from the start of the scenario.
	At     Duration `yaml:"at"`
	Action `yaml:",inline"`
}

// Actions returns what can be done:
//
//	rotate-key, create-version     a new version, by somebody else
//	enable-version, disable-version
//	vanish-version                 a version is no longer there
//	restore-vault                  a vault holds what it held some time ago
//	delete-key, recover-key, purge-key
//	stop-switching, resume-switching  a service ignores new versions, or not
//	switch-now                     a service takes the newest version at once
//	pin                            re-pin a resource to a version; "" unpins
//	delete-resource, add-resource, set-property
//	auto-rotation-error            on a disk encryption set
//	revoke-access, grant-access    of a service's identity to its vault
//	rewrite-secrets                of a managed cluster, under its current KMS key
//	replace-nodes                  of a managed cluster or of one of its scale sets
//	deny, allow                    a client's permission
//	stop-machine, deallocate-machine, start-machine
//	lock, unlock                   a scope or a resource
//	assign-role, unassign-role     a principal's role at a scope
func Actions() []string {
	return []string{
		"rotate-key", "create-version", "enable-version", "disable-version", "delete-key", "recover-key",
		"purge-key", "vanish-version", "restore-vault", "stop-switching", "resume-switching", "switch-now", "pin",
		"delete-resource", "add-resource", "set-property", "auto-rotation-error", "revoke-access", "grant-access",
		"rewrite-secrets", "replace-nodes", "deny", "allow", "assign-role", "unassign-role", "lock", "unlock",
		"stop-machine", "deallocate-machine", "start-machine",
	}
}

// Errors of actions.
var (
	ErrNoSuchKey      = errors.New("there is no such key")
	ErrNoSuchVault    = errors.New("there is no such vault")
	ErrNoSuchVersion  = errors.New("there is no such version")
	ErrNoSuchResource = errors.New("there is no such resource")
	ErrNoSuchClient   = errors.New("there is no such client")
	ErrNoSuchLock     = errors.New("there is no such lock")
	ErrNoSuchRole     = errors.New("there is no such role")
	ErrUnknownAction  = errors.New("unknown action")
)

// Do performs an action now.
func (s *Server) Do(a Action) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	if a.Properties != nil { // as a request would bring them, and as they are saved
		d, err := decodeDoc(encode(a.Properties))
		if err != nil {
			return fmt.Errorf("do %s: %w", a.Do, err)
		}
		a.Properties = d
	}
	s.note(record{Action: &a})
	return s.act(a, s.now)
}

// act performs an action at a moment, under the lock.
func (s *Server) act(a Action, now time.Time) error {
	var err error
	switch a.Do {
	case "rotate-key", "create-version", "enable-version", "disable-version", "delete-key", "recover-key", "purge-key":
		err = s.actOnKey(a, now)
	case "vanish-version", "restore-vault":
		err = s.actOnVault(a, now)
	case "deny", "allow":
		err = s.actOnClient(a)
	case "assign-role", "unassign-role":
		err = s.actOnRole(a, now)
	case "lock", "unlock":
		err = s.actOnLock(a, now)
	case "add-resource":
		err = s.addDocument(a.Properties, now)
	default:
		err = s.actOnResource(a, now)
	}
	if err != nil {
		return fmt.Errorf("do %s: %w", a.Do, err)
	}
	return nil
}

// findKey returns the key of "vault/key".
func (s *Server) findKey(ref string) (*key, error) {
	vaultName, name, _ := strings.Cut(strings.ToLower(ref), "/")
	for _, suffix := range []string{vaultSuffix, hsmSuffix} {
		if v := s.vaults[vaultName+suffix]; v != nil {
			if k := v.key(name); k != nil {
				return k, nil
			}
		}
	}
	return nil, fmt.Errorf("find key %q: %w", ref, ErrNoSuchKey)
}

// choose returns a version by a word or an id, nil if there is none.
func (k keyState) choose(word string) *version {
	versions := slices.Clone(k.versions)
	slices.SortFunc(versions, func(a, b *version) int {
		if c := a.created.Compare(b.created); c != 0 {
			return c
		}
		return a.order - b.order
	})
	n := len(versions)
	switch {
	case n == 0:
		return nil
	case word == "" || word == "latest":
		return versions[n-1]
	case word == "previous" && n > 1:
		return versions[n-2]
	case word == "oldest":
		return versions[0]
	default:
		return k.find(word)
	}
}

// actOnKey does what concerns a key and its versions.
func (s *Server) actOnKey(a Action, now time.Time) error {
	k, err := s.findKey(a.Key)
	if err != nil {
		return err
	}
	switch a.Do {
	case "rotate-key", "create-version":
		if k.state.find("") == nil {
			return fmt.Errorf("rotate key %s: %w", a.Key, ErrNoSuchVersion)
		}
		s.rotate(k, now)
	case "delete-key":
		s.remove(k, now)
	case "recover-key":
		s.restore(k, now)
	case "purge-key":
		s.purge(k, now)
	default:
		return s.enable(k, a.Version, a.Do == "enable-version", now)
	}
	return nil
}

// enable enables or disables one version or all.
func (s *Server) enable(k *key, word string, enabled bool, now time.Time) error {
	if word == "all" {
		for _, v := range slices.Clone(k.state.versions) {
			s.setEnabled(k, v, enabled, now)
		}
		return nil
	}
	v := k.state.choose(word)
	if v == nil {
		return fmt.Errorf("find version %q of key %s: %w", word, k.name, ErrNoSuchVersion)
	}
	s.setEnabled(k, v, enabled, now)
	return nil
}

// actOnClient takes a permission away, or gives back what was taken.
func (s *Server) actOnClient(a Action) error {
	var found bool
	for _, c := range s.clients {
		if !strings.EqualFold(c.id, a.Client) && !strings.EqualFold(c.name, a.Client) && a.Client != "*" {
			continue
		}
		found = true
		denied := DenySpec{Action: a.Permission, Scope: a.Scope}
		c.deny = slices.DeleteFunc(slices.Clone(c.deny), func(d DenySpec) bool { return d == denied })
		if a.Do == "deny" {
			c.deny = append(c.deny, denied)
		}
	}
	if !found {
		return fmt.Errorf("find client %q: %w", a.Client, ErrNoSuchClient)
	}
	return nil
}

// findResource returns a resource by id, name or kind/name.
func (s *Server) findResource(ref string) (*resource, error) {
	if strings.HasPrefix(ref, "/") {
		if r := s.resources[fold(ref)]; r != nil {
			return r, nil
		}
		return nil, fmt.Errorf("find resource %s: %w", ref, ErrNoSuchResource)
	}
	ofKind, name, both := strings.Cut(ref, "/")
	if !both {
		ofKind, name = "", ref
	}
	list := slices.DeleteFunc(s.named(name), func(r *resource) bool { return ofKind != "" && r.kind.name != ofKind })
	switch len(list) {
	case 0:
		return nil, fmt.Errorf("find resource %q: %w", ref, ErrNoSuchResource)
	case 1:
		return list[0], nil
	default:
		return nil, fmt.Errorf("find resource %q: %d have this name; give its id or kind/name: %w",
			ref, len(list), ErrNoSuchResource)
	}
}

// actOnResource does what concerns one resource.
func (s *Server) actOnResource(a Action, now time.Time) error {
	r, err := s.findResource(a.Resource)
	if err != nil {
		return err
	}
	switch a.Do {
	case "stop-switching", "resume-switching":
		r.pace.Stuck = a.Do == "stop-switching"
		r.pace.Unnudged = r.pace.Stuck && r.pace.Unnudged
	case "switch-now":
		s.follow(r, now)
	case "pin":
		return s.pin(r, a.Version, now)
	case "delete-resource":
		s.drop(r)
	case "set-property":
		next := clone(r.doc)
		merge(next, a.Properties)
		s.change(r, next)
		s.settle(r, now)
	case "auto-rotation-error":
		autoRotationError(s, r, a)
	case "revoke-access", "grant-access":
		r.noAccess = a.Do == "revoke-access"
		for _, other := range s.selectedAll(func(other *resource) bool { return other.identity() == r }) {
			s.settle(other, now)
		}
	default:
		act := r.kind.acts[a.Do]
		if act == nil {
			return fmt.Errorf("a %s does not: %w", r.kind.name, ErrUnknownAction)
		}
		act(s, r, now)
	}
	return nil
}

// autoRotationError turns automatic rotation off with an error, as a missing
// identity does [example compute-disk-2021-04-01, …WithAutoKeyRotationError].
func autoRotationError(s *Server, r *resource, a Action) {
	next := clone(r.doc)
	if a.Code == "" {
		delete(object(next, "properties"), "autoKeyRotationError")
	} else {
		put(next, "properties.autoKeyRotationError", doc{"code": a.Code, "message": a.Message})
	}
	s.change(r, next)
}

// pin names a version in a resource, as an operator would.
func (s *Server) pin(r *resource, word string, now time.Time) error {
	k := s.keyOf(r)
	if k == nil {
		return fmt.Errorf("pin %s: %w", r.id.name, ErrNoSuchKey)
	}
	v := k.state.choose(word)
	if v == nil {
		return fmt.Errorf("pin %s to %q: %w", r.id.name, word, ErrNoSuchVersion)
	}
	next := clone(r.doc)
	if r.kind.pin == nil {
		return fmt.Errorf("pin %s: a %s cannot be pinned: %w", r.id.name, r.kind.name, ErrUnknownAction)
	}
	r.kind.pin(next, k, v, word == "")
	s.change(r, next)
	s.use(r, v.id, now)
	return nil
}

// addDocument adds a resource by its whole document.
func (s *Server) addDocument(raw map[string]any, now time.Time) error {
	d, err := decodeDoc(encode(raw))
	if err != nil {
		return err
	}
	id := parseID(text(d, "id")).nested(s.kinds)
	k := s.kinds[strings.ToLower(id.fullType())]
	if k == nil || id.name == "" {
		return fmt.Errorf("add resource %q: its type is not simulated: %w", text(d, "id"), ErrNoSuchResource)
	}
	defaults(d, doc{"type": k.typ, "name": id.name}) // Azure leaves out neither
	r := &resource{id: id.spelled(k.typ), kind: k, made: now, doc: d, pace: k.pace.over(k.pace)}
	s.add(r)
	if k.placed != nil {
		k.placed(s, r)
	}
	if r.link.key != "" {
		r.begin(s.documentVersion(r, now))
		if k.shown != nil && r.inUse != "" && k.shown(d) == "" {
			k.adopt(s, r, r.inUse, now)
		}
		s.watch(r, now.Add(r.pace.FirstCheck.Duration))
	}
	s.settle(r, now)
	return nil
}

// documentVersion is the version that a given document says is in use.
func (s *Server) documentVersion(r *resource, now time.Time) string {
	if r.kind.shown != nil {
		if l := keyLink(r.kind.shown(r.doc)); l.pinned != "" {
			return l.pinned
		}
	}
	return s.pick(r, now)
}

// adoptVault gives a vault's document its data plane.
func (s *Server) adoptVault(r *resource) {
	host := strings.ToLower(r.id.name) + vaultSuffix
	if s.vaults[host] != nil {
		return
	}
	s.addVault(&vault{host: host, keys: map[string]*key{}, spec: VaultSpec{
		Place: Place{
			Name: r.id.name, Subscription: r.id.subscription, ResourceGroup: r.id.group, Location: r.location(),
		},
		PurgeProtection: truth(r.doc, "properties.enablePurgeProtection"),
		RetentionDays:   whole(at(r.doc, "properties.softDeleteRetentionInDays")),
	}})
}

// whole reads a whole number from a document.
func whole(v any) int {
	n := 0
	if _, err := fmt.Sscan(fmt.Sprint(v), &n); err != nil {
		return 0
	}
	return n
}

// ParseActions reads actions as a scenario has them under events, without their
// moments; see [parseList]. The word above them is actions.
func ParseActions(name string, data []byte) ([]Action, error) {
	return parseList(name, data, "actions", "{do: rotate-key, key: vault/key}", (*checker).action)
}

// action checks one action.
func (c *checker) action(at string, a Action) {
	if !slices.Contains(Actions(), a.Do) {
		c.problem(at+".do", "unknown action %q; use one of %s", a.Do, strings.Join(Actions(), ", "))
	}
	c.past(at, a)
	if a.Do == "lock" {
		c.level(at, a.Level)
	}
}

// Check says whether an action is one, before it is done.
func (a Action) Check() error {
	if !slices.Contains(Actions(), a.Do) {
		return fmt.Errorf("%w %q; use one of %s", ErrUnknownAction, a.Do, strings.Join(Actions(), ", "))
	}
	return nil
}
