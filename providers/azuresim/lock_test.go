package azuresim_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

// The words are those of recording arm.error-bodies.
func TestLocks_Refuse(t *testing.T) {
	target := arm(storageType, "st", "2023-05-01")
	keys := strings.Replace(target, "st?", "st/listKeys?", 1)
	const account = "/subscriptions/" + subID + "/resourcegroups/contoso/providers/Microsoft.Storage/storageAccounts/st"
	for _, c := range []struct {
		name, lock, method, url string
		word, locked            string // "" when nothing is refused
	}{
		{"a write", "{resource: st, level: ReadOnly}", "PATCH", target, "write", account},
		{"reading keys", "{resource: st, level: ReadOnly}", "POST", keys, "write", account},
		{"a delete", "{resource: st, level: CanNotDelete}", "DELETE", target, "delete", account},
		{"a delete of what is read only", "{resource: st, level: ReadOnly}", "DELETE", target, "delete", account},
		{"a write where deleting is forbidden", "{resource: st, level: CanNotDelete}", "PATCH", target, "", ""},
		{"a read", "{resource: st, level: ReadOnly}", "GET", target, "", ""},
		{"below the group", "{scope: resourceGroups/contoso, level: ReadOnly}", "PATCH", target, "write", "/subscriptions/" + subID + "/resourcegroups/contoso"},
		{"below the subscription", "{scope: /subscriptions/" + subID + ", level: CanNotDelete}", "DELETE", target, "delete", "/subscriptions/" + subID},
		{"beside", "{scope: resourceGroups/archive, level: ReadOnly}", "DELETE", target, "", ""},
		{"a role assignment", "{resource: st, level: CanNotDelete}", "DELETE", extension(storeID, "roleAssignments/x"), "delete", account},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEstate(t, "storage_accounts: [{name: st}, {name: far, resource_group: archive}]\nlocks: ["+c.lock+"]\n")
			r, err := e.send(c.method, c.url, `{}`, "Authorization", "Bearer "+e.token(c.url))
			if err != nil {
				t.Fatal(err)
			}
			if c.word == "" {
				if r.status == http.StatusConflict {
					t.Errorf("refused: %s", r.body)
				}
				return
			}
			want := " cannot perform " + c.word + " operation because following scope(s) are locked: '" + c.locked + "'. Please remove the lock and try again."
			message := str(r.json(t), "error.message")
			if got, _ := code(t, r); r.status != 409 || got != "ScopeLocked" || !strings.HasPrefix(message, "The scope '"+storeID) || !strings.HasSuffix(message, want) {
				t.Errorf("got %d %s", r.status, r.body)
			}
		})
	}
}

func TestLocks_LeaveDataAlone(t *testing.T) {
	e := mustEstate(t, oneKey+"locks: [{resource: vault/kv, level: ReadOnly}]\n")
	e.call(200, "POST", keyURL+"/rotate?api-version=7.4", "")
}

func TestLocks_OverHTTP(t *testing.T) {
	e := mustEstate(t, "storage_accounts: [{name: st}]\nlocks: [{scope: resourceGroups/contoso, level: CanNotDelete, name: keep}]\n")
	one := extension(storeID, "locks/testlock")
	e.call(404, "GET", one, "")
	e.call(400, "PUT", one, `{"properties":{"level":"Maybe"}}`)
	e.call(201, "PUT", one, `{"properties":{"level":"ReadOnly","notes":"hands off"}}`)
	if got := e.get(one); str(got, "id") != storeID+"/providers/Microsoft.Authorization/locks/testlock" || str(got, "properties.notes") != "hands off" {
		t.Errorf("lock %v", got)
	}
	e.call(409, "PATCH", arm(storageType, "st", "2023-05-01"), `{}`)
	for scope, want := range map[string]string{storeID: "keep testlock", groupID: "keep testlock", "/subscriptions/" + subID: "keep testlock"} {
		if got := names(e.get(extension(scope, "locks"))); got != want {
			t.Errorf("at %s: %q", scope, got)
		}
	}
	if got := names(e.get(extension(groupID, "locks", "$filter", "atScope()"))); got != "keep" {
		t.Errorf("atScope: %q", got)
	}
	e.call(200, "PUT", one, `{"properties":{"level":"CanNotDelete"}}`)
	e.call(200, "PATCH", arm(storageType, "st", "2023-05-01"), `{}`)
	e.call(200, "DELETE", one, "")
	e.call(204, "DELETE", one, "")
}

func TestLocks_ByAction(t *testing.T) {
	e := mustEstate(t, "storage_accounts: [{name: st}]\nevents: [{at: 1h, do: lock, resource: st, level: ReadOnly, name: freeze}]\n")
	target := arm(storageType, "st", "2023-05-01")
	e.call(200, "PATCH", target, `{}`)
	e.clock.Advance(time.Hour)
	e.call(409, "PATCH", target, `{}`)
	e.do(azuresim.Action{Do: "unlock", Resource: "st"})
	e.call(200, "PATCH", target, `{}`)
	if err := e.sim.Do(azuresim.Action{Do: "unlock", Resource: "st"}); err == nil {
		t.Error("a lock that is not there was taken off")
	}
}

func TestParseScenario_Locks(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		{"locks:\n  - level: ReadOnly\n", "s.yaml:2: a lock needs what it locks"},
		{"locks:\n  - scope: /subscriptions/a\n    level: Soft\n", "s.yaml:3: unknown level \"Soft\"; use CanNotDelete or ReadOnly"},
		{"locks:\n  - resource: nowhere\n", "s.yaml:2: there is no resource \"nowhere\""},
		{"events:\n  - {at: 1h, do: lock, level: Soft}\n", "s.yaml:2: unknown level"},
	} {
		if _, err := azuresim.ParseScenario("s.yaml", []byte(c.yaml)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}
