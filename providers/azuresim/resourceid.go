package azuresim

import "strings"

// resourceID is a parsed id of Azure Resource Manager. Ids compare without
// regard to case (facts §3).
type resourceID struct {
	subscription, group string
	provider, typ, name string // of the resource, for example storageAccounts
	rest                []string
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
	return "/subscriptions/" + r.subscription + "/resourceGroups/" + r.group +
		"/providers/" + r.provider + "/" + r.typ + "/" + r.name
}

// fold returns the form under which an id is kept.
func fold(id string) string { return strings.ToLower(strings.TrimRight(id, "/")) }
