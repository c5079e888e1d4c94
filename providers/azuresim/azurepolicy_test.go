package azuresim_test

import (
	"strings"
	"testing"

	"cmkd/providers/azuresim"
)

func TestPolicies_Refuse(t *testing.T) {
	target := arm(storageType, "st", "2023-05-01")
	const minimal = `{"properties":{"minimumTlsVersion":"TLS1_0"}}`
	for _, c := range []struct {
		name, policy, method, url, body string
		refused                         bool
	}{
		{"a type", "deny: {type: Microsoft.Storage/storageAccounts}", "PATCH", target, `{}`, true},
		{"types", "deny: {type: Microsoft.Storage/*}", "PATCH", target, `{}`, true},
		{"another type", "deny: {type: Microsoft.Compute/*}", "PATCH", target, `{}`, false},
		{"a place", "deny: {location: westeurope}", "PUT", arm(storageType, "made", "2023-05-01"), `{"location":"West Europe"}`, true},
		{"another place", "deny: {location: eastus}", "PATCH", target, `{}`, false},
		{"a value", "deny: {property: properties.minimumTlsVersion, value: TLS1_0}", "PATCH", target, minimal, true},
		{"another value", "deny: {property: properties.minimumTlsVersion, value: TLS1_0}", "PATCH", target, `{}`, false},
		{"a value that is there", "deny: {property: properties.minimumTlsVersion, value: TLS1_2}", "PATCH", target, `{"tags":{"a":"b"}}`, true},
		{"what is missing", "deny: {type: Microsoft.Storage/*, property: properties.encryption.keyvaultproperties}", "PATCH", target, `{}`, true},
		{"another group", "scope: resourceGroups/archive, deny: {type: '*'}", "PATCH", target, `{}`, false},
		{"the subscription", "scope: /subscriptions/" + subID + ", deny: {type: '*'}", "PATCH", target, `{}`, true},
		{"no read", "deny: {type: '*'}", "GET", target, "", false},
		{"no delete", "deny: {type: '*'}", "DELETE", target, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEstate(t, "storage_accounts: [{name: st}, {name: far, resource_group: archive}]\npolicies: [{name: no, "+c.policy+"}]\n")
			want := 200
			if c.refused {
				want = 403
			}
			r := e.call(want, c.method, c.url, c.body)
			if !c.refused {
				return
			}
			if got, _ := code(t, r); got != "RequestDisallowedByPolicy" {
				t.Errorf("code %s", got)
			}
		})
	}
}

// The form is that of example published/arm-error-bodies.
func TestPolicies_Message(t *testing.T) {
	e := mustEstate(t, "storage_accounts: [{name: st}]\npolicies: [{name: no-writes, scope: /subscriptions/"+subID+", deny: {type: Microsoft.Storage/*}}]\n")
	r := e.call(403, "PATCH", arm(storageType, "st", "2023-05-01"), `{}`).json(t)
	object := func(kind string) string {
		return `{"name":"no-writes","id":"/subscriptions/` + subID + `/providers/Microsoft.Authorization/` + kind + `/no-writes"}`
	}
	want := `Resource 'st' was disallowed by policy. Policy identifiers: '[{"policyAssignment":` + object("policyAssignments") +
		`,"policyDefinition":` + object("policyDefinitions") + `}]'.`
	if str(r, "error.message") != want || str(r, "error.target") != "st" {
		t.Errorf("got %v\nwant %s", r, want)
	}
}

func TestParseScenario_Policies(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		{"policies:\n  - name: a\n", "s.yaml:2: a policy needs what it denies"},
		{"policies:\n  - scope: nowhere\n    deny: {type: a}\n", "s.yaml:2: there is no resource \"nowhere\""},
		{"policies:\n  - name: a\n    deny: {value: x}\n", "s.yaml:3: value \"x\" belongs to no property"},
		{"policies:\n  - name: a\n    deny: {kind: x}\n", "s.yaml:3: unknown field \"kind\""},
	} {
		if _, err := azuresim.ParseScenario("s.yaml", []byte(c.yaml)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}
