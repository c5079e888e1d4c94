package kind

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"cmkd/rotator"
)

// everything is a document of each kind in which every path is filled.
func everything(t *testing.T) []struct {
	paths any
	see   func(paths any) any
} {
	t.Helper()
	account := parse(t, strings.Replace(fmt.Sprintf(storageDoc, v1), `"name":"acc"`, `"name":"acc","location":"westus"`, 1))
	cosmos := parse(t, `{"id":"`+cosmosID+`","location":"West US","properties":{"keyVaultKeyUri":"`+string(key)+`","customerManagedKeyStatus":"x (4003)","defaultIdentity":"FirstPartyIdentity","provisioningState":"Updating"}}`)
	set := parse(t, `{"id":"`+setID+`","location":"westus","properties":{"activeKey":{"sourceVault":{"id":"/v"},"keyUrl":"`+string(key)+"/"+v2+`"},"rotationToLatestKeyVersionEnabled":true,"encryptionType":"E",
		"lastKeyRotationTimestamp":"2024-06-20T04:47:52.9788262+00:00","previousKeys":[{"keyUrl":"`+string(key)+"/"+v1+`"}],"autoKeyRotationError":{"code":"C","message":"m"},"provisioningState":"Updating"}}`)
	aci := parse(t, groupDoc)
	cluster := parse(t, `{"location":"westus","properties":{"diskEncryptionSetID":"`+setID+`","provisioningState":"Updating","powerState":{"code":"Running"}}}`)
	machine := parse(t, `{"managedBy":"/a","managedByExtended":["/b"],"properties":{"instanceView":{"statuses":[{"code":"PowerState/running"}]}}}`)
	copied := func(d document) document { // change alters what it is given
		raw, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		return parse(t, string(raw))
	}
	return []struct {
		paths any
		see   func(paths any) any
	}{
		{newStoragePaths(), func(p any) any {
			s := p.(storagePaths)
			return []any{s.observe(account), s.change(copied(account), v2), account.text(s.BlobEndpoint)}
		}},
		{newCosmosDBPaths(), func(p any) any { return p.(cosmosDBPaths).observe(cosmos) }},
		{newDiskEncryptionSetPaths(), func(p any) any {
			s := p.(diskEncryptionSetPaths)
			return []any{s.observe(set, key), s.change(set, "x")}
		}},
		{newContainerGroupPaths(), func(p any) any { return p.(containerGroupPaths).observe(aci) }},
		{newManagedClusterPaths(), func(p any) any {
			c := p.(managedClusterPaths)
			return []any{cluster.text(c.Set), cluster.text(c.State), cluster.facts(c.Set, c.State, c.Power), region(cluster.text(c.Location))}
		}},
		{newMachinePaths(), func(p any) any {
			m := p.(machinePaths)
			return []any{m.power(machine), machine.text(m.ManagedBy), machine.strings(m.ManagedByExtended)}
		}},
	}
}

// Breaking any one path changes what is seen.
func TestPaths_mutations_are_noticed(t *testing.T) {
	t.Parallel()
	for _, kind := range everything(t) {
		whole := kind.see(kind.paths)
		original := reflect.ValueOf(kind.paths)
		for i := range original.NumField() {
			broken := reflect.New(original.Type()).Elem()
			broken.Set(original)
			broken.Field(i).SetString(original.Field(i).String() + "Broken")
			if reflect.DeepEqual(kind.see(broken.Interface()), whole) {
				t.Errorf("%s: nobody notices a broken %s", original.Type().Name(), original.Type().Field(i).Name)
			}
		}
	}
}

// FuzzObserve sees to it that no document ends the process, and that no kind
// reports a version that is not in it.
func FuzzObserve(f *testing.F) {
	for _, doc := range []string{
		fmt.Sprintf(storageDoc, ""), fmt.Sprintf(setDoc, true), groupDoc,
		`{"id":"` + cosmosID + `","properties":{"keyVaultKeyUri":"` + string(key) + `","customerManagedKeyStatus":"x (4003)"}}`, `[]`, `null`, `{"properties":[{}]}`,
	} {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var doc document
		if json.Unmarshal([]byte(text), &doc) != nil {
			return
		}
		strs := texts(doc.root, nil)
		for _, o := range []rotator.Observation{
			newStoragePaths().observe(doc), newCosmosDBPaths().observe(doc), newDiskEncryptionSetPaths().observe(doc, key), newContainerGroupPaths().observe(doc),
		} {
			for _, version := range append([]string{o.Version}, o.Previous...) {
				if version != "" && !occurs(version, strs) {
					t.Fatalf("version %s is not in %s", version, text)
				}
			}
			if o.Access == rotator.AccessUnknown && o.AccessEvidence != "" {
				t.Fatalf("evidence of an unknown access: %+v", o)
			}
		}
		if lost := lostSecrets(doc); lost == nil && doc.object("properties.encryptionProperties") != nil {
			newContainerGroupPaths().deployment(doc, v2)
		}
	})
}

// texts collects every string of a document.
func texts(v any, to []string) []string {
	switch v := v.(type) {
	case string:
		return append(to, v)
	case []any:
		for _, e := range v {
			to = texts(e, to)
		}
	case map[string]any:
		for _, e := range v {
			to = texts(e, to)
		}
	}
	return to
}

func occurs(version string, in []string) bool {
	for _, s := range in {
		if strings.Contains(strings.ToLower(s), version) {
			return true
		}
	}
	return false
}
