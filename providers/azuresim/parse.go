package azuresim

import (
	"embed"
	"errors"
	"fmt"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

//go:embed scenarios/*.yaml
var scenarioFiles embed.FS

// Scenarios returns the names of the embedded scenarios.
func Scenarios() []string {
	entries, err := scenarioFiles.ReadDir("scenarios")
	if err != nil {
		return nil
	}
	var names []string
	for _, entry := range entries {
		names = append(names, strings.TrimSuffix(entry.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// NamedScenario returns an embedded scenario.
func NamedScenario(name string) (*Scenario, error) {
	data, err := scenarioFiles.ReadFile(path.Join("scenarios", name+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("find scenario %q: there are %s: %w",
			name, strings.Join(Scenarios(), ", "), err)
	}
	return ParseScenario(name+".yaml", data)
}

// ParseScenario reads a scenario. Unknown fields are errors. All problems are
// reported at once, each as "name:line: what is wrong; what to do".
func ParseScenario(name string, data []byte) (*Scenario, error) {
	s := &Scenario{Name: strings.TrimSuffix(path.Base(name), ".yaml"), source: data}
	if err := yaml.UnmarshalWithOptions(data, s, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("read scenario: %w", positioned(name, err))
	}
	c := &checker{name: name, data: data, scenario: s}
	c.check()
	if len(c.problems) > 0 {
		return nil, fmt.Errorf("read scenario: %w", errors.Join(c.problems...))
	}
	return s, nil
}

// positioned turns an error of the YAML library into one line with file and
// line number.
func positioned(name string, err error) error {
	var e yaml.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%s: %w", name, err)
	}
	line := 1
	if t := e.GetToken(); t != nil && t.Position != nil {
		line = t.Position.Line
	}
	message := e.GetMessage()
	if strings.HasPrefix(message, "unknown field") {
		message += "; remove it or correct its spelling"
	}
	return fmt.Errorf("%s:%d: %s", name, line, message)
}

// checker finds what the types cannot: bad durations, names that lead nowhere.
type checker struct {
	name     string
	data     []byte
	file     *ast.File // of data, read for the first problem
	scenario *Scenario
	places   []Place // all that are made
	problems []error
}

// problem notes what is wrong at a YAML path.
func (c *checker) problem(at, format string, args ...any) {
	c.problems = append(c.problems,
		fmt.Errorf("%s:%d: %s", c.name, c.line(at), fmt.Sprintf(format, args...)))
}

// line returns the line of a YAML path, or of the nearest ancestor there is.
func (c *checker) line(at string) int {
	if c.file == nil {
		file, err := parser.ParseBytes(c.data, 0)
		if err != nil {
			return 1 // it was read without an error before
		}
		c.file = file
	}
	for at != "" && at != "$" {
		if p, err := yaml.PathString(at); err == nil {
			if node, err := p.FilterFile(c.file); err == nil && node.GetToken() != nil {
				return node.GetToken().Position.Line
			}
		}
		at = at[:max(strings.LastIndexAny(at, ".["), 0)]
	}
	return 1
}

func (c *checker) check() {
	s := c.scenario
	if _, err := s.start(); err != nil {
		c.problem("$.start", "start %q is no time; write it like 2026-01-05T08:00:00Z", s.Start)
	}
	c.walk("$", reflect.ValueOf(s).Elem())
	c.vaults()
	c.quirks()
	for i, r := range s.Resources {
		if id, _ := r["id"].(string); parseID(id).name == "" {
			c.problem(fmt.Sprintf("$.resources[%d]", i),
				"a resource needs its full id; give /subscriptions/…/providers/…/name")
		}
	}
	for i, f := range s.Faults {
		c.fault(fmt.Sprintf("$.faults[%d]", i), f)
	}
	for i, e := range s.Events {
		c.action(fmt.Sprintf("$.events[%d]", i), e.Action)
	}
	c.access()
	c.subscriptions()
	c.locks()
	c.policies()
	c.diagnostics()
	if !slices.Contains([]string{"", "filter", "refuse"}, s.PartialLists) {
		c.problem("$.partial_lists", "unknown word %q; use filter or refuse", s.PartialLists)
	}
}

// walk visits every duration, every place and every reference to a key.
func (c *checker) walk(at string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			c.walk(fmt.Sprintf("%s[%d]", at, i), v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			c.walk(at, v.Elem())
		}
	case reflect.Struct:
		c.structure(at, v)
	default:
	}
}

func (c *checker) structure(at string, v reflect.Value) {
	switch value := v.Interface().(type) {
	case Duration:
		if value.invalid != "" {
			c.problem(at, "%q is no duration; write it like 90s, 24h or 7d", value.invalid)
		}
		return
	case Place:
		c.places = append(c.places, value)
		c.place(at, value.Name, value.Count)
	case KeySpec:
		c.place(at, value.Name, value.Count)
	case Protected:
		c.reference(at+".key", value.Key)
	case DiskSpec:
		c.set(at+".disk_encryption_set", value.DiskEncryptionSet)
	case MachineSpec:
		c.set(at+".disk_encryption_set", value.DiskEncryptionSet)
	case RestorePointSpec:
		c.set(at+".disk_encryption_set", value.DiskEncryptionSet)
	case ClusterSpec:
		c.cluster(at, value)
	case PoolSpec:
		c.place(at, value.Name, 0)
	case DependentSpec:
		c.dependent(at, value)
	case ContainerGroupSpec:
		if value.Follows && value.Version != "" {
			c.problem(at+".version", "a group that follows names no version; remove version or follows")
		}
	case ScopeSpec:
		c.place(at, value.Name, 0)
		c.reference(at+".key", value.Key)
		c.oneOf(at+".state", value.State, "Enabled", "Disabled")
	default:
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, option, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case option == "inline":
			c.walk(at, v.Field(i))
		case name != "" && name != "-" && field.Type.Kind() != reflect.Map:
			c.walk(at+"."+name, v.Field(i))
		}
	}
}

// set checks the name of a disk encryption set; an id may lead anywhere.
func (c *checker) set(at, name string) {
	if name == "" || strings.HasPrefix(name, "/") || slices.ContainsFunc(c.scenario.DiskEncryptionSets,
		func(set DiskSetSpec) bool { return matchesPattern(set.Name, set.Count, name) }) {
		return
	}
	c.problem(at, "there is no disk encryption set %q; add it under disk_encryption_sets", name)
}

// cluster checks what a managed cluster names.
func (c *checker) cluster(at string, spec ClusterSpec) {
	c.set(at+".disk_encryption_set", spec.DiskEncryptionSet)
	c.set(at+".storage_class_set", spec.StorageClassSet)
	c.reference(at+".kms_key", spec.KMSKey)
	c.oneOf(at+".kms_design", spec.KMSDesign, "legacy", "new")
	if spec.KMSDesign == "new" && spec.KMSVersion != "" {
		c.problem(at+".kms_version", "the new design follows and names no version; remove kms_version")
	}
}

// oneOf checks a word; none is the default.
func (c *checker) oneOf(at, word string, words ...string) {
	if word != "" && !slices.Contains(words, word) {
		c.problem(at, "unknown word %q; use one of %s", word, strings.Join(words, ", "))
	}
}

// place checks a name and its number.
func (c *checker) place(at, name string, count int) {
	switch {
	case name == "":
		c.problem(at, "a name is missing; add name")
	case count > 1 && !strings.Contains(name, "{n}"):
		c.problem(at+".name", "count makes %d of %q; put {n} into the name", count, name)
	}
}

// reference checks a "vault/key".
func (c *checker) reference(at, ref string) {
	if ref == "" || c.scenario == nil {
		return
	}
	vaultName, keyName, ok := strings.Cut(ref, "/")
	if !ok {
		c.problem(at, "key %q names no vault; write vault/key", ref)
		return
	}
	for _, v := range c.scenario.Vaults {
		if !matchesPattern(v.Name, v.Count, vaultName) {
			continue
		}
		for _, k := range v.Keys {
			if matchesPattern(k.Name, k.Count, keyName) {
				return
			}
		}
		c.problem(at, "vault %s has no key %q; add it under its keys", vaultName, keyName)
		return
	}
	c.problem(at, "there is no vault %q; add it under vaults", vaultName)
}

// matchesPattern says whether a generator makes that name. A reference may
// itself hold {n}.
func matchesPattern(pattern string, count int, name string) bool {
	if strings.EqualFold(pattern, name) {
		return true
	}
	return count > 1 && regexp.MustCompile("(?i)^"+
		strings.ReplaceAll(regexp.QuoteMeta(pattern), `\{n\}`, `(\d+|\{n\})`)+"$").MatchString(name)
}

// vaults checks versions and policies.
func (c *checker) vaults() {
	versionID := regexp.MustCompile(`^[0-9a-f]{32}$`)
	for i, v := range c.scenario.Vaults {
		for j, k := range v.Keys {
			at := fmt.Sprintf("$.vaults[%d].keys[%d]", i, j)
			if !slices.Contains([]string{"", "RSA", "EC", "RSA-HSM", "EC-HSM"}, k.Type) {
				c.problem(at+".type", "unknown type %q; use RSA, EC, RSA-HSM or EC-HSM", k.Type)
			}
			if !slices.Contains([]int{0, 2048, 3072, 4096}, k.Size) {
				c.problem(at+".size", "size %d; use 2048, 3072 or 4096", k.Size)
			}
			if k.Curve != "" && curveOf(k.Curve) == nil {
				c.problem(at+".curve", "unknown curve %q; use P-256, P-384 or P-521", k.Curve)
			}
			if p := k.Policy; p != nil {
				for _, d := range []string{p.RotateAfterCreate, p.RotateBeforeExpiry, p.NotifyBeforeExpiry, p.ExpiryTime} {
					if d != "" && !isoDuration.MatchString(d) {
						c.problem(at+".rotation_policy", "%q is no ISO 8601 duration; write it like P30D", d)
					}
				}
			}
			for n, version := range k.Versions {
				if version.ID != "" && !versionID.MatchString(version.ID) {
					c.problem(fmt.Sprintf("%s.versions[%d].id", at, n),
						"version %q is not 32 lower-case hexadecimal digits; correct or remove it",
						version.ID)
				}
			}
		}
	}
}

// fault checks one fault.
func (c *checker) fault(at string, f Fault) {
	if !slices.Contains(FaultKinds(), f.Do) {
		c.problem(at+".do", "unknown fault %q; use one of %s",
			f.Do, strings.Join(FaultKinds(), ", "))
	}
	known := errorForms()[f.Code] != nil && f.Status == 0
	if f.Do == "status" && !known && (f.Status < 400 || f.Status > 599) {
		c.problem(at, "fault status needs a status from 400 to 599, or a code whose form is known; add status: 503,"+
			" or a code of %s", strings.Join(ErrorCodes(), ", "))
	}
	c.lie(at, f)
	if f.When.Probability < 0 || f.When.Probability > 1 {
		c.problem(at+".when.probability", "probability %v; give 0 to 1", f.When.Probability)
	}
	for _, pattern := range []string{f.Match.Operation, f.Match.Host, f.Match.Path, f.Match.Caller} {
		if _, err := compilePattern(pattern); err != nil {
			c.problem(at+".match", "pattern %q: %v; give a glob, or /a regular expression/",
				pattern, err)
		}
	}
}
