package kind

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"cmkd/providers/arm"
	"cmkd/providers/arm/wire/wiretest"
	"cmkd/rotator"
)

const (
	subscription = "00000000-0000-0000-0000-000000000000"
	group        = "/subscriptions/" + subscription + "/resourceGroups/rg/providers/"
	accountID    = group + "Microsoft.Storage/storageAccounts/acc"
	cosmosID     = group + "Microsoft.DocumentDB/databaseAccounts/cos"
	setID        = group + "Microsoft.Compute/diskEncryptionSets/des"
	clusterID    = group + "Microsoft.ContainerService/managedClusters/aks"
	groupID      = group + "Microsoft.ContainerInstance/containerGroups/aci"

	key = rotator.KeyID("https://contoso.vault.azure.net/keys/payments")
	v1  = "11111111111111111111111111111111"
	v2  = "22222222222222222222222222222222"
)

// kit is every kind over one transport.
type kit struct {
	*wiretest.Transport
	clock *wiretest.Clock
	kinds map[string]rotator.Service
}

func newKit(t *testing.T, answer func(wiretest.Request) wiretest.Answer) *kit {
	t.Helper()
	clock := wiretest.NewJumpingClock()
	transport := &wiretest.Transport{Clock: clock, Answer: func(r wiretest.Request) wiretest.Answer {
		if strings.Contains(r.URL, "/encryptionScopes?") || strings.Contains(r.URL, "/restorePointCollections?") || strings.Contains(r.URL, "/Microsoft.Compute/disks?") {
			if a := answer(r); strings.HasPrefix(a.Body, `{"value":`) {
				return a
			}
			return wiretest.Answer{Body: `{"value":[]}`} // there are none unless a test has some
		}
		return answer(r)
	}}
	client, err := arm.NewClient(wiretest.Credential{}, arm.Options{Transport: transport, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	k := &kit{Transport: transport, clock: clock, kinds: map[string]rotator.Service{}}
	blob := NewBlobProbe(wiretest.Credential{}, BlobOptions{Transport: transport, Clock: clock})
	for _, s := range Services(Deps{ARM: client, Blob: blob}) {
		k.kinds[s.Kind()] = s
	}
	return k
}

func parse(tb testing.TB, text string) document {
	tb.Helper()
	var doc document
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		tb.Fatal(err)
	}
	return doc
}

func mustError(t *testing.T, err error) *rotator.Error {
	t.Helper()
	var e *rotator.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v carries no *rotator.Error", err)
	}
	if text := err.Error() + " " + e.Hint; strings.Contains(text, wiretest.Token) || strings.Contains(text, "\n") {
		t.Fatalf("unfit for people: %s", text)
	}
	return e
}

// named returns the declaration of a kind.
func named(kind string) *Declaration {
	for _, d := range All() {
		if d.Name == kind {
			return d
		}
	}
	return nil
}

// observe reads a document as a kind does, by its type.
func observe(doc document) (o rotator.Observation, kind string) {
	kind, ok := Of(doc.text("id"))
	if !ok {
		return o, ""
	}
	return named(kind).decode(doc), kind
}

const storageDoc = `{"id":"` + accountID + `","name":"acc","type":"Microsoft.Storage/storageAccounts","properties":{"encryption":{"keySource":"Microsoft.Keyvault","keyvaultproperties":{
	"keyvaulturi":"https://contoso.vault.azure.net/","keyname":"payments","keyversion":"%s","currentVersionedKeyIdentifier":"https://contoso.vault.azure.net/keys/payments/` + v1 + `",
	"lastKeyRotationTimestamp":"2024-06-20T04:47:52.9788262Z","currentVersionedKeyExpirationTimestamp":"1970-01-01T00:00:00.0000000Z"},
	"services":{"blob":{"keyType":"Account","enabled":true,"lastEnabledTime":"2024-06-20T04:45:52.0173643Z"}},"identity":{"userAssignedIdentity":"/x"}},
	"provisioningState":"Succeeded","primaryEndpoints":{"blob":"https://acc.blob.core.windows.net/"}}}`

// resource is a document as Azure has one of a resource: with its type, what the
// properties have that are given, and what all of its kind have.
func resource(id, properties string) string {
	doc := map[string]any{}
	if err := json.Unmarshal([]byte("{"+properties+"}"), &doc); err != nil {
		panic(err)
	}
	for _, d := range All() {
		if kind, _ := Of(id); kind != d.Name {
			continue
		}
		for _, always := range append([]Path{d.State}, witnesses(d)...) {
			name := always.fact()
			if _, given := doc[name]; !given {
				doc[name] = "Succeeded"
			}
		}
		raw, err := json.Marshal(map[string]any{
			"id": id, "name": id[strings.LastIndexByte(id, '/')+1:], "type": d.Type, "location": "West US", "properties": doc,
		})
		if err != nil {
			panic(err)
		}
		return string(raw)
	}
	panic("no kind has " + id)
}

func witnesses(d *Declaration) (all []Path) {
	for _, u := range d.Uses {
		if u.Witness != "" {
			all = append(all, u.Witness)
		}
	}
	return all
}

// unknown is a use of which it cannot be told whose key it is under.
func unknown(why rotator.Reason) rotator.Use {
	return rotator.Use{Unknown: &rotator.Problem{Code: why}}
}

func one(u rotator.Use) []rotator.Use { return []rotator.Use{u} }

func TestObserve_by_kind(t *testing.T) {
	t.Parallel()
	stamp := time.Date(2024, 6, 20, 4, 47, 52, 978826200, time.UTC)
	for _, tt := range []struct {
		name, doc string
		want      rotator.Observation
		problem   rotator.Reason
	}{
		{"storage follows", fmt.Sprintf(storageDoc, ""), rotator.Observation{Uses: one(rotator.Use{Key: key, Binding: rotator.BindingFollows, Version: v1, RotatedAt: stamp})}, ""},
		{"storage pinned", fmt.Sprintf(storageDoc, v1), rotator.Observation{Uses: one(rotator.Use{Key: key, Binding: rotator.BindingPinned, Version: v1, RotatedAt: stamp})}, ""},
		{"storage in other cases", strings.NewReplacer("keyvaultproperties", "keyVaultProperties", "keyname", "keyName", "Microsoft.Keyvault", "microsoft.KEYVAULT").Replace(fmt.Sprintf(storageDoc, "")), rotator.Observation{Uses: one(rotator.Use{Key: key, Binding: rotator.BindingFollows, Version: v1, RotatedAt: stamp})}, ""},
		{"storage's own key", resource(accountID, `"encryption":{"keySource":"Microsoft.Storage"}`), rotator.Observation{Uses: one(rotator.Use{Microsoft: true})}, ""},
		{"storage without encryption", resource(accountID, ""), rotator.Observation{Uses: one(unknown(rotator.ReasonUnreadableKey))}, rotator.ReasonUnreadableKey},
		{"storage with a source of the future", resource(accountID, `"encryption":{"keySource":"Microsoft.Moon"}`), rotator.Observation{Uses: one(unknown(rotator.ReasonUnknownKeySource))}, rotator.ReasonUnknownKeySource},
		{"storage on another key still", strings.Replace(fmt.Sprintf(storageDoc, ""), "/keys/payments/", "/keys/old/", 1), rotator.Observation{Uses: one(rotator.Use{Key: key, Binding: rotator.BindingFollows, Held: []rotator.Held{{Key: "https://contoso.vault.azure.net/keys/old", Version: v1}}})}, rotator.ReasonKeyMismatch},
		{"storage with a bad vault", strings.Replace(fmt.Sprintf(storageDoc, ""), `"https://contoso.vault.azure.net/"`, `"http://contoso"`, 1), rotator.Observation{Uses: one(unknown(rotator.ReasonUnreadableKey))}, rotator.ReasonUnreadableKey},
		{"storage updating", strings.Replace(fmt.Sprintf(storageDoc, ""), "Succeeded", "ResolvingDNS", 1), rotator.Observation{Uses: one(rotator.Use{Key: key, Binding: rotator.BindingFollows, Version: v1, RotatedAt: stamp}), Updating: true}, ""},
		{"cosmos", resource(cosmosID, `"keyVaultKeyUri":"`+string(key)+`","customerManagedKeyStatus":"Access to the configured customer managed key confirmed."`), rotator.Observation{Uses: one(rotator.Use{Key: key, Binding: rotator.BindingFollows}), Access: rotator.AccessAllowed, AccessEvidence: rotator.EvidenceConfirmed}, ""},
		{"cosmos without key", resource(cosmosID, `"keyVaultKeyUri":null`), rotator.Observation{Uses: one(unknown(rotator.ReasonKeyNotShown))}, ""},
		{"set pinned", resource(setID, `"activeKey":{"keyUrl":"`+string(key)+"/"+v2+`"},"previousKeys":[{"keyUrl":"`+string(key)+"/"+v1+`"}]`), rotator.Observation{Uses: one(rotator.Use{Key: key, Binding: rotator.BindingPinned, Version: v2, Held: []rotator.Held{{Key: key, Version: v1}}})}, ""},
		{"set follows", resource(setID, `"activeKey":{"keyUrl":"`+string(key)+"/"+v2+`"},"rotationToLatestKeyVersionEnabled":true,"lastKeyRotationTimestamp":"2024-06-20T04:47:52.9788262+00:00","previousKeys":[],"provisioningState":"Updating"`), rotator.Observation{Uses: one(rotator.Use{Key: key, Binding: rotator.BindingFollows, Version: v2, RotatedAt: stamp}), Updating: true}, ""},
		{"set with an error", resource(setID, `"activeKey":{"keyUrl":"`+string(key)+"/"+v2+`"},"rotationToLatestKeyVersionEnabled":true,"autoKeyRotationError":{"code":"ManagedServiceIdentityNotFound","message":"m"}`), rotator.Observation{Uses: one(rotator.Use{Key: key, Binding: rotator.BindingFollows, Version: v2})}, "ManagedServiceIdentityNotFound"},
		{"set with a version that is none", resource(setID, `"activeKey":{"keyUrl":"`+string(key)+`/keyVersion1"}`), rotator.Observation{Uses: one(rotator.Use{Key: key, Binding: rotator.BindingPinned, Unknown: &rotator.Problem{Code: rotator.ReasonUnreadableKey}})}, rotator.ReasonUnreadableKey},
		{"group", resource(groupID, `"encryptionProperties":{"vaultBaseUrl":"https://contoso.vault.azure.net","keyName":"payments","keyVersion":"`+v1+`"}`), rotator.Observation{Uses: one(rotator.Use{Key: key, Binding: rotator.BindingFixed, Version: v1})}, ""},
		{"group without key", resource(groupID, ""), rotator.Observation{Uses: one(unknown(rotator.ReasonKeyNotShown))}, ""},
		{"group without version", resource(groupID, `"encryptionProperties":{"vaultBaseUrl":"https://contoso.vault.azure.net","keyName":"payments"}`), rotator.Observation{Uses: one(rotator.Use{Key: key, Binding: rotator.BindingFollows})}, ""},
		{"group with a path for a name", resource(groupID, `"encryptionProperties":{"vaultBaseUrl":"https://contoso.vault.azure.net","keyName":"payments/`+v2+`"}`), rotator.Observation{Uses: one(unknown(rotator.ReasonUnreadableKey))}, rotator.ReasonUnreadableKey},
		{"group failed", resource(groupID, `"provisioningState":"Failed"`), rotator.Observation{Uses: one(unknown(rotator.ReasonKeyNotShown))}, rotator.ReasonProvisioningFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, _ := observe(parse(t, tt.doc))
			var problem rotator.Reason
			if got.Problem != nil {
				problem = got.Problem.Code
			}
			if problem != tt.problem {
				t.Errorf("problem %q, want %q", problem, tt.problem)
			}
			got.Facts, got.Problem, got.BlindSpots, got.Region = nil, nil, nil, ""
			for i := range got.Uses {
				got.Uses[i].Path = ""
				if p := got.Uses[i].Unknown; p != nil {
					got.Uses[i].Unknown = &rotator.Problem{Code: p.Code}
				}
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// However Azure writes a location, one region has one name.
func TestObserve_region(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{
		`"westeurope"`: "westeurope", `"West Europe"`: "westeurope", `"SOUTHCENTRALUS"`: "southcentralus", `"West US 3"`: "westus3",
		`"CentralUSEUAP"`: "centraluseuap", `""`: "", `null`: "", `7`: "", `"../x"`: "", `"` + strings.Repeat("x", 65) + `"`: "",
	} {
		for _, id := range []string{accountID, cosmosID, setID, groupID, clusterID} {
			if o, kind := observe(parse(t, `{"id":"`+id+`","location":`+location+`,"properties":{}}`)); o.Region != want {
				t.Errorf("%s in %s: got %q; want %q", kind, location, o.Region, want)
			}
		}
	}
}

// A set's own complaint can be told from every other problem, also where a
// cluster shows it, and keeps Azure's code.
func TestObserve_failed_auto_rotation(t *testing.T) {
	t.Parallel()
	const failed = `"autoKeyRotationError":{"code":"ManagedServiceIdentityNotFound","message":"m"}`
	set := func(properties string) string {
		return resource(setID, `"activeKey":{"keyUrl":"`+string(key)+"/"+v1+`"},"rotationToLatestKeyVersionEnabled":true,`+properties)
	}
	cluster := strings.Replace(resource(clusterID, `"diskEncryptionSetID":"`+setID+`"`), "West US", "eastus", 1)
	for _, tt := range []struct {
		name, doc string
		code      rotator.Reason
		class     string
	}{
		{"failed", set(failed), "ManagedServiceIdentityNotFound", "auto-rotation"},
		{"failed, as was the update that should mend it", set(failed + `,"provisioningState":"Failed"`), "ManagedServiceIdentityNotFound", "auto-rotation"},
		{"another problem", set(`"provisioningState":"Failed"`), rotator.ReasonProvisioningFailed, ""},
		{"none", set(`"autoKeyRotationError":null`), "", ""},
	} {
		k := newKit(t, func(r wiretest.Request) wiretest.Answer {
			if strings.Contains(r.URL, "/managedClusters/") {
				return wiretest.Answer{Body: cluster}
			}
			return wiretest.Answer{Body: tt.doc}
		})
		for kind, id := range map[string]string{"disk-encryption-set": setID, "managed-cluster": clusterID} {
			o, err := k.kinds[kind].Observe(t.Context(), &rotator.Dependent{ID: id}, rotator.Ask{Key: key})
			if err != nil || o.Region != "westus" {
				t.Errorf("%s, %s: region %q, %v", tt.name, kind, o.Region, err)
			}
			var got rotator.Problem
			if o.Problem != nil {
				got = *o.Problem
			}
			if got.Code != tt.code || string(got.Class) != tt.class || (got.Hint == "") != (tt.code == "") {
				t.Errorf("%s, %s: got %+v", tt.name, kind, got)
			}
		}
	}
}

func TestManagedCluster_without_a_set(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(wiretest.Request) wiretest.Answer {
		return wiretest.Answer{Body: resource(clusterID, "")}
	})
	o, err := k.kinds["managed-cluster"].Observe(t.Context(), &rotator.Dependent{ID: clusterID}, rotator.Ask{Key: key})
	if err != nil || o.Unknown(nil) == nil || o.Region != "westus" {
		t.Errorf("got %+v, %v", o, err)
	}
}

func TestKeyStatus(t *testing.T) {
	t.Parallel()
	const revoked = "Access to your account is currently revoked"
	for text, want := range map[string]string{
		"Access to the configured customer managed key confirmed.":                                                     "allowed ",
		revoked + " because the Azure Cosmos DB service is unable to obtain the token; see https://aka.ms/x#y (4000).": "denied 4000",
		revoked + " because the key is not found on the vault (4003)":                                                  "denied 4003",
		revoked + "; for more details about this error visit https://aka.ms/x.":                                        "denied ",
		"access to YOUR account is currently revoked (4017). ":                                                         "denied 4017",
		"Something else (4018).": " 4018",
		"Something else (4005).": "denied 4005",
		"Access to the configured customer managed key confirmed. (4005)": " 4005",
		"": " ",
	} {
		access, code := keyStatus(text)
		if got := string(access) + " " + code; got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestCheckSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind     string
		settings map[string]string
		want     string
	}{
		{"storage", nil, ""},
		{"storage", map[string]string{"probe_container": "cmkd-probe"}, ""},
		{"storage", map[string]string{"probe_container": "../x"}, "probe_container is not"},
		{"storage", map[string]string{"probe_container": "x", "container": "y"}, `storage has no setting "container"; probe_container is not`},
		{"cosmosdb", map[string]string{"a": "b"}, "no setting"},
		{"moon", nil, `no kind "moon"`},
	} {
		err := CheckSettings(tt.kind, tt.settings)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s %v: %v", tt.kind, tt.settings, err)
		case tt.want != "":
			if e := mustError(t, err); e.Code != rotator.CodeInvalid || !strings.Contains(e.Message, tt.want) || e.Hint == "" {
				t.Errorf("%s %v: got %+v", tt.kind, tt.settings, e)
			}
		}
	}
}

func TestObserve_dates_by_Azures_clock(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(wiretest.Request) wiretest.Answer {
		return wiretest.Answer{Header: map[string]string{"Date": "Thu, 20 Jun 2024 04:47:53 GMT"}, Body: fmt.Sprintf(storageDoc, "")}
	})
	o, err := k.kinds["storage"].Observe(t.Context(), &rotator.Dependent{ID: accountID}, rotator.Ask{Key: key, Access: true})
	if err != nil || !o.At.Equal(time.Date(2024, 6, 20, 4, 47, 53, 0, time.UTC)) || o.Access != rotator.AccessUnknown || o.Facts["encryption.keySource"] != "Microsoft.Keyvault" {
		t.Errorf("got %+v, %v", o, err)
	}
	_, err = k.kinds["storage"].Observe(t.Context(), &rotator.Dependent{ID: cosmosID}, rotator.Ask{})
	if e := mustError(t, err); e.Code != rotator.CodeInvalid || !strings.Contains(e.Hint, "kind") {
		t.Errorf("a resource of another type: got %+v", e)
	}
}

func TestManagedCluster_resolves_to_its_set(t *testing.T) {
	t.Parallel()
	set := resource(setID, `"activeKey":{"keyUrl":"`+string(key)+"/"+v1+`"},"rotationToLatestKeyVersionEnabled":true`)
	cluster := resource(clusterID, `"diskEncryptionSetID":"`+strings.ToUpper(setID)+`"`)
	k := newKit(t, func(r wiretest.Request) wiretest.Answer {
		switch lower := strings.ToLower(r.URL); {
		case r.Method == http.MethodPatch:
			return wiretest.Answer{Body: set}
		case strings.Contains(lower, "/managedclusters?"):
			return wiretest.Answer{Body: `{"value":[` + cluster + `,` + strings.ReplaceAll(resource(clusterID, ""), "aks", "other") + `]}`}
		case strings.Contains(lower, "/managedclusters/"):
			return wiretest.Answer{Body: cluster}
		}
		return wiretest.Answer{Body: set}
	})
	s, d := k.kinds["managed-cluster"], &rotator.Dependent{ID: clusterID}
	o, err := s.Observe(t.Context(), d, rotator.Ask{Key: key})
	if err != nil || len(o.Uses) != 2 || !o.On(key, v1) || !strings.EqualFold(o.Uses[0].Via, setID) || o.Binding(key) != rotator.BindingFollows {
		t.Fatalf("got %+v, %v", o, err)
	}
	if err := s.Apply(t.Context(), d, rotator.ActionNudge, key, rotator.Version{ID: v2}); err != nil {
		t.Fatal(err)
	}
	last := k.Requests()[len(k.Requests())-1]
	if last.Method != http.MethodPatch || !strings.Contains(strings.ToLower(last.URL), "/diskencryptionsets/des?") {
		t.Errorf("the update went to %s %s", last.Method, last.URL)
	}
	found, err := s.(rotator.Finder).Find(t.Context(), subscription, key)
	if err != nil || len(found) != 1 || found[0].Name != "aks" || found[0].Kind != "managed-cluster" || !found[0].Discovered {
		t.Errorf("found %+v, %v", found, err)
	}
}

func TestFind_filters_by_key(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(r wiretest.Request) wiretest.Answer {
		if !strings.Contains(r.URL, "/storageAccounts?") {
			return wiretest.Answer{Body: `{}`}
		}
		return wiretest.Answer{Body: `{"value":[` + fmt.Sprintf(storageDoc, "") + `,` + strings.ReplaceAll(fmt.Sprintf(storageDoc, ""), "payments", "other") + `]}`}
	})
	found, err := k.kinds["storage"].(rotator.Finder).Find(t.Context(), subscription, rotator.KeyID(strings.Replace(string(key), "payments", "PAYMENTS", 1)))
	if err != nil || len(found) != 1 || found[0].ID != accountID {
		t.Errorf("found %+v, %v", found, err)
	}
	if _, err := k.kinds["storage"].(rotator.Finder).Find(t.Context(), "prod/../x", key); rotator.CodeOf(err) != rotator.CodeInvalid {
		t.Errorf("a bad subscription: %v", err)
	}
}
