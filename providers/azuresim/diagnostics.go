package azuresim

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// DiagnosticsSpec is the diagnostic setting of a vault, or the word none.
type DiagnosticsSpec struct {
	// None says that nothing is logged.
	None bool `yaml:"-"`
	// Name of the setting, default audit.
	Name string `yaml:"name"`
	// Workspace is the name of one of the scenario's, or an id.
	Workspace string `yaml:"workspace"`
	// Category is a group (audit, allLogs) or a category (AuditEvent,
	// AzurePolicyEvaluationDetails). Default audit.
	Category string `yaml:"category"`
	// Since is when it is made, counted from the start of the scenario; it may
	// be negative. Default long before.
	Since Duration `yaml:"since"`
	// Dedicated sends to the table AZKVAuditLogs, which is not simulated,
	// instead of AzureDiagnostics.
	Dedicated bool `yaml:"dedicated"`
	// StorageAccount and EventHub are ids of other sinks.
	StorageAccount string `yaml:"storage_account"`
	EventHub       string `yaml:"event_hub"`

	invalid string // what is wrong with it
}

// UnmarshalYAML reads none or the fields. What is wrong it keeps, so that
// [ParseScenario] can name the line. It asks for the value and not for its bytes, as
// [Duration.UnmarshalYAML] does.
func (d *DiagnosticsSpec) UnmarshalYAML(unmarshal func(any) error) error {
	var word string
	if unmarshal(&word) == nil && word == "none" {
		*d = DiagnosticsSpec{None: true}
		return nil
	}
	type fields DiagnosticsSpec
	var f fields
	if err := unmarshal(&f); err != nil {
		*d = DiagnosticsSpec{invalid: "give none or workspace, category and since"}
		if e, ok := errors.AsType[yaml.Error](err); ok {
			d.invalid = e.GetMessage() + "; " + d.invalid
		}
		return nil // ParseScenario reports it, with its line
	}
	*d = DiagnosticsSpec(f)
	return nil
}

// diagnosticSetting says where the logs of a resource go (examples
// *DiagnosticSetting of azure-rest-api-specs, Microsoft.Insights
// 2021-05-01-preview).
type diagnosticSetting struct {
	name, scope string
	properties  doc
	made        time.Time
}

// logFlow is a span of time in which the audit log of a vault reaches a
// workspace. Nothing from before a setting arrives (facts-evidence §1).
type logFlow struct {
	setting     string // folded id
	scope       string // folded id of the vault
	workspace   string // folded id; anyWorkspace for all
	dedicated   bool
	from, until time.Time // a zero until is open
}

const anyWorkspace = "*"

// diagnostics are the settings there are, and what they sent where.
type diagnostics struct {
	settings []*diagnosticSetting
	flows    []*logFlow
}

// diagnosticKind is the diagnostic setting as an object.
func diagnosticKind() *extensionKind {
	return &extensionKind{
		name: "diagnostic-setting", typ: "Microsoft.Insights/diagnosticSettings", list: (*Server).listSettings,
		get: (*Server).getSetting, write: (*Server).putSetting, destroy: (*Server).deleteSetting,
	}
}

// doc is the setting as it is sent; the model has systemData
// (DiagnosticSettingsResource of azure-sdk-for-go's armmonitor), which is the
// only trace of when it was made.
func (d *diagnosticSetting) doc() doc {
	return doc{
		"id": diagnosticKind().id(d.scope, d.name), "type": "Microsoft.Insights/diagnosticSettings", "name": d.name,
		"properties": clone(d.properties), "systemData": doc{"createdAt": stampZ(d.made)},
	}
}

func (s *Server) listSettings(c *call) *answer {
	list := []any{}
	for _, d := range s.diagnostics.settings {
		if fold(d.scope) == fold(c.extension.scope) {
			list = append(list, d.doc())
		}
	}
	return reply(http.StatusOK, doc{"value": list})
}

func (s *Server) settingAt(scope, name string) *diagnosticSetting {
	for _, d := range s.diagnostics.settings {
		if fold(d.scope) == fold(scope) && strings.EqualFold(d.name, name) {
			return d
		}
	}
	return nil
}

// getSetting answers for one. The words of its absence are not verified.
func (s *Server) getSetting(c *call, name string) *answer {
	d := s.settingAt(c.extension.scope, name)
	if d == nil {
		return problem(http.StatusNotFound, "ResourceNotFound", "The diagnostic setting '%s' doesn't exist.", name)
	}
	return reply(http.StatusOK, d.doc())
}

func (s *Server) putSetting(c *call, name string) *answer {
	body, err := decodeDoc(c.body)
	if err != nil {
		return problem(http.StatusBadRequest, "BadRequest", "The request body is not valid JSON.")
	}
	p := object(body, "properties")
	if text(p, "workspaceId")+text(p, "storageAccountId")+text(p, "eventHubAuthorizationRuleId")+text(p, "marketplacePartnerId") == "" {
		return problem(http.StatusBadRequest, "BadRequest", "At least one data sink needs to be specified.")
	}
	return reply(http.StatusOK, s.setting(c.extension.scope, name, p, c.now).doc())
}

// setting makes or replaces a setting. What goes on as before has no gap.
func (s *Server) setting(scope, name string, properties doc, now time.Time) *diagnosticSetting {
	d := s.settingAt(scope, name)
	if d == nil {
		d = &diagnosticSetting{name: name, scope: scope, made: now}
		s.diagnostics.settings = append(s.diagnostics.settings, d)
	}
	d.properties = properties
	flow := &logFlow{
		setting: fold(diagnosticKind().id(scope, name)), scope: fold(scope), from: now,
		workspace: fold(text(properties, "workspaceId")), dedicated: text(properties, "logAnalyticsDestinationType") == "Dedicated",
	}
	open := s.openFlow(flow.setting)
	sends := flow.workspace != "" && sendsAudit(properties)
	if sends && open != nil && open.workspace == flow.workspace && open.dedicated == flow.dedicated {
		return d
	}
	if open != nil {
		open.until = now
	}
	if sends {
		s.diagnostics.flows = append(s.diagnostics.flows, flow)
	}
	return d
}

func (s *Server) openFlow(setting string) *logFlow {
	for _, f := range s.diagnostics.flows {
		if f.setting == setting && f.until.IsZero() {
			return f
		}
	}
	return nil
}

// sendsAudit says whether a setting sends the category AuditEvent, alone or in
// a group that has it (documentation of Key Vault's logging).
func sendsAudit(properties doc) bool {
	return slices.ContainsFunc(anyList(properties, "logs"), func(v any) bool {
		l, ok := v.(doc)
		return ok && truth(l, "enabled") && (strings.EqualFold(text(l, "category"), "AuditEvent") ||
			slices.Contains([]string{"audit", "alllogs"}, strings.ToLower(text(l, "categoryGroup"))))
	})
}

func (s *Server) deleteSetting(c *call, name string) *answer {
	d := s.settingAt(c.extension.scope, name)
	if d == nil {
		return newAnswer(http.StatusNoContent)
	}
	s.diagnostics.settings = slices.DeleteFunc(s.diagnostics.settings, func(other *diagnosticSetting) bool { return other == d })
	if f := s.openFlow(fold(diagnosticKind().id(d.scope, d.name))); f != nil {
		f.until = c.now
	}
	return newAnswer(http.StatusOK)
}

// logs says whether what happened to a vault at a moment is in a workspace,
// told by its folded id. A vault of which the scenario says nothing logs into all.
func (s *Server) logs(v *vault, at time.Time, workspace string) bool {
	if v.spec.Diagnostics == nil {
		return true
	}
	scope := fold(v.scope(""))
	return slices.ContainsFunc(s.diagnostics.flows, func(f *logFlow) bool {
		return f.scope == scope && (f.workspace == anyWorkspace || f.workspace == workspace) && !f.dedicated &&
			!at.Before(f.from) && (f.until.IsZero() || at.Before(f.until))
	})
}

// buildDiagnostics makes the settings of the scenario. Where it has workspaces,
// a vault of which it says nothing has a setting that names the first, and
// logs into all as ever.
func (s *Server) buildDiagnostics() error {
	for _, v := range s.made {
		spec := v.spec.Diagnostics
		typ := "Microsoft.KeyVault/vaults"
		if v.spec.HSM {
			typ = "Microsoft.KeyVault/managedHSMs"
		}
		scope := s.idOf(v.spec.Place, typ).path()
		switch {
		case spec == nil && len(s.scenario.Workspaces) == 0, spec != nil && spec.None:
			continue
		case spec == nil:
			first := s.scenario.Workspaces[0].Name
			v.spec.Diagnostics = &DiagnosticsSpec{Workspace: strings.ReplaceAll(first, "{n}", "1")}
			if err := s.buildSetting(scope, v.spec.Diagnostics); err != nil {
				return err
			}
			s.openFlow(fold(diagnosticKind().id(scope, "audit"))).workspace = anyWorkspace
		default:
			if err := s.buildSetting(scope, spec); err != nil {
				return err
			}
		}
	}
	return nil
}

// buildSetting makes one setting, now or at its time.
func (s *Server) buildSetting(scope string, spec *DiagnosticsSpec) error {
	p := doc{"metrics": []any{}}
	if spec.Workspace != "" {
		ref := spec.Workspace
		if !strings.Contains(ref, "/") {
			ref = kindWorkspace + "/" + ref
		}
		id, err := s.scopeNamed(ref)
		if err != nil {
			return fmt.Errorf("find workspace: %w", err)
		}
		p["workspaceId"] = id
	}
	if spec.StorageAccount != "" {
		p["storageAccountId"] = spec.StorageAccount
	}
	if spec.EventHub != "" {
		p["eventHubAuthorizationRuleId"] = spec.EventHub
	}
	if spec.Dedicated {
		p["logAnalyticsDestinationType"] = "Dedicated"
	}
	sent := doc{"enabled": true, "retentionPolicy": doc{"enabled": false, "days": 0}}
	switch category := spec.Category; {
	case category == "":
		sent["categoryGroup"] = "audit"
	case slices.Contains([]string{"audit", "alllogs"}, strings.ToLower(category)):
		sent["categoryGroup"] = category
	default:
		sent["category"] = category
	}
	p["logs"] = []any{sent}
	name := spec.Name
	if name == "" {
		name = "audit"
	}
	since := spec.Since.Duration
	if since <= 0 {
		if since == 0 {
			since = -365 * 24 * time.Hour
		}
		s.setting(scope, name, p, s.epoch.Add(since))
		return nil
	}
	s.agenda.add(s.epoch.Add(since), func(now time.Time) { s.setting(scope, name, p, now) })
	return nil
}

// workspace checks the name of a workspace.
func (c *checker) workspace(at, ref string) {
	if ref != "" && !strings.Contains(ref, "/") && !slices.ContainsFunc(c.scenario.Workspaces, func(w WorkspaceSpec) bool {
		return matchesPattern(w.Name, w.Count, ref)
	}) {
		c.problem(at, "there is no workspace %q; add it under workspaces", ref)
	}
}

// diagnostics checks settings.
func (c *checker) diagnostics() {
	for i, v := range c.scenario.Vaults {
		d := v.Diagnostics
		if d == nil {
			continue
		}
		at := fmt.Sprintf("$.vaults[%d].diagnostics", i)
		switch {
		case d.invalid != "":
			c.problem(at, "%s", d.invalid)
		case !d.None && d.Workspace+d.StorageAccount+d.EventHub == "":
			c.problem(at, "a diagnostic setting sends nowhere; add workspace, or write none")
		default:
			c.workspace(at+".workspace", d.Workspace)
		}
	}
}
