package azuresim

import (
	"slices"
	"strings"
	"time"
)

// resource is one resource of Azure Resource Manager.
type resource struct {
	id      resourceID
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
	extra   any // what only its kind knows

	link     link       // the key as configured
	inUse    string     // version that wraps its data key now
	first    string     // version in use before all that usage tells
	usage    []usage    // what was in use since when, oldest first
	older    []string   // versions that still wrap some of it
	denied   denial     // why the service cannot use the key, if so
	noAccess bool       // its identity lost access to the vault
	turn     int        // counts planned changes of denied, to drop stale plans
	planned  denial     // what the plan leads to
	deniedAt time.Time  // since when
	running  *operation // long-running operation in progress
}

// usage is the time from which a version was in use.
type usage struct {
	version string
	since   time.Time
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
	// eager kinds follow a while after each new version instead of looking
	// now and then.
	eager bool
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
func (r *resource) location() string { return regionName(text(r.doc, "location")) }

func regionName(location string) string {
	return strings.ToLower(strings.ReplaceAll(location, " ", ""))
}

// add puts a resource into the estate.
func (s *Server) add(r *resource) {
	s.resources[fold(r.id.path())] = r
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
	s.relink(r)
}

// drop takes a resource out of the estate.
func (s *Server) drop(r *resource) {
	r.gone, r.goneAt = true, s.moment()
	if s.dropped = append(s.dropped, r); len(s.dropped) > maxKeyPast {
		s.dropped = slices.Clone(s.dropped[1:])
	}
	delete(s.resources, fold(r.id.path()))
	if r.kind.named {
		delete(s.accounts, strings.ToLower(r.id.name))
	}
	s.unlink(r)
}

// relink finds out which key the document names now.
func (s *Server) relink(r *resource) {
	if r.kind.linkOf == nil {
		return
	}
	next := r.kind.linkOf(r.doc)
	if next.key != r.link.key {
		s.unlink(r)
		if next.key != "" {
			s.byKey[next.key] = append(s.byKey[next.key], r)
		}
	}
	r.link = next
}

func (s *Server) unlink(r *resource) {
	list := s.byKey[r.link.key]
	for i, other := range list {
		if other == r {
			s.byKey[r.link.key] = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	r.link.key = ""
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

// keyOf returns the key that a resource names, nil if there is none.
func (s *Server) keyOf(r *resource) *key {
	rest := strings.TrimPrefix(r.link.key, "https://")
	host, name, ok := strings.Cut(rest, "/keys/")
	if v := s.vaults[host]; ok && v != nil {
		return v.key(name)
	}
	return nil
}

// versionURI spells the URI of a version in the key's own case.
func (s *Server) versionURI(r *resource, id string) string {
	if k := s.keyOf(r); k != nil {
		return k.uri(nil) + "/" + id
	}
	return r.link.key + "/" + id
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
