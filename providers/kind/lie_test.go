package kind

import (
	"fmt"
	"strings"
	"testing"

	"cmkd/providers/arm/wire/wiretest"
	"cmkd/rotator"
)

// TestObserve_HeedsWhoAnswers: a success that is not about the resource that was asked
// for shows nothing, neither when it is observed nor before it is updated.
func TestObserve_HeedsWhoAnswers(t *testing.T) {
	t.Parallel()
	account := fmt.Sprintf(storageDoc, "")
	for _, tt := range []struct {
		name, body string
		reason     rotator.Reason
	}{
		{"nothing", "", rotator.ReasonUnreadableAnswer},
		{"an empty object", `{}`, rotator.ReasonUnreadableAnswer},
		{"null", `null`, rotator.ReasonUnreadableAnswer},
		{"a list", `[]`, rotator.ReasonUnreadableAnswer},
		{"a list of it", `{"value":[` + account + `]}`, rotator.ReasonUnreadableAnswer},
		{"an error", `{"error":{"code":"InternalServerError","message":"m"}}`, rotator.ReasonUnreadableAnswer},
		{"a page of a proxy", `<html>sign in</html>`, rotator.ReasonUnreadableAnswer},
		{"no properties", resource(accountID, "")[:strings.Index(resource(accountID, ""), `"properties"`)] + `"properties":{}}`, rotator.ReasonUnreadableAnswer},
		{"another account", strings.Replace(account, accountID, accountID+"2", 1), rotator.ReasonForeignAnswer},
		{"an account of another group", strings.Replace(account, "resourceGroups/rg", "resourceGroups/other", 1), rotator.ReasonForeignAnswer},
		{"of another type", resource(cosmosID, ""), rotator.ReasonForeignAnswer},
		{"its id with another type", strings.Replace(account, `"type":"Microsoft.Storage/storageAccounts"`, `"type":"Microsoft.Storage/other"`, 1), rotator.ReasonForeignAnswer},
		{"its type with another id", strings.Replace(account, accountID, cosmosID, 1), rotator.ReasonForeignAnswer},
		{"no id", strings.Replace(account, accountID, "", 1), rotator.ReasonUnreadableAnswer},
		{"an id that is none", strings.Replace(account, accountID, "acc", 1), rotator.ReasonUnreadableAnswer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, func(wiretest.Request) wiretest.Answer { return wiretest.Answer{Body: tt.body} })
			o, err := k.kinds["storage"].Observe(t.Context(), &rotator.Dependent{ID: accountID}, rotator.Ask{Key: key})
			if e := mustError(t, err); e.Reason != tt.reason || !e.Passes() || len(o.Uses) > 0 {
				t.Errorf("got %+v, %+v", e, o)
			}
			err = k.kinds["storage"].Apply(t.Context(), &rotator.Dependent{ID: accountID}, rotator.ActionNudge, key, rotator.Version{ID: v2})
			if e := mustError(t, err); e.Reason != tt.reason || !e.NoEffect || strings.Contains(k.Methods(), "PATCH") {
				t.Errorf("updated: %+v after %s", e, k.Methods())
			}
		})
	}
}

// However Azure spells the group and the type of a resource, it is the same.
func TestObserve_spellings(t *testing.T) {
	t.Parallel()
	shown := strings.NewReplacer("resourceGroups", "resourcegroups", "Microsoft.Storage/storageAccounts", "microsoft.storage/STORAGEACCOUNTS").Replace(fmt.Sprintf(storageDoc, ""))
	k := newKit(t, func(wiretest.Request) wiretest.Answer { return wiretest.Answer{Body: shown} })
	if o, err := k.kinds["storage"].Observe(t.Context(), &rotator.Dependent{ID: accountID}, rotator.Ask{Key: key}); err != nil || !o.On(key, v1) {
		t.Errorf("got %+v, %v", o, err)
	}
}

// A search names what it cannot tell, after a second look, and does not go on over what
// it did not see.
func TestFind_in_doubt(t *testing.T) {
	t.Parallel()
	account := fmt.Sprintf(storageDoc, "")
	blank := resource(accountID, `"encryption":null`)
	for _, tt := range []struct {
		name, listed string
		one          wiretest.Answer
		found        string // what is found: "uses" or the reason for the doubt
		code         rotator.Code
	}{
		{"the list alone does not tell", blank, wiretest.Answer{Body: account}, "uses", ""},
		{"the list alone does not tell, and it is not", blank, wiretest.Answer{Body: resource(accountID, `"encryption":{"keySource":"Microsoft.Storage"}`)}, "", ""},
		{"nothing tells", blank, wiretest.Answer{Body: blank}, string(rotator.ReasonUnreadableKey), ""},
		{"it is gone meanwhile", blank, wiretest.Answer{Status: 404}, "", ""},
		{"it may not be read", blank, wiretest.Answer{Status: 403}, string(rotator.ReasonUnreadableKey), ""},
		{"it does not answer", blank, wiretest.Answer{Status: 503}, "", rotator.CodeUnavailable},
		{"somebody else answers", blank, wiretest.Answer{Body: `{}`}, "", rotator.CodeUnavailable},
		{"an element that is none", `{"id":"x"}`, wiretest.Answer{}, "", rotator.CodeUnavailable},
		{"an element of another type", resource(cosmosID, ""), wiretest.Answer{}, "", rotator.CodeUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, func(r wiretest.Request) wiretest.Answer {
				if strings.Contains(r.URL, "/storageAccounts?") {
					return wiretest.Answer{Body: `{"value":[` + tt.listed + `]}`}
				}
				return tt.one
			})
			all, err := k.kinds["storage"].(rotator.Finder).Find(t.Context(), subscription, key)
			found := ""
			for _, f := range all {
				if found = "uses"; f.Unknown != nil {
					found = string(f.Unknown.Code)
				}
			}
			if found != tt.found || rotator.CodeOf(err) != tt.code {
				t.Errorf("found %q, %v", found, err)
			}
		})
	}
}

// TestFind_InDoubtOfEveryKind asks each resource itself that the list does not show the
// key of, whether anything else than its key is to be looked at or not.
func TestFind_InDoubtOfEveryKind(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(r wiretest.Request) wiretest.Answer {
		if strings.Contains(r.URL, "/diskEncryptionSets?") {
			return wiretest.Answer{Body: `{"value":[` + resource(setID, `"activeKey":{"keyUrl":"no key"}`) + `]}`}
		}
		return wiretest.Answer{Body: resource(setID, `"activeKey":{"keyUrl":"`+string(key)+"/"+v1+`"}`)}
	})
	all, err := k.kinds["disk-encryption-set"].(rotator.Finder).Find(t.Context(), subscription, key)
	if len(all) != 1 || all[0].Unknown != nil || err != nil {
		t.Errorf("found %+v, %v", all, err)
	}
}
