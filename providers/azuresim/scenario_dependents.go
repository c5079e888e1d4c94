package azuresim

import (
	"maps"
	"slices"
	"strings"
)

// DependentSpec is a resource of a kind that a scenario has no words of its own for.
type DependentSpec struct {
	Protected `yaml:",inline"`
	// Kind is its kind, as container-registry.
	Kind string `yaml:"kind"`
	// Properties are laid over those of its document.
	Properties map[string]any `yaml:"properties"`
}

// dependent checks the kind of one.
func (c *checker) dependent(at string, spec DependentSpec) {
	c.oneOf(at+".kind", spec.Kind, DependentKinds()...)
	if spec.Kind == "" {
		c.problem(at, "a dependent needs a kind")
	}
}

// DependentKinds returns the kinds of which a scenario makes dependents.
func DependentKinds() (names []string) {
	for _, k := range kinds() {
		if k.built != nil {
			names = append(names, k.name)
		}
	}
	slices.Sort(names)
	return names
}

// buildDependent makes one, with a user-assigned identity that reads its key.
func (s *Server) buildDependent(spec DependentSpec, p Place, n string) {
	r := s.start(spec.Kind, p, spec.Protected, func(id resourceID) doc {
		k := s.kindNamed(spec.Kind)
		d := common(id, k.typ, p.Location, p.Tags)
		user := id
		user.name += "-identity"
		d["identity"] = doc{"type": "UserAssigned", "userAssignedIdentities": doc{
			user.spelled("Microsoft.ManagedIdentity/userAssignedIdentities").path(): doc{},
		}}
		s.identify(d)
		uri := ""
		if key, version := s.resolveKey(spec.Key, spec.Version, n); key != nil {
			uri = key.named(version, spec.Version == "")
		}
		k.built(s, d, uri)
		merge(d, doc{"properties": clone(spec.Properties)})
		return d
	})
	if r.kind.shown != nil && r.inUse != "" {
		r.kind.adopt(s, r, r.inUse, r.made)
	}
}

// named is the identifier by which a resource names a key: of a version, or with latest
// without one.
func (k *key) named(v *version, latest bool) string {
	if latest {
		v = nil
	}
	return k.uri(v)
}

// identityOf returns the id of a document's user-assigned identity.
func identityOf(d doc) string {
	users, _ := at(d, "identity.userAssignedIdentities").(doc)
	for _, id := range slices.Sorted(maps.Keys(users)) {
		return id
	}
	return ""
}

// clientOf returns the client id of a document's user-assigned identity.
func (s *Server) clientOf(d doc) string { return s.mint.guid("client", strings.ToLower(identityOf(d))) }
