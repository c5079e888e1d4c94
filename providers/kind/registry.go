package kind

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cmkd/providers/arm"
	"cmkd/rotator"
)

// Info describes a kind: what the code does, for `config check`, `doctor` and
// the documentation, which is generated from it.
type Info struct {
	Kind       string
	Type       string // the ARM type
	APIVersion string
	Traits     rotator.Traits
	Bindings   []rotator.Binding
	// Properties are those relied on, in the order of the kind's paths.
	Properties  []Property
	Calls       []CallInfo
	Settings    []Setting
	Permissions []Permission
	Evidence    string // how the version in use, and a denial, are known
	Limits      []string
	Sources     []string
}

// Property is a property of Azure's that a kind relies on.
type Property struct {
	Path string // from the document's root, joined by dots
	Use  string
}

// CallInfo is a call that a kind makes.
type CallInfo struct {
	Method, Path, APIVersion string
	When                     string
}

// Setting is a setting of a dependent that only its kind knows.
type Setting struct {
	Name, Doc string
	check     func(value string) error
}

// Permission is what the daemon's identity must be granted.
type Permission struct {
	Role, Scope string
	Action      string // the least action, for a custom role
	When        string
}

// Deps are what the kinds need.
type Deps struct {
	// ARM is required.
	ARM *arm.Client
	// Blob looks at the data plane of Storage; without it access to a storage
	// account stays unknown.
	Blob *BlobProbe
}

// All returns a service for every kind.
func All(d Deps) []rotator.Service {
	set := newDiskEncryptionSet(d)
	return []rotator.Service{
		newStorage(d),
		newCosmosDB(d),
		set,
		newManagedCluster(d, set),
		newContainerGroup(d),
	}
}

// Kinds describes every kind, in the order of [All].
func Kinds() []Info {
	return []Info{storageInfo(), cosmosDBInfo(), diskEncryptionSetInfo(), managedClusterInfo(), containerGroupInfo()}
}

// KindOf returns the kind of a resource by its id, and false if the id is not
// one, or of a type that no kind is for.
func KindOf(resourceID string) (kind string, ok bool) {
	id, err := arm.ParseResourceID(resourceID)
	if err != nil {
		return "", false
	}
	for _, info := range Kinds() {
		if id.Is(info.Type) {
			return info.Kind, true
		}
	}
	return "", false
}

// CheckSettings returns an error of CodeInvalid, naming everything that is
// wrong, unless settings are ones that the kind knows.
func CheckSettings(kind string, settings map[string]string) error {
	kinds := Kinds()
	i := slices.IndexFunc(kinds, func(info Info) bool { return info.Kind == kind })
	if i < 0 {
		names := make([]string, 0, len(kinds))
		for _, info := range kinds {
			names = append(names, info.Kind)
		}
		return rotator.Errorf(rotator.CodeInvalid, "there is no kind %q", kind).WithHint("one of: %s", strings.Join(names, ", "))
	}
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if err := kinds[i].checkSetting(name, settings[name]); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return rotator.Errorf(rotator.CodeInvalid, "%s", strings.Join(wrong, "; ")).WithHint("%s", kinds[i].settingsHint())
}

func (i Info) checkSetting(name, value string) error {
	for _, s := range i.Settings {
		if s.Name == name {
			return s.check(value)
		}
	}
	return fmt.Errorf("%s has no setting %q", i.Kind, name)
}

func (i Info) settingsHint() string {
	if len(i.Settings) == 0 {
		return "a " + i.Kind + " takes no settings"
	}
	var all []string
	for _, s := range i.Settings {
		all = append(all, s.Name+": "+s.Doc)
	}
	return strings.Join(all, "; ")
}
