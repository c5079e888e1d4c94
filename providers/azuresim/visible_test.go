package azuresim_test

import (
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

const (
	otherSub = "0a1b2c3d-0000-4000-8000-000000000002"
	twoSubs  = "start: 2026-01-05T08:00:00Z\nseed: 7\ntenant: " + tenantID + "\n" +
		"subscriptions: [{id: " + subID + ", name: One}, {id: " + otherSub + ", name: Two}]\n" + `
storage_accounts:
  - {name: st}
  - {name: far, resource_group: archive}
  - {name: other, subscription: ` + otherSub + `}
cosmosdb_accounts: [{name: cosmos}]
`
)

// names are those of a list, joined.
func names(d map[string]any) string {
	var out []string
	for _, v := range values(d) {
		name := str(v, "name")
		if name == "" {
			name = str(v, "displayName")
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

// An old list, too, has only what the caller may read.
func TestLists_OfThePastAreCutDown(t *testing.T) {
	e := mustScenario(t, "partial_lists: filter\n"+twoSubs+`
faults: [{do: old-list, behind: 1h}]
events: [{at: 10m, do: delete-resource, resource: storage/st}, {at: 10m, do: delete-resource, resource: storage/far}]
`+as("assignments: [{role: Reader, scope: resourceGroups/contoso}]"))
	accounts := management("/subscriptions/"+subID+"/providers/"+storageType, "2023-05-01")
	graph := func() string {
		return names(map[string]any{"value": e.call(200, "POST", management("/providers/Microsoft.ResourceGraph/resources", "2021-03-01"),
			`{"query": "Resources | where type =~ '`+storageType+`'"}`).json(t)["data"]})
	}
	e.clock.Advance(9 * time.Minute)
	if got := names(e.get(management("/subscriptions/"+subID+"/resources", "2021-04-01"))); got != "cosmos st" {
		t.Errorf("resources %q", got)
	}
	e.clock.Advance(30 * time.Minute)
	for what, got := range map[string]string{
		"resources":   names(e.get(management("/subscriptions/"+subID+"/resources", "2021-04-01"))),
		"of a group":  names(e.get(management(groupID+"/providers/"+storageType, "2023-05-01"))),
		"by an index": graph(),
	} {
		if !strings.Contains(got, "st") || strings.Contains(got, "far") {
			t.Errorf("%s: %q, want what was there, in the group alone", what, got)
		}
	}
	e.call(403, "GET", accounts, "") // nothing that may be read is left in the present
	e.clock.Advance(time.Hour)
	if got := names(e.get(management("/subscriptions/"+subID+"/resources", "2021-04-01"))); got != "cosmos" {
		t.Errorf("later: %q", got)
	}
}

func TestLists_ShowWhatTheCallerMayRead(t *testing.T) {
	const (
		ofGroup    = "assignments: [{role: Reader, scope: resourceGroups/contoso}]"
		ofResource = "assignments: [{role: Reader, scope: storage/far}]"
		ofVaults   = "assignments: [{role: Key Vault Crypto Officer, scope: " + groupID + "}]"
	)
	accounts := "/subscriptions/" + subID + "/providers/" + storageType
	for _, c := range []struct {
		name, client, path string
		status             int
		want               string
	}{
		{"subscriptions", "roles: [Reader]", "/subscriptions", 200, "One Two"},
		{"subscriptions with any role", ofGroup, "/subscriptions", 200, "One"},
		{"subscriptions with a role on data", ofVaults, "/subscriptions", 200, "One"},
		{"accounts", "roles: [Reader]", accounts, 200, "far st"},
		{"accounts of a group", ofGroup, accounts, 200, "st"},
		{"one account", ofResource, accounts, 200, "far"},
		{"accounts without a right to read", ofVaults, accounts, 403, ""},
		{"accounts of another subscription", ofGroup, strings.Replace(accounts, subID, otherSub, 1), 403, ""},
		{"accounts in the group", ofGroup, groupID + "/providers/" + storageType, 200, "st"},
		{"accounts in another group", ofGroup, strings.Replace(groupID, "contoso", "archive", 1) + "/providers/" + storageType, 403, ""},
		{"resources", ofGroup, "/subscriptions/" + subID + "/resources", 200, "cosmos st"},
		{"resources of a group", "roles: [Reader]", groupID + "/resources", 200, "cosmos st"},
		{"groups", ofGroup, "/subscriptions/" + subID + "/resourceGroups", 200, "contoso"},
		{"groups, with a role for vaults", ofVaults, "/subscriptions/" + subID + "/resourceGroups", 200, "contoso"},
		{"a subscription without a role", ofGroup, "/subscriptions/" + otherSub, 403, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustScenario(t, "partial_lists: filter\n"+twoSubs+as(c.client))
			r := e.call(c.status, "GET", management(c.path, "2023-05-01"), "")
			if c.status != 200 {
				if got, _ := code(t, r); got != "AuthorizationFailed" {
					t.Errorf("code %s", got)
				}
				return
			}
			if got := names(r.json(t)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	refusing := mustScenario(t, "partial_lists: refuse\n"+twoSubs+as(ofGroup))
	refusing.call(403, "GET", management(accounts, "2023-05-01"), "")
	rows := refusing.call(200, "POST", management("/providers/Microsoft.ResourceGraph/resources", "2021-03-01"),
		`{"query":"Resources | project name"}`).json(t)
	if rows["count"] != 2.0 {
		t.Errorf("Resource Graph shows %v", rows["data"])
	}
}

// Not knowing how Azure is, the seed decides, for each type.
func TestLists_PartialBySeed(t *testing.T) {
	seen := map[int]bool{}
	for _, seed := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		e := mustScenario(t, strings.Replace(twoSubs, "seed: 7", "seed: "+seed, 1)+as("assignments: [{role: Reader, scope: storage/st}]"))
		target := management("/subscriptions/"+subID+"/providers/"+storageType, "2023-05-01")
		r, err := e.send("GET", target, "", "Authorization", "Bearer "+e.token(target))
		if err != nil {
			t.Fatal(err)
		}
		seen[r.status] = true
	}
	if !seen[200] || !seen[403] || len(seen) != 2 {
		t.Errorf("answers %v", seen)
	}
}

func TestLists_Filter(t *testing.T) {
	e := mustScenario(t, twoSubs)
	for _, c := range []struct{ filter, want string }{
		{"resourceType eq 'Microsoft.Storage/storageAccounts'", "far st"},
		{"resourceGroup eq 'Archive'", "far"},
		{"resourceType eq 'Microsoft.Storage/storageAccounts' and resourceGroup eq 'contoso'", "st"},
		{"name eq 'far' or resourceType eq 'Microsoft.DocumentDB/databaseAccounts'", "far cosmos"},
		{"name eq 'nothing'", ""},
	} {
		got := names(e.get(management("/subscriptions/"+subID+"/resources", "2021-04-01", "$filter", c.filter)))
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.filter, got, c.want)
		}
	}
	page := e.get(management("/subscriptions/"+subID+"/resources", "2021-04-01", "$top", "2"))
	if got := names(page) + " " + names(e.get(str(page, "nextLink"))); got != "far cosmos st" {
		t.Errorf("pages %q", got)
	}
}

// The words are those of recording arm.error-bodies.
func TestProviders_Registration(t *testing.T) {
	e := mustScenario(t, strings.Replace(twoSubs, "name: Two", "name: Two, unregistered: [Microsoft.DocumentDB]", 1))
	list := management("/subscriptions/"+otherSub+"/providers/"+cosmosType, "2023-09-15")
	provider := management("/subscriptions/"+otherSub+"/providers/Microsoft.DocumentDB", "2021-04-01")
	r := e.call(409, "GET", list, "").json(t)
	detail := dig(r, "error.details").([]any)[0].(map[string]any)
	if str(r, "error.code") != "MissingSubscriptionRegistration" || detail["target"] != "Microsoft.DocumentDB" || str(r, "error.message") !=
		"The subscription is not registered to use namespace 'Microsoft.DocumentDB'. See https://aka.ms/rps-not-found for how to register subscriptions." {
		t.Errorf("got %v", r)
	}
	e.get(strings.Replace(list, otherSub, subID, 1))
	if got := str(e.get(provider), "registrationState"); got != "NotRegistered" {
		t.Errorf("state %s", got)
	}
	register := strings.Replace(provider, "DocumentDB?", "DocumentDB/register?", 1)
	if got := str(e.call(200, "POST", register, "").json(t), "registrationState"); got != "Registering" {
		t.Errorf("registering: %s", got)
	}
	e.clock.Advance(time.Minute)
	e.get(list)
	for _, v := range values(e.get(management("/subscriptions/"+otherSub+"/providers", "2021-04-01"))) {
		if v["registrationState"] != "Registered" {
			t.Errorf("provider %v", v)
		}
	}
}

func TestSubscription_States(t *testing.T) {
	for state, readOnly := range map[string]bool{"Disabled": true, "Warned": true, "PastDue": false} {
		t.Run(state, func(t *testing.T) {
			e := mustScenario(t, strings.Replace(twoSubs, "name: One", "name: One, state: "+state, 1))
			target := arm(storageType, "st", "2023-05-01")
			if got := str(e.get(management("/subscriptions/"+subID, "2022-12-01")), "state"); got != state {
				t.Errorf("state %s", got)
			}
			e.get(target)
			if !readOnly {
				e.call(200, "PATCH", target, `{}`)
				return
			}
			for method, url := range map[string]string{"PATCH": target, "POST": strings.Replace(target, "st?", "st/listKeys?", 1)} {
				r := e.call(409, method, url, `{}`)
				if got, _ := code(t, r); got != "ReadOnlyDisabledSubscription" {
					t.Errorf("%s: %s", method, got)
				}
			}
			e.call(200, "DELETE", target, "")
		})
	}
}

func TestParseScenario_Subscriptions(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		{"subscriptions:\n  - {id: a, state: Asleep}\n", "s.yaml:2: unknown state \"Asleep\"; use one of Enabled, Warned"},
		{"subscriptions:\n  - id: a\n    unregistered: [DocumentDB]\n", "s.yaml:3: \"DocumentDB\" is no namespace"},
	} {
		if _, err := azuresim.ParseScenario("s.yaml", []byte(c.yaml)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}
