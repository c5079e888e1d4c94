package azuresim

import "strings"

// resourceID is a parsed id of Azure Resource Manager. Ids compare without
// regard to case (facts §3).
type resourceID struct {
	subscription, group string
	provider, typ, name string // of the resource, for example storageAccounts
	// above are the names of the resources that a nested one is in, joined by /:
	// the account of storageAccounts/encryptionScopes.
	above string
	rest  []string
}

// parseID takes an id or a request path apart:
// /subscriptions/S/resourceGroups/G/providers/P/T/N/rest….
func parseID(path string) resourceID {
	var id resourceID
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for len(parts) > 0 {
		switch {
		case len(parts) > 1 && strings.EqualFold(parts[0], "subscriptions"):
			id.subscription, parts = parts[1], parts[2:]
		case len(parts) > 1 && strings.EqualFold(parts[0], "resourceGroups"):
			id.group, parts = parts[1], parts[2:]
		case len(parts) > 1 && strings.EqualFold(parts[0], "providers"):
			id.provider, parts = parts[1], parts[2:]
			if len(parts) > 0 {
				id.typ, parts = parts[0], parts[1:]
			}
			if len(parts) > 0 {
				id.name, parts = parts[0], parts[1:]
			}
			id.rest = parts
			return id
		default:
			id.rest = parts
			return id
		}
	}
	return id
}

// fullType returns provider and type, for example Microsoft.Storage/storageAccounts.
func (r resourceID) fullType() string { return r.provider + "/" + r.typ }

// path returns the id of the resource in its usual spelling.
func (r resourceID) path() string {
	var out strings.Builder
	out.WriteString("/subscriptions/" + r.subscription + "/resourceGroups/" + r.group + "/providers/" + r.provider)
	names := strings.Split(r.chain(), "/")
	for i, typ := range strings.Split(r.typ, "/") {
		if i < len(names) {
			out.WriteString("/" + typ + "/" + names[i])
		}
	}
	return out.String()
}

// chain returns the names from the outermost resource to this one, joined by /.
func (r resourceID) chain() string { return strings.TrimPrefix(r.above+"/"+r.name, "/") }

// parent returns the id of the resource that a nested one is in.
func (r resourceID) parent() resourceID {
	r.typ, r.name, r.rest = before(r.typ), r.above[strings.LastIndexByte(r.above, '/')+1:], nil
	r.above = before(r.above)
	return r
}

// before returns s up to its last slash, "" without one.
func before(s string) string { return s[:max(0, strings.LastIndexByte(s, '/'))] }

// nested takes the types of the table that are below other resources out of the
// rest: …/storageAccounts/a/encryptionScopes/s becomes the scope s of a.
func (r resourceID) nested(kinds map[string]*kind) resourceID {
	for len(r.rest) > 0 && kinds[strings.ToLower(r.fullType()+"/"+r.rest[0])] != nil {
		r.above, r.typ, r.name = r.chain(), r.typ+"/"+r.rest[0], ""
		r.rest = r.rest[1:]
		if len(r.rest) > 0 {
			r.name, r.rest = r.rest[0], r.rest[1:]
		}
	}
	return r
}

// fold returns the form under which an id is kept.
func fold(id string) string { return strings.ToLower(strings.TrimRight(id, "/")) }
