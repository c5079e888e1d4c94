package azuresim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Lie is what a fault answers in place of the truth, as Azure, a cache or a
// proxy in between can.
type Lie struct {
	// Body of "body" and its ContentType, default application/json.
	Body        string `yaml:"body"`
	ContentType string `yaml:"content_type"`
	// NoEffect of "body" and "empty-body" keeps the request from Azure, as a
	// proxy does that answers by itself. Without it the request takes effect
	// and its answer is lost.
	NoEffect bool `yaml:"no_effect"`
	// Paths of "omit", "null-property" and "set" are names joined by dots. []
	// after a name is each member of a list, [2] one of them:
	// value[].properties.encryption.
	Paths []string `yaml:"paths"`
	// Value of "set".
	Value any `yaml:"value"`
	// Resource of "foreign" is an id, a name or kind/name; without it one is
	// drawn by the seed, of the "same" type (default) or of an "other" one.
	Resource string `yaml:"resource"`
	Type     string `yaml:"type"`
	// Key of "foreign" is the "vault/key" that a vault answers with; without it
	// another key of the same vault is drawn by the seed.
	Key string `yaml:"key"`
	// Items of "cut-page" is how many members remain; half by default.
	Items *int `yaml:"items"`
	// Members of "drop-from-list" are globs over id, kid and name; without them
	// one member is drawn by the seed.
	Members []string `yaml:"members"`
	// Behind of "old-list" is how old the lists are.
	Behind Duration `yaml:"behind"`
}

// lie answers a request untruly. It says no where the fault is no lie.
func (f *armedFault) lie(c *call, handler func(*call) *answer) (*answer, bool) {
	switch f.Do {
	case "empty-body", "body":
		return f.substitute(c, handler), true
	case "omit", "null-property", "set":
		return altered(handler(c), f.alter), true
	case "foreign":
		return f.foreign(c, handler(c)), true
	case "cut-page":
		return altered(handler(c), f.cut), true
	case "drop-from-list":
		return altered(handler(c), func(d doc) { f.dropMembers(c, d) }), true
	case "repeat-page":
		return altered(handler(c), func(d doc) { repeatPage(c, d) }), true
	case "old-list":
		if listOperation(c.operation) {
			c.behind = f.Behind.Duration
		}
		return handler(c), true
	case "expired-token":
		return c.sim.expiredToken(c, handler), true
	}
	return nil, false
}

// substitute answers with a body of the scenario's, or with none.
func (f *armedFault) substitute(c *call, handler func(*call) *answer) *answer {
	if !f.NoEffect {
		handler(c)
	}
	a := newAnswer(http.StatusOK)
	if f.Status != 0 {
		a.status = f.Status
	}
	if f.Do == "empty-body" {
		return a
	}
	content := f.ContentType
	if content == "" {
		content = jsonPlain
	}
	a.body = []byte(f.Body)
	return a.set("Content-Type", content)
}

// altered changes the document of a successful answer. Errors, and what is no
// JSON object, stay as they are.
func altered(a *answer, change func(doc)) *answer {
	if a.status >= http.StatusMultipleChoices || len(a.body) == 0 {
		return a
	}
	d, err := decodeDoc(a.body)
	if err != nil {
		return a
	}
	change(d)
	a.body = encode(d)
	return a
}

// alter omits, nulls or sets what the paths name.
func (f *armedFault) alter(d doc) {
	for _, path := range f.Paths {
		steps, err := parseDocPath(path)
		if err != nil {
			continue // the parser of scenarios reports it
		}
		steps.each(d, func(holder doc, name string) {
			switch _, have := holder[name]; {
			case f.Do == "omit":
				delete(holder, name)
			case f.Do == "set":
				holder[name] = cloneValue(f.Value)
			case have:
				holder[name] = nil
			}
		})
	}
}

// listOperation says whether an operation answers with a list.
func listOperation(name string) bool {
	return strings.HasSuffix(name, "-list") || name == "key-list-versions" || name == "graph-query"
}

// listIn finds the list of an answer: of Resource Manager and Key Vault, of
// Resource Graph, or the rows of Log Analytics. Blob Storage lists in XML,
// which is left alone.
func listIn(d doc) (holder doc, name string) {
	for _, name := range []string{"value", "data"} {
		if _, ok := d[name].([]any); ok {
			return d, name
		}
	}
	if tables := anyList(d, "tables"); len(tables) > 0 {
		if table, ok := tables[0].(doc); ok {
			return table, "rows"
		}
	}
	return nil, ""
}

// cut ends a page early and points to no next one. The total that Resource
// Graph counts stays true.
func (f *armedFault) cut(d doc) {
	holder, name := listIn(d)
	if holder == nil {
		return
	}
	list := anyList(holder, name)
	keep := len(list) / 2
	if f.Items != nil {
		keep = min(max(*f.Items, 0), len(list))
	}
	holder[name] = list[:keep]
	if _, ok := d["count"]; ok && name == "data" {
		d["count"] = keep
	}
	delete(d, "$skipToken")
	if _, ok := d["nextLink"]; ok {
		d["nextLink"] = nil
	}
}

// dropMembers leaves members out of a list, and out of its counts.
func (f *armedFault) dropMembers(c *call, d doc) {
	holder, name := listIn(d)
	if holder == nil {
		return
	}
	list := anyList(holder, name)
	left := make([]any, 0, len(list))
	drawn := -1
	if len(f.Members) == 0 && len(list) > 0 {
		drawn = int(c.sim.mint.number(uint64(len(list)), "drop", c.path))
	}
	for i, member := range list {
		if i != drawn && !f.names(member) {
			left = append(left, member)
		}
	}
	holder[name] = left
	for _, count := range []string{"count", "totalRecords"} {
		if _, ok := d[count]; ok && name == "data" {
			d[count] = whole(d[count]) - len(list) + len(left)
		}
	}
}

// names says whether a member of a list is one of those to leave out.
func (f *armedFault) names(member any) bool {
	d, ok := member.(doc)
	return ok && slices.ContainsFunc(f.Members, func(glob string) bool {
		return slices.ContainsFunc([]string{"id", "kid", "name"}, func(name string) bool {
			return text(d, name) != "" && globMatches(glob, text(d, name))
		})
	})
}

// repeatPage points from a page to itself.
func repeatPage(c *call, d doc) {
	holder, name := listIn(d)
	switch {
	case holder == nil:
	case name == "data":
		d["$skipToken"] = writeMarker("0")
	case name == "value":
		d["nextLink"] = "https://" + c.host + c.path + "?" + c.query.Encode()
	}
}

// foreign puts the document of something else in the place of a true one.
func (f *armedFault) foreign(c *call, a *answer) *answer {
	if a.status >= http.StatusMultipleChoices {
		return a
	}
	var other *answer
	switch {
	case c.vault != nil:
		other = f.foreignKey(c)
	case c.kind != nil && c.target.name != "" && len(c.target.rest) == 0:
		other = f.foreignResource(c)
	}
	if other == nil || other.status >= http.StatusMultipleChoices {
		return a
	}
	a.body = other.body
	return a
}

// foreignResource is another resource, nil where there is none.
func (f *armedFault) foreignResource(c *call) *answer {
	s := c.sim
	if f.Resource != "" {
		r, err := s.findResource(f.Resource)
		if err != nil {
			return nil
		}
		return reply(http.StatusOK, r.view(c))
	}
	own := fold(c.target.path())
	others := s.selectedAll(func(r *resource) bool {
		return fold(r.id.path()) != own && (r.kind == c.kind) == (f.Type != "other")
	})
	if len(others) == 0 {
		return nil
	}
	r := others[s.mint.number(uint64(len(others)), "foreign", own)]
	return reply(http.StatusOK, r.view(c))
}

// foreignKey is what the vault would say of another key, nil where there is
// none. A version that the path names is not one of the other key's: its newest
// is answered.
func (f *armedFault) foreignKey(c *call) *answer {
	s := c.sim
	parts := strings.Split(strings.Trim(c.path, "/"), "/")
	if len(parts) < 2 || parts[0] != "keys" {
		return nil
	}
	of := *c
	name := ""
	if f.Key != "" {
		k, err := s.findKey(f.Key)
		if err != nil {
			return nil
		}
		of.vault, of.host, name = k.vault, k.vault.host, k.name
	} else {
		names := c.vault.names(func(k *key) bool {
			return k.state.exists && k.state.deleted == nil && !strings.EqualFold(k.name, parts[1])
		})
		if len(names) == 0 {
			return nil
		}
		name = c.vault.keys[names[s.mint.number(uint64(len(names)), "foreign", c.path)]].name
	}
	if c.operation == "key-list-versions" {
		return s.listVersions(&of, name, "")
	}
	return s.getKey(&of, name, "")
}

// expiredToken refuses a token that is good, as if it had expired on the way.
// Entra ID itself has no use for one.
func (s *Server) expiredToken(c *call, handler func(*call) *answer) *answer {
	c.authError = "expired"
	switch {
	case c.host == managementHost:
		return s.managementChallenge(c)
	case c.vault != nil:
		return s.challenge(c)
	case strings.HasSuffix(c.host, blobSuffix):
		return s.blobChallenge(c, "InvalidAuthenticationInfo")
	case c.host == logHost:
		// Facts-evidence §1 has the code; the text is not verified.
		return problem(http.StatusUnauthorized, "AuthenticationFailed", "The access token has expired.")
	}
	return handler(c)
}

// lie checks what the kinds of lies need.
func (c *checker) lie(at string, f Fault) {
	switch f.Do {
	case "omit", "null-property", "set":
		if len(f.Paths) == 0 {
			c.problem(at, "fault %s needs paths; write them like value[].properties.encryption", f.Do)
		}
		for i, path := range f.Paths {
			if _, err := parseDocPath(path); err != nil {
				c.problem(fmt.Sprintf("%s.paths[%d]", at, i), "path %q: %v; write it like value[].properties.encryption", path, err)
			}
		}
		if f.Do == "set" && f.Value == nil {
			c.problem(at, "fault set needs a value; add value, or use null-property")
		}
	case "old-list":
		if f.Behind.Duration <= 0 && f.Behind.invalid == "" {
			c.problem(at, "fault old-list needs to know how old; add behind: 10m")
		}
	case "foreign":
		if !slices.Contains([]string{"", "same", "other"}, f.Type) {
			c.problem(at+".type", "type %q; use same or other", f.Type)
		}
		c.reference(at+".key", f.Key)
	case "cut-page":
		if f.Items != nil && *f.Items < 0 {
			c.problem(at+".items", "items %d; give 0 or more", *f.Items)
		}
	case "drop-from-list":
		for i, glob := range f.Members {
			if _, err := compilePattern(glob); err != nil {
				c.problem(fmt.Sprintf("%s.members[%d]", at, i), "pattern %q: %v; give a glob, or /a regular expression/", glob, err)
			}
		}
	case "body", "empty-body":
		if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
			c.problem(at+".status", "status %d; give 200 to 599", f.Status)
		}
	}
}
