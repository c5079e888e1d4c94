package arm

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"cmkd/rotator"
)

// ResourceID is the parsed id of an Azure resource. Ids and type names compare
// without regard to case, and services change the case of parts of an id
// between calls (azure/facts.md section 3), so an id is kept as it was given and
// compared with [ResourceID.Same].
type ResourceID struct {
	Subscription string // GUID, as given
	Group        string
	Provider     string // for instance Microsoft.Storage
	// Type is the type within the provider, joined by "/" for a nested one, for
	// instance "storageAccounts" or "virtualMachineScaleSets/virtualMachines".
	Type string
	// Name is the last segment.
	Name string
	path string
}

var guidPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

const idForm = "/subscriptions/GUID/resourceGroups/GROUP/providers/NAMESPACE/TYPE/NAME"

// ParseResourceID reads the id of a resource in a resource group, of any nesting.
// It rejects whatever could name another thing once it is part of a URL. Its
// error is of CodeInvalid and had no effect.
func ParseResourceID(id string) (ResourceID, error) {
	if err := checkPath(id); err != nil {
		return ResourceID{}, err
	}
	p := strings.Split(strings.TrimSuffix(id, "/"), "/")[1:]
	if len(p) < 8 || len(p)%2 != 0 || !strings.EqualFold(p[0], "subscriptions") ||
		!strings.EqualFold(p[2], "resourceGroups") || !strings.EqualFold(p[4], "providers") {
		return ResourceID{}, invalid("resource id %q is not of the form %s", id, idForm)
	}
	if !IsGUID(p[1]) {
		return ResourceID{}, invalid("resource id %q names subscription %q, which is not a GUID", id, p[1])
	}
	r := ResourceID{Subscription: p[1], Group: p[3], Provider: p[5], Name: p[len(p)-1], path: strings.TrimSuffix(id, "/")}
	types := make([]string, 0, 2)
	for i := 6; i < len(p); i += 2 {
		types = append(types, p[i])
	}
	r.Type = strings.Join(types, "/")
	return r, nil
}

// String returns the id as it was given, without a trailing slash.
func (r ResourceID) String() string { return r.path }

// FullType returns the provider and the type, for instance
// Microsoft.Storage/storageAccounts.
func (r ResourceID) FullType() string { return r.Provider + "/" + r.Type }

// Is reports whether the resource is of a type, given as [ResourceID.FullType].
func (r ResourceID) Is(fullType string) bool { return strings.EqualFold(r.FullType(), fullType) }

// Same reports whether two ids name one resource.
func (r ResourceID) Same(other ResourceID) bool { return strings.EqualFold(r.path, other.path) }

// CheckSubscription returns an error of CodeInvalid unless id is a GUID.
func CheckSubscription(id string) error {
	if !IsGUID(id) {
		return invalid("subscription %q is not a GUID", id)
	}
	return nil
}

// IsGUID reports whether a text has the form of an id of Entra's or of a subscription.
func IsGUID(id string) bool { return guidPattern.MatchString(id) }

// checkPath rejects paths that would not mean in a URL what they say: another
// host, a parent, a query, an escape.
func checkPath(path string) error {
	switch {
	case !strings.HasPrefix(path, "/"):
		return invalid("path %q does not begin with /", path)
	case len(path) > 4096:
		return invalid("path is longer than 4096 bytes")
	case !utf8.ValidString(path):
		return invalid("path %q is not UTF-8", path)
	case strings.ContainsAny(path, `?#%\`):
		return invalid("path %q contains one of ? # %% \\", path)
	case strings.ContainsFunc(path, unprintable):
		return invalid("path %q contains a character that cannot be part of a name", path)
	}
	for _, segment := range strings.Split(strings.TrimSuffix(path, "/"), "/")[1:] {
		if segment == "" || segment == "." || segment == ".." {
			return invalid("path %q contains an empty, . or .. segment", path)
		}
	}
	return nil
}

func unprintable(r rune) bool {
	return r != ' ' && !unicode.IsGraphic(r) || r != ' ' && unicode.IsSpace(r)
}

func invalid(format string, args ...any) error {
	return &rotator.Error{
		Code: rotator.CodeInvalid, NoEffect: true, Message: fmt.Sprintf(format, args...),
		Hint: "give the resource id as `az resource show --query id` prints it",
	}
}

// scopeOf returns the subscription and the resource provider that a path counts
// against, lower-case; either may be empty.
func scopeOf(path string) (subscription, provider string) {
	p := strings.Split(strings.ToLower(path), "/")
	for i := 1; i+1 < len(p); i++ {
		switch {
		case i == 1 && p[i] == "subscriptions":
			subscription = p[i+1]
		case p[i] == "providers":
			provider = p[i+1]
		}
	}
	return subscription, provider
}
