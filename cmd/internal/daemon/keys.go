package daemon

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"cmkd/configs"
	"cmkd/providers/kind"
	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

// Checks are what the parts know of a configuration that it cannot know itself.
func Checks() configs.Checks {
	kinds := map[string]*kind.Declaration{}
	for _, info := range kind.All() {
		kinds[info.Name] = info
	}
	return configs.Checks{
		Now:       realClock{}.Now,
		KindOf:    kind.Of,
		CheckKind: func(name string) bool { _, ok := kinds[name]; return ok },
		CheckSettings: func(name string, settings map[string]string) error {
			if name != rotator.KindManual {
				return kind.CheckSettings(name, settings)
			}
			if len(settings) > 0 {
				return rotator.Errorf(rotator.CodeInvalid, "what cmkd cannot read has no settings").WithHint("take settings out")
			}
			return nil
		},
		CheckRule: func(rule string) bool {
			return slices.ContainsFunc(alerting.Rules(), func(info alerting.RuleInfo) bool { return string(info.Rule) == rule })
		},
		CheckSchedule: func(spec, zone string) error {
			_, err := rotator.ParseSchedule(spec, zone, 0, "", "")
			return err
		},
		Traits: func(name string) configs.Traits {
			info, ok := kinds[name]
			if !ok {
				return configs.Traits{}
			}
			return configs.Traits{
				Evidence: string(info.Traits.Best), Nudge: info.Traits.CanNudge,
				Recreate: slices.Contains(info.Bindings, rotator.BindingFixed), Window: info.Traits.Window,
			}
		},
	}
}

// keysOf turns the configured keys into the engine's.
func keysOf(c *configs.Config) ([]rotator.Key, error) {
	keys := make([]rotator.Key, 0, len(c.Keys))
	for i := range c.Keys {
		key, err := keyOf(c, &c.Keys[i])
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", c.Keys[i].Name, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func keyOf(c *configs.Config, k *configs.Key) (rotator.Key, error) {
	id, _, err := rotator.ParseKeyID(k.URI)
	if err != nil {
		return rotator.Key{}, err
	}
	schedule, err := rotator.ParseSchedule(k.Schedule, k.Timezone, time.Duration(k.Jitter), rotator.Misfire(k.Misfire), k.Name)
	if err != nil {
		return rotator.Key{}, err
	}
	key := rotator.Key{
		Name: k.Name, ID: id, Schedule: schedule,
		Retire: rotator.Retire(k.Retire), Method: rotator.Method(k.Method), Soak: time.Duration(k.Soak),
		TwoPerson: k.TwoPerson, OnTamper: rotator.OnTamper(k.OnTamper), Discover: k.Discover.In, Undiscovered: k.Discover.Off, Require: rotator.Evidence(k.Require),
		Dependents: make([]rotator.Dependent, 0, len(k.Dependents)),
	}
	for i := range k.Dependents {
		key.Dependents = append(key.Dependents, dependentOf(c, k, &k.Dependents[i]))
	}
	return key, nil
}

func dependentOf(c *configs.Config, k *configs.Key, d *configs.Dependent) rotator.Dependent {
	of, id, name := d.Kind, d.ID, d.Name
	if of == "" {
		of, _ = kind.Of(d.ID)
	}
	if d.Manual != "" {
		of, id, name = rotator.KindManual, rotator.KindManual+":"+d.Manual, cmp.Or(d.Name, d.Manual)
	}
	return rotator.Dependent{
		ID: id, Kind: of, Name: name, Nudge: rotator.Nudge(d.Nudge), Recreate: d.Recreate,
		// What remains zero has its kind's window.
		Window: time.Duration(cmp.Or(d.Window, k.Windows[of], c.Windows[of])),
		Poll:   time.Duration(d.Poll), Excluded: d.Exclude, Settings: d.Settings,
	}
}

func policyOf(r configs.Roles) policy {
	return policy{Viewers: r.Viewers, Operators: r.Operators, Approvers: r.Approvers}
}
