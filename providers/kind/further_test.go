package kind

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cmkd/providers/arm/wire/wiretest"
	"cmkd/rotator"
)

// scope is a document of an encryption scope.
func scope(name, properties string) string {
	return `{"id":"` + accountID + `/encryptionScopes/` + name + `","name":"` + name + `","type":"Microsoft.Storage/storageAccounts/encryptionScopes","properties":{` + properties + `}}`
}

func under(uri, version string) string {
	return `"source":"Microsoft.Keyvault","keyVaultProperties":{"keyUri":"` + uri + `","currentVersionedKeyIdentifier":"` + string(key) + "/" + version + `"}`
}

// serving answers with the first body whose part is in the address.
func serving(t *testing.T, routes ...[2]string) *kit {
	t.Helper()
	return newKit(t, func(r wiretest.Request) wiretest.Answer {
		for _, route := range routes {
			if strings.Contains(strings.ToLower(r.URL), strings.ToLower(route[0])) {
				if status, isStatus := map[string]int{"403": 403, "404": 404, "503": 503}[route[1]]; isStatus {
					return wiretest.Answer{Status: status, Body: `{"value":[],"error":{"code":"x","message":"m"}}`}
				}
				return wiretest.Answer{Body: route[1]}
			}
		}
		return wiretest.Answer{Status: http.StatusNotFound}
	})
}

// sees is what is seen of a resource, on one line: its uses and its blind spots.
func sees(t *testing.T, k *kit, kind, id, target string) string {
	t.Helper()
	o, err := k.kinds[kind].Observe(t.Context(), &rotator.Dependent{ID: id}, rotator.Ask{Key: key, Target: target})
	if err != nil {
		return "error " + string(rotator.CodeOf(err))
	}
	parts := []string{sketch(&o)}
	if o.Partial {
		parts = append(parts, "partial")
	}
	for _, b := range o.BlindSpots {
		parts = append(parts, "blind: "+b.What)
	}
	return strings.NewReplacer(string(key), "KEY", v1, "v1", v2, "v2").Replace(strings.Join(parts, "; "))
}

// An account's scopes are uses of their own, looked at once the account itself is where
// it is to be.
func TestObserve_EncryptionScopes(t *testing.T) {
	t.Parallel()
	account := strings.ReplaceAll(fmt.Sprintf(storageDoc, ""), "2024-06-20T04:47:52.9788262Z", "")
	const own = "follows KEY/v1"
	for _, tt := range []struct{ name, scopes, target, want string }{
		{"follows", `[` + scope("a", under(string(key), v2)) + `]`, "", own + ", follows KEY/v2"},
		{"pinned", `[` + scope("a", under(string(key)+"/"+v1, v1)) + `]`, "", own + ", pinned KEY/v1"},
		{"Microsoft's", `[` + scope("a", `"source":"Microsoft.Storage"`) + `]`, "", own + ", Microsoft's"},
		{"disabled", `[` + scope("a", `"state":"Disabled",`+under(string(key), v1)) + `]`, "", own + ", follows KEY/v1"},
		{"of another key", `[` + scope("a", under("https://contoso.vault.azure.net/keys/other/"+v1, v1)) + `]`, "", own + ", pinned https://contoso.vault.azure.net/keys/other/, holds KEY/v1, complains: key-mismatch"},
		{"that shows no version", `[` + scope("a", `"source":"Microsoft.Keyvault","keyVaultProperties":{"keyUri":"`+string(key)+`"}`) + `]`, "", own + ", version-not-shown, complains: version-not-shown"},
		{"that shows no key", `[` + scope("a", `"source":"Microsoft.Keyvault"`) + `]`, "", own + ", unreadable-key, complains: unreadable-key"},
		{"that shows nothing", `[` + scope("a", ``) + `]`, "", own + ", unreadable-key, complains: unreadable-key"},
		{"on the target", `[` + scope("a", under(string(key), v1)) + `]`, v1, own + ", follows KEY/v1"},
		{"while the account is behind", `[` + scope("a", under(string(key), v1)) + `]`, v2, own + "; partial"},
		{"of another account", `[` + strings.Replace(scope("a", under(string(key), v1)), "/acc/", "/other/", 1) + `]`, "", "error unavailable"},
		{"that are none", `[{"id":"x"}]`, "", "error unavailable"},
		{"of another type", `[` + strings.Replace(scope("a", under(string(key), v1)), `encryptionScopes","properties`, `blobs","properties`, 1) + `]`, "", "error unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := serving(t, [2]string{"/encryptionScopes?", `{"value":` + tt.scopes + `}`}, [2]string{"/storageAccounts/acc?", account})
			if got := sees(t, k, "storage", accountID, tt.target); got != tt.want {
				t.Errorf("sees %q, want %q", got, tt.want)
			}
		})
	}
}

// Each use that an update is for is updated, in its own document, and no other.
func TestApply_EncryptionScopes(t *testing.T) {
	t.Parallel()
	scopes := `{"value":[` + strings.Join([]string{
		scope("pinned", under(string(key)+"/"+v1, v1)), scope("there", under(string(key)+"/"+v2, v2)), scope("follows", under(string(key), v1)),
		scope("other", under("https://contoso.vault.azure.net/keys/other/"+v1, v1)),
	}, ",") + `]}`
	for _, tt := range []struct {
		action rotator.Action
		want   []string
	}{
		{rotator.ActionRepin, []string{`pinned {"properties":{"keyVaultProperties":{"keyUri":"` + string(key) + "/" + v2 + `"},"source":"Microsoft.Keyvault"}}`}},
		{rotator.ActionNudge, []string{
			`acc {"properties":{"encryption":{"identity":{"userAssignedIdentity":"/x"},"keySource":"Microsoft.Keyvault","keyvaultproperties":{"keyname":"payments","keyvaulturi":"https://contoso.vault.azure.net/","keyversion":""},"services":{"blob":{"enabled":true,"keyType":"Account"}}}}}`,
			`follows {"properties":{"keyVaultProperties":{"keyUri":"` + string(key) + `"},"source":"Microsoft.Keyvault"}}`,
		}},
	} {
		k := serving(t, [2]string{"/encryptionScopes?", scopes}, [2]string{"/encryptionScopes/", `{}`}, [2]string{"/storageAccounts/acc?", fmt.Sprintf(storageDoc, "")})
		if err := k.kinds["storage"].Apply(t.Context(), &rotator.Dependent{ID: accountID}, tt.action, key, rotator.Version{ID: v2}); err != nil {
			t.Fatal(err)
		}
		var sent []string
		for _, r := range k.Requests() {
			if path := requestPath(r.URL); r.Method == http.MethodPatch {
				sent = append(sent, path[strings.LastIndexByte(path, '/')+1:]+" "+r.Body)
			}
		}
		if !slices.Equal(sent, tt.want) {
			t.Errorf("%s sent\n%s\nwant\n%s", tt.action, strings.Join(sent, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}

// A search looks into what the list of accounts does not show.
func TestFind_EncryptionScopes(t *testing.T) {
	t.Parallel()
	account := resource(accountID, `"encryption":{"keySource":"Microsoft.Storage"}`)
	for _, tt := range []struct{ name, scopes, found string }{
		{"of the key", `{"value":[` + scope("a", under(string(key), v1)) + `]}`, "acc"},
		{"of another key, and still of this one", `{"value":[` + scope("a", under("https://contoso.vault.azure.net/keys/other", v1)) + `]}`, "acc"},
		{"that cannot be read", "403", "acc?"},
		{"that show nothing", `{"value":[` + scope("a", "") + `]}`, "acc?"},
		{"of an account that is gone", "404", ""},
		{"that do not answer", "503", "error"},
	} {
		k := serving(t, [2]string{"/encryptionScopes?", tt.scopes}, [2]string{"/storageAccounts?", `{"value":[` + account + `]}`})
		all, err := k.kinds["storage"].(rotator.Finder).Find(t.Context(), subscription, key)
		found := ""
		for _, f := range all {
			if found += f.Name; f.Unknown != nil {
				found += "?"
			}
		}
		if err != nil {
			found = "error"
		}
		if found != tt.found {
			t.Errorf("scopes %s: found %q, %v; want %q", tt.name, found, err, tt.found)
		}
	}
}

// One account that does not answer hides no other: what was found comes with the error.
func TestFind_OneThatDoesNotAnswerHidesNoOther(t *testing.T) {
	t.Parallel()
	account := resource(accountID, `"encryption":{"keySource":"Microsoft.Storage"}`)
	mute := resource(strings.Replace(accountID, "/acc", "/mute", 1), `"encryption":{"keySource":"Microsoft.Storage"}`)
	k := serving(t, [2]string{"/mute/encryptionScopes?", "503"}, [2]string{"/encryptionScopes?", `{"value":[` + scope("a", under(string(key), v1)) + `]}`},
		[2]string{"/storageAccounts?", `{"value":[` + mute + "," + account + `]}`})
	all, err := k.kinds["storage"].(rotator.Finder).Find(t.Context(), subscription, key)
	if rotator.CodeOf(err) != rotator.CodeUnavailable || len(all) != 1 || all[0].Name != "acc" {
		t.Errorf("found %+v, %v; want the account that answers, and an error", all, err)
	}
}

// A provider that was never used in a subscription has none of its kind there.
func TestFind_NotRegistered(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(wiretest.Request) wiretest.Answer {
		return wiretest.Answer{Status: 409, Body: `{"error":{"code":"MissingSubscriptionRegistration","message":"The subscription is not registered to use namespace 'Microsoft.DocumentDB'."}}`}
	})
	if all, err := k.kinds["cosmosdb"].(rotator.Finder).Find(t.Context(), subscription, key); err != nil || len(all) != 0 {
		t.Errorf("found %+v, %v", all, err)
	}
}

// A cluster uses keys in three places, and hides some.
func TestObserve_Cluster(t *testing.T) {
	t.Parallel()
	const ours, other = setID, group + "Microsoft.Compute/diskEncryptionSets/classes"
	disk := func(set string) string {
		return `{"id":"/d","properties":{"encryption":{"type":"EncryptionAtRestWithCustomerKey","diskEncryptionSetId":"` + set + `"}}}`
	}
	set := func(id, version string) string {
		return resource(id, `"activeKey":{"keyUrl":"`+string(key)+"/"+version+`"},"rotationToLatestKeyVersionEnabled":true`)
	}
	kms := func(id string) string {
		return `"securityProfile":{"azureKeyVaultKms":{"enabled":true,"keyId":"` + id + `"}}`
	}
	const disks, ephemeral = `"diskEncryptionSetID":"` + ours + `",`, `"agentPoolProfiles":[{"name":"one","osDiskType":"Managed"},{"name":"two","osDiskType":"Ephemeral"}],`
	for _, tt := range []struct{ name, properties, volumes, target, want string }{
		{"disks alone", disks + `"securityProfile":{}`, `[]`, "", "follows KEY/v1, key-not-shown"},
		{"etcd as it was", kms(string(key) + "/" + v1), `[]`, "", "key-not-shown, pinned KEY/v1"},
		{"etcd that follows", kms(string(key)), `[]`, "", "key-not-shown, follows KEY/"},
		{"etcd switched off", `"securityProfile":{"azureKeyVaultKms":{"enabled":false,"keyId":"` + string(key) + "/" + v1 + `"}}`, `[]`, "", "key-not-shown, Microsoft's"},
		{"etcd that is not shown", disks + `"securityProfile":null`, `[]`, "", "follows KEY/v1, unreadable-key, complains: unreadable-key"},
		{"both", disks + kms(string(key)+"/"+v2), `[]`, "", "follows KEY/v1, pinned KEY/v2"},
		{"volumes of another set", disks + `"securityProfile":{}`, `[` + disk(other) + `,` + disk(ours) + `,` + disk(other) + `]`, "", "pinned KEY/v2, follows KEY/v1, key-not-shown"},
		{"volumes under Microsoft's keys", disks + `"securityProfile":{}`, `[{"id":"/d","properties":{"encryption":{"type":"EncryptionAtRestWithPlatformKey"}}}]`, "", "follows KEY/v1, key-not-shown"},
		{"a volume that does not tell", disks + `"securityProfile":{}`, `[{"id":"/d","properties":{}}]`, "", "error unavailable"},
		{"behind", disks + `"securityProfile":{}`, `[` + disk(other) + `]`, v2, "follows KEY/v1, key-not-shown; partial"},
		{"ephemeral nodes", disks + ephemeral + `"securityProfile":{}`, `[]`, "", "follows KEY/v1, key-not-shown; blind: nodes of pool two"},
		{"ephemeral nodes under Microsoft's key", ephemeral + `"securityProfile":{}`, `[]`, "", "key-not-shown, key-not-shown"},
		{"disks that may not be read", disks + `"securityProfile":{}`, "403", "", "follows KEY/v1, key-not-shown; blind: volumes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			volumes := tt.volumes
			if volumes != "403" {
				volumes = `{"value":` + volumes + `}`
			}
			k := serving(t, [2]string{"/resourceGroups/nodes/providers/Microsoft.Compute/disks?", volumes},
				[2]string{"/managedClusters/aks?", resource(clusterID, withPool(tt.properties)+`,"nodeResourceGroup":"nodes"`)},
				[2]string{"/diskEncryptionSets/des?", set(ours, v1)},
				[2]string{"/diskEncryptionSets/classes?", strings.Replace(set(other, v2), "true", "false", 1)})
			if got := sees(t, k, "managed-cluster", clusterID, tt.target); got != tt.want {
				t.Errorf("sees %q, want %q", got, tt.want)
			}
		})
	}
}

// Copies in restore points are under the set, and nobody shows by which version.
func TestObserve_RestorePoints(t *testing.T) {
	t.Parallel()
	collection := group + "Microsoft.Compute/restorePointCollections/c"
	copyUnder := func(place, set string) string {
		copied := `{"diskRestorePoint":{"encryption":{"diskEncryptionSet":{"id":"` + set + `"}}}}`
		if place == "dataDisks" {
			copied = `[` + copied + `]`
		}
		return `{"name":"p","properties":{"sourceMetadata":{"storageProfile":{"` + place + `":` + copied + `}}}}`
	}
	for _, tt := range []struct{ name, list, points, want string }{
		{"none", `{"value":[]}`, "", ""},
		{"of the system disk", "", copyUnder("osDisk", strings.ToUpper(setID)), "; blind: restore point p"},
		{"of a data disk", "", copyUnder("dataDisks", setID), "; blind: restore point p"},
		{"under another set", "", copyUnder("osDisk", setID+"2"), ""},
		{"that may not be listed", "403", "", "; blind: restore points"},
		{"that may not be read", "", "403", "; blind: restore points"},
		{"that are gone", "", "404", ""},
		{"too many", `{"value":[` + strings.TrimSuffix(strings.Repeat(`{"id":"`+collection+`"},`, maxCollections+1), ",") + `]}`, "", "; blind: restore points"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			list, points := tt.list, tt.points
			if list == "" {
				list = `{"value":[{"id":"` + collection + `"}]}`
			}
			if !slices.Contains([]string{"403", "404"}, points) {
				points = `{"id":"` + collection + `","properties":{"restorePoints":[` + points + `]}}`
			}
			k := serving(t, [2]string{"/restorePointCollections?", list}, [2]string{"/restorePointCollections/c?", points},
				[2]string{"/diskEncryptionSets/des?", resource(setID, `"activeKey":{"keyUrl":"`+string(key)+"/"+v1+`"}`)})
			if got, want := sees(t, k, "disk-encryption-set", setID, ""), "pinned KEY/v1"+tt.want; got != want {
				t.Errorf("sees %q, want %q", got, want)
			}
		})
	}
}

// A cluster has access to its key only if all of its sets have.
func TestObserve_access_through_several_sets(t *testing.T) {
	t.Parallel()
	const other, compute = group + "Microsoft.Compute/diskEncryptionSets/classes", group + "Microsoft.Compute/"
	vm := func(name, power string) [2]string {
		return [2]string{"/virtualMachines/" + name + "?", `{"id":"` + compute + "virtualMachines/" + name + `","properties":{"instanceView":{"statuses":[{"code":"PowerState/` + power + `"}]}}}`}
	}
	disk := func(name string) [2]string {
		return [2]string{"/disks/" + name + "?", `{"id":"` + compute + "disks/" + name + `","managedBy":"` + compute + "virtualMachines/" + name + `"}`}
	}
	set := func(id string) string {
		return resource(id, `"activeKey":{"keyUrl":"`+string(key)+"/"+v1+`"},"rotationToLatestKeyVersionEnabled":true`)
	}
	k := serving(t,
		[2]string{"/resourceGroups/nodes/providers/Microsoft.Compute/disks?", `{"value":[{"id":"/d","properties":{"encryption":{"type":"EncryptionAtRestWithCustomerKey","diskEncryptionSetId":"` + other + `"}}}]}`},
		[2]string{"/managedClusters/aks?", resource(clusterID, `"diskEncryptionSetID":"`+setID+`","securityProfile":{},"nodeResourceGroup":"nodes"`)},
		[2]string{"/des/associatedResources", `{"value":["` + compute + `disks/node"]}`}, [2]string{"/classes/associatedResources", `{"value":["` + compute + `disks/volume"]}`},
		[2]string{"/restorePointCollections?", `{"value":[]}`},
		disk("node"), disk("volume"), vm("node", "deallocated"), vm("volume", "running"),
		[2]string{"/diskEncryptionSets/des?", set(setID)}, [2]string{"/diskEncryptionSets/classes?", set(other)})
	o, err := k.kinds["managed-cluster"].Observe(t.Context(), &rotator.Dependent{ID: clusterID}, rotator.Ask{Key: key, Access: true})
	if err != nil {
		t.Fatal(err)
	}
	if o.Access != rotator.AccessDenied {
		t.Errorf("access %q %q", o.Access, o.AccessCode)
	}
}

// A resource that is in another one is listed in each of these: one that is gone hides nothing,
// one that does not answer or may not be listed makes the search incomplete.
func TestFind_InEachOfWhatItIsIn(t *testing.T) {
	t.Parallel()
	san := func(name string) string {
		return `{"id":"` + group + `Microsoft.ElasticSan/elasticSans/` + name + `","name":"` + name + `","type":"Microsoft.ElasticSan/elasticSans"}`
	}
	volumes := resource(group+"Microsoft.ElasticSan/elasticSans/two/volumeGroups/vg", `"encryption":"EncryptionAtRestWithCustomerManagedKey",
		"encryptionProperties":{"keyVaultProperties":{"keyVaultUri":"https://contoso.vault.azure.net/","keyName":"payments","currentVersionedKeyIdentifier":"`+string(key)+"/"+v1+`"}}`)
	for _, tt := range []struct {
		name, sans, first string
		found             int
		code              rotator.Code
	}{
		{"both there", san("one") + "," + san("two"), `{"value":[]}`, 1, ""},
		{"one is gone", san("one") + "," + san("two"), "404", 1, ""},
		{"one may not be listed", san("one") + "," + san("two"), "403", 1, rotator.CodeForbidden},
		{"one does not answer", san("one") + "," + san("two"), "503", 1, rotator.CodeUnavailable},
		{"one is something else", strings.ReplaceAll(san("one"), "elasticSans", "others") + "," + san("two"), `{"value":[]}`, 0, rotator.CodeUnavailable},
		{"there is none", "", `{"value":[]}`, 0, ""},
	} {
		k := serving(t, [2]string{"/one/volumeGroups?", tt.first}, [2]string{"/two/volumeGroups?", `{"value":[` + volumes + `]}`},
			[2]string{"/elasticSans?", `{"value":[` + tt.sans + `]}`})
		all, err := k.kinds["elastic-san"].(rotator.Finder).Find(t.Context(), subscription, key)
		if len(all) != tt.found || rotator.CodeOf(err) != tt.code {
			t.Errorf("%s: found %+v, %v; want %d, %q", tt.name, all, err, tt.found, tt.code)
		}
	}
}
