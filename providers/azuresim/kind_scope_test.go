package azuresim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

var scoped = strings.Replace(oneKey, "name: kv,", "name: kv, purge_protection: true,", 1) + `storage_accounts:
  - name: st
    key: kv/k
    containers: [plain]
    scopes:
      - {name: follows, key: kv/k, containers: [green]}
      - {name: holds, key: kv/k, version: oldest, containers: [red]}
      - {name: off, key: kv/k, state: Disabled, containers: [grey]}
      - {name: theirs}
`

// scope is the URL of a scope of st, or of the list for "".
func scope(name, query string) string {
	url := arm(storageType, "st", "2025-01-01")
	return strings.Replace(url, "?", "/encryptionScopes"+strings.TrimSuffix("/"+name, "/")+"?", 1) + query
}

func TestScope_ShapeIsAsRecorded(t *testing.T) {
	e := mustEstate(t, scoped)
	// With Microsoft's keys only the answer to a PUT has the object [recording
	// storage.encryption-scope-list].
	made := e.call(201, "PUT", scope("new", ""), `{"properties":{"source":"Microsoft.Storage","requireInfrastructureEncryption":true}}`).json(t)
	if dig(made, "properties.keyVaultProperties") == nil || dig(made, "location") != nil || str(made, "properties.state") != "Enabled" {
		t.Errorf("made %v", made)
	}
	if got := e.get(scope("new", "")); dig(got, "properties.keyVaultProperties") != nil {
		t.Errorf("read %v", got)
	}
	// The recording storage.encryption-scope-cmk: a pin, and then a partial PATCH.
	pinned := e.sim.Versions("kv", "k")[0].ID
	e.clock.Advance(time.Second)
	set := e.call(200, "PATCH", scope("new", ""), `{"properties":{"source":"Microsoft.KeyVault","keyVaultProperties":{"keyUri":"`+keyURL+"/"+pinned+`"}}}`).json(t)
	if str(set, "properties.source") != "Microsoft.Keyvault" || dig(set, "properties.keyVaultProperties.lastKeyRotationTimestamp") != nil ||
		str(set, "properties.keyVaultProperties.currentVersionedKeyIdentifier") != keyURL+"/"+pinned {
		t.Errorf("pinned %v", set)
	}
	off := e.call(200, "PATCH", scope("new", ""), `{"properties":{"state":"Disabled"}}`).json(t)
	if str(off, "properties.state") != "Disabled" || str(off, "properties.keyVaultProperties.keyUri") != keyURL+"/"+pinned {
		t.Errorf("disabled %v", off)
	}
	if str(off, "properties.lastModifiedTime") == str(off, "properties.creationTime") {
		t.Error("lastModifiedTime did not move")
	}
	e.call(405, "DELETE", scope("new", ""), "")
	e.call(404, "GET", scope("none", ""), "")
	r := e.call(404, "PUT", strings.Replace(scope("x", ""), "/st/", "/none/", 1), `{}`)
	if outer, _ := code(t, r); outer != "ParentResourceNotFound" {
		t.Errorf("scope of no account: %s", outer)
	}
	// The account says nothing about its scopes, nor does the list of resources.
	if text := fmt.Sprint(e.get(arm(storageType, "st", "2025-01-01"))); strings.Contains(text, "follows") {
		t.Errorf("the account names its scopes: %s", text)
	}
}

func TestScope_List(t *testing.T) {
	e := mustEstate(t, scoped)
	for _, c := range []struct{ query, want string }{
		{"", "[follows holds off theirs]"},
		{"&$include=All", "[follows holds off theirs]"},
		{"&$include=Disabled", "[off]"},
		{"&$include=Enabled", "[follows holds theirs]"},
		{"&$filter=startswith%28name%2C%20ho%29", "[holds]"},
		{"&$maxpagesize=3", "[follows holds off | theirs]"},
		{"&$maxpagesize=1&$include=Enabled", "[follows | holds | theirs]"},
	} {
		var pages []string
		for next := scope("", c.query); next != ""; {
			page := e.get(next)
			var names []string
			for _, one := range page["value"].([]any) {
				names = append(names, str(one.(map[string]any), "name"))
			}
			pages = append(pages, strings.Join(names, " "))
			next = str(page, "nextLink")
		}
		if got := "[" + strings.Join(pages, " | ") + "]"; got != c.want {
			t.Errorf("%s: %s, want %s", c.query, got, c.want)
		}
	}
	next := str(e.get(scope("", "&$maxpagesize=2")), "nextLink")
	if !strings.HasSuffix(next, "&$maxpagesize=2&$skipToken=off") {
		t.Errorf("nextLink %s", next)
	}
}

func TestScope_FollowsByItself(t *testing.T) {
	e := mustEstate(t, scoped)
	old := e.newest()
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	version := func(name string) string {
		uri := str(e.get(scope(name, "")), "properties.keyVaultProperties.currentVersionedKeyIdentifier")
		return uri[strings.LastIndexByte(uri, '/')+1:]
	}
	e.clock.Advance(24*time.Hour - time.Second)
	if got := version("follows"); got != old {
		t.Errorf("switched before its check: %s", got)
	}
	e.clock.Advance(time.Second)
	if got := version("follows"); got != e.newest() {
		t.Errorf("did not switch at its check: %s", got)
	}
	if got := str(e.get(scope("follows", "")), "properties.keyVaultProperties.lastKeyRotationTimestamp"); got != "2026-01-06T08:00:00.0000000Z" {
		t.Errorf("rotated at %s", got)
	}
	if got := version("holds"); got == e.newest() {
		t.Error("a pinned scope switched")
	}
	e.wantNeeds("after a day", "1 st/holds: in use", "3 st: in use", "3 st/follows: in use", "3 st/off: in use, no access")
}

// TestScope_ProbeProvesItsOwnScope loses the key of one scope.
func TestScope_ProbeProvesItsOwnScope(t *testing.T) {
	e := mustEstate(t, scoped)
	probe := func(container string) string {
		return "https://st.blob.core.windows.net/" + container + "?restype=container&comp=list&include=metadata"
	}
	e.do(azuresim.Action{Do: "disable-version", Key: "kv/k", Version: "oldest"})
	e.clock.Advance(11 * time.Minute)
	for _, c := range []struct {
		container string
		status    int
	}{{"plain", 200}, {"green", 200}, {"red", 403}, {"grey", 403}} {
		e.call(c.status, "GET", probe(c.container), "")
	}
	// The scope is named by a request, or else by the container.
	e.call(403, "PUT", "https://st.blob.core.windows.net/plain/b", "x", "X-Ms-Encryption-Scope", "holds")
	e.call(201, "PUT", "https://st.blob.core.windows.net/plain/b", "x")
	r := e.call(200, "GET", "https://st.blob.core.windows.net/red?restype=container", "")
	if got := r.header.Get("X-Ms-Default-Encryption-Scope"); got != "holds" {
		t.Errorf("default scope %q", got)
	}
	// The identity is the account's: without its access all of them are closed.
	e.do(azuresim.Action{Do: "revoke-access", Resource: "st"})
	e.clock.Advance(11 * time.Minute)
	e.call(403, "GET", probe("green"), "")
	e.do(azuresim.Action{Do: "delete-resource", Resource: "st"})
	e.wantNeeds("without the account")
}
