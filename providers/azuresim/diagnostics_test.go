package azuresim_test

import (
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

const (
	workspaces = "workspaces: [{name: logs, customer_id: 63613592-b6f7-4c3d-a390-22ba13102111}, {name: other}]\n"
	logsID     = groupID + "/providers/Microsoft.OperationalInsights/workspaces/logs"
	gets       = "AzureDiagnostics | where OperationName == 'KeyGet'"
)

func setting(scope, name string) string {
	return management(scope+"/providers/Microsoft.Insights/diagnosticSettings"+name, "2021-05-01-preview")
}

// The audit log reaches a workspace if a setting says so, and from then on.
func TestDiagnostics_DecideWhatIsLogged(t *testing.T) {
	for _, c := range []struct {
		name, diagnostics string
		want              int // of the reads at 1h and at 5h
	}{
		{"nothing said", "", 2},
		{"none", "diagnostics: none", 0},
		{"audit", "diagnostics: {workspace: logs}", 2},
		{"all", "diagnostics: {workspace: logs, category: allLogs}", 2},
		{"the category", "diagnostics: {workspace: logs, category: AuditEvent}", 2},
		{"another category", "diagnostics: {workspace: logs, category: AzurePolicyEvaluationDetails}", 0},
		{"another workspace", "diagnostics: {workspace: other}", 0},
		{"since later", "diagnostics: {workspace: logs, since: 3h}", 1},
		{"since before", "diagnostics: {workspace: logs, since: -3d}", 2},
		{"another table", "diagnostics: {workspace: logs, dedicated: true}", 0},
		{"another sink", "diagnostics: {storage_account: " + storeID + "}", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEstate(t, workspaces+"vaults:\n  - name: kv\n    keys: [{name: k}]\n    "+c.diagnostics+"\n")
			for _, wait := range []time.Duration{time.Hour, 4 * time.Hour} {
				e.clock.Advance(wait)
				e.call(200, "GET", keyURL+"?api-version=7.4", "")
			}
			e.clock.Advance(time.Hour)
			if got := len(e.log(gets)); got != c.want {
				t.Errorf("%d rows, want %d", got, c.want)
			}
		})
	}
}

func TestDiagnostics_OverHTTP(t *testing.T) {
	e := mustEstate(t, workspaces+"vaults: [{name: kv, keys: [{name: k}], diagnostics: none}]\n")
	read := func() { e.call(200, "GET", keyURL+"?api-version=7.4", "") }
	if got := values(e.get(setting(vaultID, ""))); len(got) != 0 {
		t.Fatalf("settings %v", got)
	}
	read()
	e.clock.Advance(time.Hour)
	e.call(404, "GET", setting(vaultID, "/audit"), "")
	e.call(400, "PUT", setting(vaultID, "/audit"), `{"properties":{"logs":[]}}`)
	body := `{"properties":{"workspaceId":"` + logsID + `","logs":[{"categoryGroup":"audit","enabled":true}]}}`
	e.call(200, "PUT", setting(vaultID, "/audit"), body)
	got := values(e.get(setting(vaultID, "")))
	if len(got) != 1 || str(got[0], "systemData.createdAt") != "2026-01-05T09:00:00.0000000Z" || str(got[0], "properties.workspaceId") != logsID {
		t.Fatalf("settings %v", got)
	}
	read()
	e.clock.Advance(time.Hour)
	// The same again makes no gap, and switching it off ends it.
	e.call(200, "PUT", setting(vaultID, "/audit"), body)
	read()
	e.clock.Advance(time.Hour)
	e.call(200, "PUT", setting(vaultID, "/audit"), strings.Replace(body, "true", "false", 1))
	read()
	e.clock.Advance(time.Hour)
	if rows := e.log(gets); len(rows) != 2 {
		t.Errorf("%d rows, want 2", len(rows))
	}
	e.call(200, "DELETE", setting(vaultID, "/audit"), "")
	e.call(204, "DELETE", setting(vaultID, "/audit"), "")
}

// Where there are workspaces, the log that was always there has a setting.
func TestDiagnostics_OfTheDefault(t *testing.T) {
	e := mustEstate(t, workspaces+oneKey)
	if got := values(e.get(setting(vaultID, ""))); len(got) != 1 || str(got[0], "properties.workspaceId") != logsID {
		t.Fatalf("settings %v", got)
	}
	e.call(200, "DELETE", setting(vaultID, "/audit"), "")
	e.call(200, "GET", keyURL+"?api-version=7.4", "")
	e.clock.Advance(time.Hour)
	if got := e.log(gets); len(got) != 0 {
		t.Errorf("still logged: %v", got)
	}
}

func TestWorkspace(t *testing.T) {
	e := mustEstate(t, workspaces+as("assignments: [{role: Reader, scope: workspace/logs}]"))
	got := e.get(arm("Microsoft.OperationalInsights/workspaces", "logs", "2023-09-01"))
	if str(got, "properties.customerId") != "63613592-b6f7-4c3d-a390-22ba13102111" {
		t.Errorf("workspace %v", got)
	}
	e.log(gets)
	r := e.call(403, "POST", strings.Replace(logURL, "63613592", "00000000", 1), `{"query":"`+gets+`"}`)
	if got, _ := code(t, r); got != "InsufficientAccessError" {
		t.Errorf("code %s", got)
	}
}

func TestParseScenario_Diagnostics(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		{"vaults:\n  - name: kv\n    diagnostics: {workspce: a}\n", "s.yaml:3: unknown field \"workspce\"; give none or workspace"},
		{"vaults:\n  - name: kv\n    diagnostics: always\n", "s.yaml:3: "},
		{"vaults:\n  - name: kv\n    diagnostics: {category: audit}\n", "s.yaml:3: a diagnostic setting sends nowhere"},
		{"vaults:\n  - name: kv\n    diagnostics:\n      workspace: nowhere\n", "s.yaml:4: there is no workspace \"nowhere\"; add it"},
		{"vaults:\n  - name: kv\n    diagnostics:\n      workspace: /a\n      since: soon\n", "s.yaml:5: \"soon\" is no duration"},
	} {
		if _, err := azuresim.ParseScenario("s.yaml", []byte(c.yaml)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}
