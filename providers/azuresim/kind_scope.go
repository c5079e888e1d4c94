package azuresim

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// scopeKind is the encryption scope of a storage account, with a key of its own
// under the identity of the account. It follows as the account does: a key
// without a version is looked after once a day (facts-evidence §3). Nobody can
// delete it.
func scopeKind() *kind {
	return &kind{
		name: "encryption-scope", typ: "Microsoft.Storage/storageAccounts/encryptionScopes", content: jsonPlain,
		pace:   storageKind().pace,
		linkOf: scopeLink, adopt: scopeAdopt, write: scopeWrite, list: scopeList, pin: scopePin,
		throttled: storageThrottled, parallel: true,
		keyPath: scopeKey + ".keyUri", refused: storageRefused,
		keyOff: func(d doc) bool { return !strings.EqualFold(text(d, "properties.source"), "Microsoft.Keyvault") },
		shown:  func(d doc) string { return text(d, scopeKey+".currentVersionedKeyIdentifier") },
		placed: func(_ *Server, r *resource) { r.keeper = r.parent },
		barred: scopeDisabled,
	}
}

const scopeKey = "properties.keyVaultProperties"

// scopeLink reads the key; the request may say Microsoft.KeyVault, the answer
// says Microsoft.Keyvault [recording storage.encryption-scope-cmk].
func scopeLink(d doc) link {
	if !strings.EqualFold(text(d, "properties.source"), "Microsoft.Keyvault") {
		return link{}
	}
	return keyLink(text(d, scopeKey+".keyUri"))
}

func scopePin(d doc, k *key, v *version, latest bool) {
	if latest {
		v = nil
	}
	put(d, scopeKey+".keyUri", k.uri(v))
}

func scopeDisabled(r *resource) bool {
	return strings.EqualFold(text(r.doc, "properties.state"), "Disabled")
}

// scopeAdopt writes the version in use. The time of rotation is not there when a
// version is pinned [recording storage.encryption-scope-cmk].
func scopeAdopt(s *Server, r *resource, version string, now time.Time) {
	p := object(r.doc, scopeKey)
	p["currentVersionedKeyIdentifier"] = s.versionURI(r, version)
	delete(p, "lastKeyRotationTimestamp")
	if r.link.pinned == "" {
		p["lastKeyRotationTimestamp"] = stampZ(now)
	}
}

// scopeDoc is a scope as it rests [recording storage.encryption-scope-list].
func scopeDoc(id resourceID, made time.Time) doc {
	return doc{
		"id": id.path(), "type": "Microsoft.Storage/storageAccounts/encryptionScopes", "name": id.name,
		"properties": doc{
			"source": "Microsoft.Storage", "creationTime": stampZ(made), "lastModifiedTime": stampZ(made),
			"state": "Enabled",
		},
	}
}

// scopeWrite makes a scope (201) or changes one (200), both at once and of the
// properties only what is given. Of a scope under Microsoft's keys the answer to a
// PUT has an empty keyVaultProperties, every other answer none [recording
// storage.encryption-scope-list].
func scopeWrite(s *Server, c *call, r *resource, body doc, patch bool) *answer {
	status := http.StatusOK
	if r == nil {
		status = http.StatusCreated
		r = s.newResource(c)
		r.doc = scopeDoc(r.id, c.now)
		s.add(r)
		r.keeper = r.parent
		r.pace = r.parent.pace
		s.watch(r, c.now.Add(r.pace.FirstCheck.Duration))
	}
	s.changeScope(r, body, c.now)
	d := r.view(c)
	if !patch {
		defaults(d, doc{"properties": doc{"keyVaultProperties": doc{}}})
	}
	return reply(status, d)
}

// changeScope lays a request over a scope and re-reads the key if it names one.
func (s *Server) changeScope(r *resource, body doc, now time.Time) {
	next := clone(r.doc)
	asked, _ := body["properties"].(doc)
	for _, name := range []string{"creationTime", "lastModifiedTime"} {
		delete(asked, name)
	}
	if uri := text(body, scopeKey+".keyUri"); uri != "" {
		// What the vault said of the key before is kept until it is read again.
		asked["keyVaultProperties"] = doc{"keyUri": uri}
	}
	merge(object(next, "properties"), asked)
	put(next, "properties.lastModifiedTime", stampZ(now))
	if scopeLink(next).key == "" {
		put(next, "properties.source", "Microsoft.Storage")
		delete(object(next, "properties"), "keyVaultProperties")
	} else {
		put(next, "properties.source", "Microsoft.Keyvault")
	}
	s.change(r, next)
	if text(body, scopeKey+".keyUri") != "" && !r.pace.Unnudged {
		s.reread(r, now)
	}
}

// encryptionScopeFilter is the one filter there is [recording storage.encryption-scope-list].
func encryptionScopeFilter(c *call) func(name string) bool {
	inner, ok := strings.CutPrefix(c.query.Get("$filter"), "startswith(name,")
	if !ok {
		return func(string) bool { return true }
	}
	prefix := strings.Trim(strings.TrimSuffix(inner, ")"), " '")
	return func(name string) bool { return strings.HasPrefix(name, prefix) }
}

// scopeList lists the scopes of an account by name; a page ends with the name of
// the next one [recording storage.encryption-scope-list].
func scopeList(s *Server, c *call) *answer {
	if a := s.missingGroup(c); a != nil {
		return a
	}
	named := encryptionScopeFilter(c)
	include := c.query.Get("$include")
	list := s.listed(c, s.index.ofKind(c.kind), func(r *resource) bool {
		return r.kind == c.kind && strings.EqualFold(r.id.above, c.target.above) && named(r.id.name) &&
			(include == "" || include == "All" || strings.EqualFold(include, text(r.doc, "properties.state")))
	})
	from := c.query.Get("$skipToken")
	list = slices.DeleteFunc(list, func(r *resource) bool { return r.id.name < from })
	size, err := strconv.Atoi(c.query.Get("$maxpagesize"))
	if err != nil || size <= 0 || size > 5000 {
		size = 5000 // the most of a page, by the REST reference of the list
	}
	d, value := doc{}, []any{}
	for i, r := range list {
		if i == size {
			d["nextLink"] = scopeNext(c, r.id.name)
			break
		}
		value = append(value, r.view(c))
	}
	d["value"] = value
	return reply(http.StatusOK, d).set("Content-Type", c.kind.content)
}

// scopeNext writes the link as Storage does: names with a bare dollar sign.
func scopeNext(c *call, name string) string {
	var out strings.Builder
	out.WriteString("https://" + managementHost + c.path + "?api-version=" + c.version())
	for _, option := range []string{"$filter", "$include", "$maxpagesize"} {
		if value := c.query.Get(option); value != "" {
			out.WriteString("&" + option + "=" + url.QueryEscape(value))
		}
	}
	return out.String() + "&$skipToken=" + name
}

// buildScope makes a scope of an account.
func (s *Server) buildScope(account *resource, spec ScopeSpec, n string) {
	id := account.id
	id.above, id.name = id.name, strings.ReplaceAll(spec.Name, "{n}", n)
	id = id.spelled("Microsoft.Storage/storageAccounts/encryptionScopes")
	d := scopeDoc(id, account.made)
	if spec.State != "" {
		put(d, "properties.state", spec.State)
	}
	if k, v := s.resolveKey(spec.Key, spec.Version, n); k != nil {
		if spec.Version == "" {
			v = nil
		}
		put(d, "properties.source", "Microsoft.Keyvault")
		put(d, scopeKey+".keyUri", k.uri(v))
		account.doc["identity"] = doc{"type": "SystemAssigned"}
		s.identify(account.doc)
	}
	r := &resource{
		id: id, kind: s.kindNamed("encryption-scope"), made: account.made, doc: d, keeper: account, pace: account.pace,
	}
	s.add(r)
	if r.link.key != "" {
		r.begin(s.before(r))
		scopeAdopt(s, r, r.inUse, r.made)
		s.watch(r, s.epoch.Add(r.pace.FirstCheck.Duration))
	}
	s.settle(r, s.epoch)
	extra := account.extra.(*storageExtra)
	for _, name := range spec.Containers {
		extra.containers = append(extra.containers, name)
		extra.scopes[name] = r.id.name
	}
}
