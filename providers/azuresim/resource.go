package azuresim

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// resource is one resource of Azure Resource Manager.
type resource struct {
	id      resourceID
	folded  string // its id as it is kept, see fold
	kind    *kind
	doc     doc // as it rests; views of it are sent
	before  doc // ahead of the last change, for stale reads
	made    time.Time
	changed time.Time // when the document changed last
	gone    bool
	goneAt  time.Time
	past    []past // how it stood, oldest first
	indexed doc    // what Resource Graph shows for good, if the service changed the rest by itself
	pace    Pace
	extra   any      // what only its kind knows
	refers  []string // folded ids that its document names

	parent *resource // that it is nested in
	keeper *resource // whose identity opens its key, nil for its own

	link     link       // the key as configured
	inKey    string     // key of inUse: the configured one may be another already
	inUse    string     // version that wraps its data key now
	first    string     // version in use before all that usage tells
	firstKey string     // and its key
	usage    []usage    // what was in use since when, oldest first
	older    []held     // versions that still wrap some of it
	filed    []string   // keys under which byKey has it
	denied   denial     // why the service cannot use the key, if so
	noAccess bool       // its identity lost access to the vault
	turn     int        // counts planned changes of denied, to drop stale plans
	planned  denial     // what the plan leads to
	deniedAt time.Time  // since when
	running  *operation // long-running operation in progress
}

// usage is the time from which a version was in use.
type usage struct {
	key, version string
	since        time.Time
}

// held is a version that a resource needs, and why.
type held struct {
	link // with the version
	why  NeedReason
}

// link says which key a resource names, and which version if it is pinned.
type link struct {
	key    string // versionless URI, folded
	pinned string
}

// denial says why a service cannot use its key; empty when it can.
type denial string

const (
	deniedNot       denial = ""
	deniedDisabled  denial = "disabled"
	deniedDeleted   denial = "deleted"
	deniedForbidden denial = "forbidden"
	deniedVault     denial = "vault"
)

// kind is a type of resource: a table of what differs between them. A nil
// function means that the kind does not do it.
type kind struct {
	name string // as in operation names, for example storage
	typ  string // for example Microsoft.Storage/storageAccounts
	// linkOf reads the key from a document.
	linkOf func(d doc) link
	// refers reads the ids of other resources from a document, such as the disk
	// encryption sets of a disk, snapshot or image.
	refers func(d doc) []string
	// write answers a PUT (or PATCH) of a resource, nil for a new one.
	write func(s *Server, c *call, r *resource, body doc, patch bool) *answer
	// remove answers a DELETE.
	remove func(s *Server, c *call, r *resource) *answer
	// post answers a POST of an action.
	post func(s *Server, c *call, r *resource, action string) *answer
	// child answers a GET below the resource.
	child func(s *Server, c *call, r *resource, rest []string) *answer
	// see changes a copy of the document into what is sent to this call.
	see func(s *Server, c *call, r *resource, d doc)
	// adopt writes into the document that a version is in use now.
	adopt func(s *Server, r *resource, version string, now time.Time)
	// follows says whether a resource takes new versions by itself, where that is
	// not said by a key without a version.
	follows func(d doc) bool
	// hasData says whether there is anything to re-wrap; nil means always.
	hasData func(s *Server, r *resource) bool
	// pin writes into a document that a version is named, or with latest that
	// the newest is followed where the kind can.
	pin func(d doc, k *key, v *version, latest bool)
	// shown reads the identifier in use from a document that somebody made; if
	// it is left out, adopt writes it.
	shown func(d doc) string
	// built completes the document of one that a scenario declares among its dependents;
	// key is the identifier that it names, empty for none.
	built func(s *Server, d doc, key string)
	// stateAt is where it says what is under way, empty for its provisioningState; failed is
	// what it says there after an operation that failed, empty for Failed.
	stateAt, failed string
	// placed is told of a resource that was added by its document.
	placed func(s *Server, r *resource)
	// listed changes what is sent in a list, after see.
	listed func(d doc)
	// onePage lists are never cut.
	onePage bool
	// parallel writes are taken while an operation is under way; busy refuses
	// the others in the kind's own words.
	parallel bool
	busy     func(r *resource) *answer
	// throttled answers in the kind's own words when its provider's limit is
	// reached.
	throttled func(c *call) *answer
	// named resources have a name that is taken for all of Azure, by which the
	// data plane finds them.
	named bool
	// turned is told that access to the key ended or came back.
	turned func(s *Server, r *resource, now time.Time)
	// keyPath is where a write names the key, refused how it is refused then.
	keyPath string
	refused func(c *call, l link, f flaw) *answer
	// keyOff says that a document with something at keyPath names no key.
	keyOff func(d doc) bool
	// bad refuses a write for other reasons; nil takes all.
	bad func(c *call, r *resource, body doc) *answer
	// holds refuses to delete a resource that something else needs.
	holds func(s *Server, r *resource) *answer
	// expires says that the service stops when its version expires, where the
	// quirk expired_disks says so.
	expires bool
	// pace is the default.
	pace Pace
	// need is why a resource of the kind needs the version in use; empty means
	// [NeedInUse].
	need NeedReason
	// needs are what a resource holds besides the versions that it keeps itself.
	needs func(s *Server, r *resource, now time.Time) []held
	// holders are other resources that need whatever a resource needs.
	holders func(s *Server, r *resource) []*resource
	// leave is told of the version that is not in use any more, where re-wrapping
	// after a while is not what happens to it.
	leave func(s *Server, r *resource, before link, now time.Time)
	// spare says that another key serves as well as the one that the link names.
	spare func(s *Server, r *resource, now time.Time) bool
	// inside makes what a scenario's resource is in, and returns its name; nil if in a group.
	inside func(s *Server, p Place) string
	// barred says that the data is closed for another reason than the key.
	barred func(r *resource) bool
	// atStart kinds open their key when they start and never again.
	atStart bool
	// crypts is the operation by which the service reads, in the vault's log;
	// empty means KeyUnwrap. The one by which it writes goes with it.
	crypts string
	// list answers a list in the kind's own way.
	list func(s *Server, c *call) *answer
	// below answers what is neither child nor post.
	below func(s *Server, c *call, r *resource, rest []string) *answer
	// acts are actions that only this kind knows.
	acts map[string]func(s *Server, r *resource, now time.Time)
	// dropped is told of a resource that is gone.
	dropped func(s *Server, r *resource)
	// internal resources cannot be asked for here.
	internal bool
	// silent kinds leave nothing in the vault's log.
	silent bool
	// standing kinds are listed by the disk encryption sets that they refer to.
	standing bool
	// eager kinds follow a while after each new version instead of looking
	// now and then.
	eager bool
	// altered is told that the document changed.
	altered func(s *Server, r *resource)
	// content is the media type; Storage, Cosmos DB and AKS leave the
	// character set out (recordings).
	content string
}

// view returns what is sent of a resource.
func (r *resource) view(c *call) doc {
	d := r.doc
	if c.stale && r.before != nil {
		d = r.before
	}
	d = clone(d)
	if r.kind.see != nil {
		r.kind.see(c.sim, c, r, d)
	}
	return d
}

// location returns where it lives, without spaces and in lower case.
func (r *resource) location() string {
	if r.parent != nil {
		return r.parent.location()
	}
	return regionName(text(r.doc, "location"))
}

func regionName(location string) string {
	return strings.ToLower(strings.ReplaceAll(location, " ", ""))
}

// add puts a resource into the estate.
func (s *Server) add(r *resource) {
	r.folded = fold(r.id.path())
	if r.id.above != "" {
		r.parent = s.resources[fold(r.id.parent().path())]
	}
	if old := s.resources[r.folded]; old != nil {
		old.gone = true
		s.index.drop(old)
		s.file(old)
	}
	s.resources[r.folded] = r
	s.index.add(r)
	if r.kind.named {
		s.accounts[strings.ToLower(r.id.name)] = r
	}
	s.touchGroup(r.id, r.location())
	s.relink(r)
	if r.pace == (Pace{}) {
		r.pace = r.kind.pace
	}
}

// change gives a resource a new document.
func (s *Server) change(r *resource, next doc) {
	r.remember(r.doc, s.moment())
	r.before, r.doc, r.changed = r.doc, next, s.moment()
	s.index.refer(r)
	s.relink(r)
	if r.kind.altered != nil {
		r.kind.altered(s, r)
	}
}

// drop takes a resource out of the estate.
func (s *Server) drop(r *resource) {
	if r.gone {
		return
	}
	r.gone, r.goneAt = true, s.moment()
	if s.dropped = append(s.dropped, r); len(s.dropped) > maxKeyPast {
		s.dropped = slices.Clone(s.dropped[1:])
	}
	delete(s.resources, r.folded)
	s.index.drop(r)
	if r.kind.named {
		delete(s.accounts, strings.ToLower(r.id.name))
	}
	s.file(r)
	for _, child := range s.children(r) {
		s.drop(child)
	}
	if r.kind.dropped != nil {
		r.kind.dropped(s, r)
	}
}

// relink finds out which key the document names now.
func (s *Server) relink(r *resource) {
	if r.kind.linkOf != nil {
		r.link = r.kind.linkOf(r.doc)
	}
	s.file(r)
}

// file files a resource under every key that it needs or names, so that it is
// told of what happens to them; one that is gone under none.
func (s *Server) file(r *resource) {
	var keys []string
	if !r.gone {
		for _, h := range append(r.holds(), r.named()...) {
			if h.key != "" && !slices.Contains(keys, h.key) {
				keys = append(keys, h.key)
			}
		}
	}
	for _, key := range r.filed {
		if !slices.Contains(keys, key) {
			trim(s.byKey, key, r)
		}
	}
	for _, key := range keys {
		if !slices.Contains(r.filed, key) {
			s.byKey[key] = append(s.byKey[key], r)
		}
	}
	r.filed = keys
}

// holds returns the versions that a resource needs to read its data: the one in
// use, as long as it names a key, and those that wrap the rest.
func (r *resource) holds() []held {
	var out []held
	if r.link.key != "" && r.inUse != "" {
		out = append(out, held{link: link{key: r.inKey, pinned: r.inUse}, why: r.kind.reason()})
	}
	return append(out, r.older...)
}

// named returns the keys that a resource names, or once did where something of
// then is kept.
func (r *resource) named() []held {
	out := []held{{link: r.link}}
	if r.kind.needs != nil {
		out = append(out, held{link: link{key: r.firstKey}})
		for _, u := range r.usage {
			out = append(out, held{link: link{key: u.key}})
		}
	}
	return out
}

// reason is why a resource of the kind needs the version in use.
func (k *kind) reason() NeedReason { return cmp.Or(k.need, NeedInUse) }

// begin notes the version that a resource starts with, at no moment.
func (r *resource) begin(version string) {
	r.inKey, r.inUse = r.link.key, version
	r.firstKey, r.first = r.inKey, r.inUse
}

// identity is the resource whose identity opens the key.
func (r *resource) identity() *resource {
	if r.keeper != nil {
		return r.keeper
	}
	return r
}

// keyLink takes a key URI apart, with or without a version.
func keyLink(uri string) link {
	rest, ok := strings.CutPrefix(strings.ToLower(uri), "https://")
	if !ok {
		return link{}
	}
	parts := strings.Split(strings.TrimRight(rest, "/"), "/")
	if len(parts) < 3 || parts[1] != "keys" {
		return link{}
	}
	l := link{key: "https://" + strings.TrimSuffix(parts[0], ":443") + "/keys/" + parts[2]}
	if len(parts) > 3 {
		l.pinned = parts[3]
	}
	return l
}

// partsLink is a key named by its parts; with an empty version it follows.
func partsLink(vault, name, version string) link {
	l := keyLink(strings.TrimRight(vault, "/") + "/keys/" + name)
	if l.key != "" {
		l.pinned = version
	}
	return l
}

// pinParts pins a key block that names its key by its parts.
func pinParts(at string) func(d doc, k *key, v *version, latest bool) {
	return func(d doc, _ *key, v *version, latest bool) {
		pinned := v.id
		if latest {
			pinned = ""
		}
		put(d, at+".keyVersion", pinned)
	}
}

// keyOf returns the key that a resource names, nil if there is none.
func (s *Server) keyOf(r *resource) *key { return s.keyAt(r.link.key) }

// keyAt returns the key of a versionless URI, nil if there is none.
func (s *Server) keyAt(uri string) *key {
	rest := strings.TrimPrefix(uri, "https://")
	host, name, ok := strings.Cut(rest, "/keys/")
	if v := s.vaults[host]; ok && v != nil {
		return v.key(name)
	}
	return nil
}

// versionURI spells the URI of a version in the key's own case.
func (s *Server) versionURI(r *resource, id string) string {
	return s.spell(link{key: r.link.key, pinned: id})
}

// spell is the URI of a version in the key's own case.
func (s *Server) spell(l link) string {
	if k := s.keyAt(l.key); k != nil {
		return k.uri(nil) + "/" + l.pinned
	}
	return l.key + "/" + l.pinned
}

// group is a resource group.
type group struct {
	subscription, name, location string
	tags                         map[string]string
}

// touchGroup makes the resource group of a resource if it is new.
func (s *Server) touchGroup(id resourceID, location string) {
	key := fold(id.subscription + "/" + id.group)
	if _, ok := s.groups[key]; !ok {
		s.groups[key] = &group{subscription: id.subscription, name: id.group, location: location}
	}
	s.touchSubscription(id.subscription)
}

func (s *Server) touchSubscription(id string) {
	for _, have := range s.subs {
		if strings.EqualFold(have.ID, id) {
			return
		}
	}
	s.subs = append(s.subs, SubscriptionSpec{ID: id, Name: "Contoso"})
}
