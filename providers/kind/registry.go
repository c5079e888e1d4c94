package kind

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cmkd/providers/arm"
	"cmkd/rotator"
)

// All is the table of kinds. A new kind is one more line here and its file.
func All() []*Declaration {
	return []*Declaration{
		storage(),
		cosmosDB(),
		diskEncryptionSet(),
		managedCluster(),
		containerGroup(),
		containerRegistry(),
		postgresqlFlexible(),
		mysqlFlexible(),
		appConfiguration(),
		logAnalyticsCluster(),
		kustoCluster(),
		netAppAccount(),
		cognitiveAccount(),
		backupVault(),
		eventHubsNamespace(), serviceBusNamespace(),
		elasticSan(),
		mlWorkspace(),
	}
}

// Services returns a service for every kind, in the order of [All].
func Services(deps Deps) []rotator.Service {
	var services []rotator.Service
	for _, d := range All() {
		services = append(services, New(d, deps))
	}
	return services
}

// Of returns the kind of a resource by its id, and false if the id is not
// one, or of a type that no kind is for.
func Of(resourceID string) (kind string, ok bool) {
	id, err := arm.ParseResourceID(resourceID)
	if err != nil {
		return "", false
	}
	for _, d := range All() {
		if id.Is(d.Type) {
			return d.Name, true
		}
	}
	return "", false
}

// CheckSettings returns an error of CodeInvalid, naming everything that is
// wrong, unless settings are ones that the kind knows.
func CheckSettings(kind string, settings map[string]string) error {
	all := All()
	i := slices.IndexFunc(all, func(d *Declaration) bool { return d.Name == kind })
	if i < 0 {
		names := make([]string, 0, len(all))
		for _, d := range all {
			names = append(names, d.Name)
		}
		return rotator.Errorf(rotator.CodeInvalid, "there is no kind %q", kind).WithHint("one of: %s", strings.Join(names, ", "))
	}
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if err := all[i].checkSetting(name, settings[name]); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return rotator.Errorf(rotator.CodeInvalid, "%s", strings.Join(wrong, "; ")).WithHint("%s", all[i].settingsHint())
}

func (d *Declaration) checkSetting(name, value string) error {
	for _, s := range d.Settings {
		if s.Name == name {
			return s.check(value)
		}
	}
	return fmt.Errorf("%s has no setting %q", d.Name, name)
}

func (d *Declaration) settingsHint() string {
	if len(d.Settings) == 0 {
		return "a " + d.Name + " takes no settings"
	}
	var all []string
	for _, s := range d.Settings {
		all = append(all, s.Name+": "+s.Doc)
	}
	return strings.Join(all, "; ")
}
