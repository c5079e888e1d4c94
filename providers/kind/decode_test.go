package kind

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"cmkd/providers/arm/wire/wiretest"
	"cmkd/rotator"
)

// What is decoded of a resource is a list of uses, each with what it holds.
func TestDecode_uses(t *testing.T) {
	t.Parallel()
	const other = rotator.KeyID("https://contoso.vault.azure.net/keys/other")
	set := resource(setID, `"activeKey":{"keyUrl":"`+string(key)+"/"+v2+`"},"previousKeys":[{"keyUrl":"`+string(other)+"/"+v1+`"}]`)
	for _, tt := range []struct {
		kind, doc string
		want      []rotator.Use
		blind     int
	}{
		{"storage", fmt.Sprintf(storageDoc, ""), []rotator.Use{{Path: "properties.encryption", Key: key, Binding: rotator.BindingFollows, Version: v1}}, 0},
		{"storage", fmt.Sprintf(storageDoc, v2), []rotator.Use{{Path: "properties.encryption", Key: key, Binding: rotator.BindingPinned, Version: v1}}, 0},
		{"cosmosdb", resource(cosmosID, `"keyVaultKeyUri":"`+string(key)+`"`), []rotator.Use{{Path: "properties.keyVaultKeyUri", Key: key, Binding: rotator.BindingFollows}}, 1},
		{"disk-encryption-set", set, []rotator.Use{{Path: "properties.activeKey", Key: key, Binding: rotator.BindingPinned, Version: v2, Held: []rotator.Held{{Key: other, Version: v1}}}}, 0},
		{"disk-encryption-set", resource(setID, `"activeKey":{"keyUrl":"`+string(key)+`"}`), []rotator.Use{{Path: "properties.activeKey", Key: key, Unknown: &rotator.Problem{Code: rotator.ReasonVersionNotNamed}}}, 0},
		{"container-group", groupDoc, []rotator.Use{{Path: "properties.encryptionProperties", Key: key, Binding: rotator.BindingFixed, Version: v1}}, 0},
		{"managed-cluster", resource(clusterID, `"diskEncryptionSetID":"`+setID+`",`+managedPool), []rotator.Use{{Path: "properties.securityProfile.azureKeyVaultKms", Unknown: &rotator.Problem{Code: rotator.ReasonKeyNotShown}}}, 0}, // the other use is the set's
	} {
		o := named(tt.kind).decode(parse(t, tt.doc))
		for i := range o.Uses {
			o.Uses[i].RotatedAt = time.Time{}
			if p := o.Uses[i].Unknown; p != nil {
				o.Uses[i].Unknown = &rotator.Problem{Code: p.Code}
			}
		}
		if !reflect.DeepEqual(o.Uses, tt.want) || len(o.BlindSpots) != tt.blind {
			t.Errorf("%s: got %+v, %+v; want %+v, %d blind spots", tt.kind, o.Uses, o.BlindSpots, tt.want, tt.blind)
		}
	}
}

// A use that was given another key holds versions of the one before.
func TestDecode_held_of_another_key(t *testing.T) {
	t.Parallel()
	const other = rotator.KeyID("https://contoso.vault.azure.net/keys/other")
	o := named("disk-encryption-set").decode(parse(t, resource(setID, `"activeKey":{"keyUrl":"`+string(key)+"/"+v2+
		`"},"previousKeys":[{"keyUrl":"`+string(other)+"/"+v1+`"}]`)))
	if o.Holds(key, "") || !o.Holds(other, "") || o.Holds(other, v1) || !o.On(key, v2) || o.Names(other) {
		t.Errorf("got %+v", o)
	}
}

// A set is found by its key, and by an older version of the key that still wraps
// disks; that it holds versions of a third key says nothing.
func TestFind_heeds_held_versions(t *testing.T) {
	t.Parallel()
	const ours, theirs = string(key) + "/", "https://contoso.vault.azure.net/keys/other/"
	for _, tt := range []struct {
		name, active, held string
		found              bool
	}{
		{"uses it", ours + v2, ours + v1, true},
		{"holds it", theirs + v2, ours + v1, true},
		{"holds another", theirs + v2, theirs + v1, false},
	} {
		set := resource(setID, `"activeKey":{"keyUrl":"`+tt.active+`"},"previousKeys":[{"keyUrl":"`+tt.held+`"}]`)
		cluster := resource(clusterID, `"diskEncryptionSetID":"`+setID+`"`)
		k := newKit(t, func(r wiretest.Request) wiretest.Answer {
			switch {
			case strings.Contains(r.URL, "/managedClusters?"):
				return wiretest.Answer{Body: `{"value":[` + cluster + `]}`}
			case strings.Contains(r.URL, "/diskEncryptionSets?"):
				return wiretest.Answer{Body: `{"value":[` + set + `]}`}
			}
			return wiretest.Answer{Body: set}
		})
		for _, kind := range []string{"disk-encryption-set", "managed-cluster"} {
			found, err := k.kinds[kind].(rotator.Finder).Find(t.Context(), subscription, key)
			if err != nil || (len(found) == 1) != tt.found {
				t.Errorf("%s, a %s: found %+v, %v", tt.name, kind, found, err)
			}
		}
	}
}

// An account that is given another key needs the one that it still uses (facts.md section 4,
// currentVersionedKeyIdentifier).
func TestDecode_what_is_still_used(t *testing.T) {
	t.Parallel()
	doc := strings.Replace(fmt.Sprintf(storageDoc, ""), `"keyname":"payments"`, `"keyname":"other"`, 1)
	o := named("storage").decode(parse(t, doc))
	if !uses(&o, key) && o.Unknown(nil) == nil {
		t.Errorf("currentVersionedKeyIdentifier is %s, yet the observation tells of no use of it: %+v", key, o.Uses)
	}
}
