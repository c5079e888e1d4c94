package kind

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"cmkd/rotator"
)

// otherIdentity is what a resource has to which another identity is assigned than the one that
// reads its key.
const otherIdentity = `"identity":{"type":"UserAssigned","userAssignedIdentities":{"/y":{}}}`

// whole returns a document of each kind in which every path is filled.
func whole(t *testing.T) map[string]document {
	t.Helper()
	docs := map[string]document{}
	for kind, text := range map[string]string{
		"storage":  strings.NewReplacer(`"name":"acc"`, `"name":"acc","location":"westus",`+otherIdentity, "Succeeded", "Updating").Replace(fmt.Sprintf(storageDoc, v1)),
		"cosmosdb": `{"id":"` + cosmosID + `","location":"West US",` + otherIdentity + `,"properties":{"keyVaultKeyUri":"` + string(key) + `","customerManagedKeyStatus":"x (4003)","defaultIdentity":"UserAssignedIdentity=/x","databaseAccountOfferType":"Standard","provisioningState":"Updating"}}`,
		"disk-encryption-set": `{"id":"` + setID + `","location":"westus","identity":{"type":"None"},"properties":{"activeKey":{"sourceVault":{"id":"/v"},"keyUrl":"` + string(key) + "/" + v2 + `"},"rotationToLatestKeyVersionEnabled":true,"encryptionType":"E",
			"lastKeyRotationTimestamp":"2024-06-20T04:47:52.9788262+00:00","previousKeys":[{"keyUrl":"` + string(key) + "/" + v1 + `"}],"autoKeyRotationError":{"code":"C","message":"m"},"provisioningState":"Updating"}}`,
		"container-group": strings.NewReplacer("Succeeded", "Updating", `"/id":{`, `"/y":{`, `"vaultBaseUrl"`, `"identity":"/id","vaultBaseUrl"`).Replace(groupDoc),
		"managed-cluster": `{"id":"` + clusterID + `","location":"westus","properties":{"diskEncryptionSetID":"` + setID + `","nodeResourceGroup":"nodes","securityProfile":{"azureKeyVaultKms":{"enabled":true,"keyId":"` + string(key) + "/" + v1 + `"}},"provisioningState":"Updating","powerState":{"code":"Running"}}}`,
	} {
		docs[kind] = parse(t, text)
	}
	sampled(t, func(d *Declaration, s sample) { docs[d.Name] = parse(t, s.text(d, string(key)+"/"+v1)) })
	return docs
}

const scopeDoc = `{"id":"` + accountID + `/encryptionScopes/one","name":"one","type":"Microsoft.Storage/storageAccounts/encryptionScopes","properties":{"source":"Microsoft.Keyvault","state":"Enabled",
	"keyVaultProperties":{"keyUri":"` + string(key) + `","currentVersionedKeyIdentifier":"` + string(key) + "/" + v1 + `","lastKeyRotationTimestamp":"2024-06-20T04:47:52.9788262Z"}}}`

// shows is everything that a declaration makes of a document: what is seen, what
// each update sends, what a probe or another resource is found by.
func shows(t *testing.T, d *Declaration, doc document) string {
	t.Helper()
	o := d.decode(doc)
	for i := range o.Uses {
		o.Uses[i].Path = ""
	}
	all := []any{o}
	if via := d.via(); via != nil {
		all = append(all, doc.text(via.At))
	}
	if d.Identity != nil {
		all = append(all, d.Identity.gone(doc)) // an earlier problem hides it
	}
	for _, s := range d.Status {
		all = append(all, doc.text(s.At)) // an earlier one hides it
	}
	if d.Probe != nil {
		all = append(all, doc.text(d.Probe.At))
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	for n, in := range d.usesIn(doc) {
		_, named := in.at.decode(in.doc, &o)
		all = append(all, named, in.at.notShown(in.doc), d.Uses[n].notShown(doc))
		for _, how := range in.at.Updates {
			again := parse(t, string(raw)) // it alters what it is given
			all = append(all, d.usesIn(again)[n].change(again, &how, key, v2))
		}
	}
	if d.Children != nil {
		u := &d.Children.Use
		scope := parse(t, scopeDoc)
		use, named := u.decode(scope, &o)
		all = append(all, use, named)
		for _, how := range u.Updates {
			again := parse(t, scopeDoc)
			all = append(all, (&useIn{u, again}).change(again, &how, key, v2))
		}
	}
	if raw, err = json.Marshal(all); err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// eachPath calls f for every path that a declaration reads, with its place: not
// those that only describe, and not those of the kind that it goes through.
func eachPath(v reflect.Value, place string, f func(place string, path reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() && (place == "" || v.Type() != reflect.TypeFor[*Declaration]()) {
			eachPath(v.Elem(), place, f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachPath(v.Index(i), fmt.Sprintf("%s[%d]", place, i), f)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.Name != "Properties" && field.Name != "Further" && field.Name != "Calls" && field.IsExported() {
				eachPath(v.Field(i), place+"."+field.Name, f)
			}
		}
	case reflect.String:
		if v.Type() == reflect.TypeFor[Path]() && v.String() != "" {
			f(place, v)
		}
	}
}

// Breaking any one path, in any one of its places, changes what is seen or sent.
// UseAt.Path names the use; it is read only where it says whether there is one.
func TestPaths_mutations_are_noticed(t *testing.T) {
	t.Parallel()
	docs := whole(t)
	for i, d := range All() {
		doc, ok := docs[d.Name]
		if !ok {
			t.Errorf("%s: no document in which every path is filled", d.Name)
			continue
		}
		right, n := shows(t, d, doc), 0
		eachPath(reflect.ValueOf(d), "", func(string, reflect.Value) { n++ })
		for broken := range n {
			other, at := All()[i], 0
			eachPath(reflect.ValueOf(other), "", func(place string, path reflect.Value) {
				defer func() { at++ }()
				u := strings.HasSuffix(place, "].Path") && (other.Uses[0].Owner != nil || other.Uses[0].URI != "" || other.Uses[0].Via != nil)
				if at != broken || u {
					return
				}
				path.SetString(path.String() + "Broken")
				if shows(t, other, doc) == right {
					t.Errorf("%s: nobody notices a broken %s = %s", d.Name, place, path)
				}
			})
		}
	}
}

// Each path of the machines of a set counts, too.
func TestMachinePaths_mutations_are_noticed(t *testing.T) {
	t.Parallel()
	machine := parse(t, `{"managedBy":"/a","managedByExtended":["/b"],"properties":{"instanceView":{"statuses":[{"code":"PowerState/running"}]}}}`)
	see := func(m machinePaths) string {
		return fmt.Sprint(m.power(machine), machine.text(m.ManagedBy), machine.strings(m.ManagedByExtended))
	}
	original := reflect.ValueOf(newMachinePaths())
	for i := range original.NumField() {
		broken := reflect.New(original.Type()).Elem()
		broken.Set(original)
		broken.Field(i).SetString(original.Field(i).String() + "Broken")
		if see(broken.Interface().(machinePaths)) == see(newMachinePaths()) {
			t.Errorf("nobody notices a broken %s", original.Type().Field(i).Name)
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
		for _, d := range All() {
			o := d.decode(doc)
			for _, u := range o.Uses {
				for _, h := range append(u.Held, rotator.Held{Version: u.Version}) {
					if h.Version != "" && !occurs(h.Version, strs) {
						t.Fatalf("version %s is not in %s", h.Version, text)
					}
				}
			}
			if o.Access == rotator.AccessUnknown && o.AccessEvidence != "" {
				t.Fatalf("evidence of an unknown access: %+v", o)
			}
		}
		if lost := lostSecrets(doc); lost == nil && doc.object(groupEncryption) != nil {
			deployment(doc, v2)
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
