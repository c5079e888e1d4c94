package kind

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"cmkd/providers/arm/wire/wiretest"
	"cmkd/rotator"
)

// What is decoded of a resource is a list of uses, each with what it holds.
func TestDecode_uses(t *testing.T) {
	t.Parallel()
	const other = rotator.KeyID("https://contoso.vault.azure.net/keys/other")
	set := `{"id":"` + setID + `","properties":{"activeKey":{"keyUrl":"` + string(key) + "/" + v2 + `"},"previousKeys":[{"keyUrl":"` + string(other) + "/" + v1 + `"}]}}`
	for _, tt := range []struct {
		kind, doc string
		want      []Use
		blind     int
	}{
		{"storage", fmt.Sprintf(storageDoc, ""), []Use{{Path: "properties.encryption", Key: key, Binding: rotator.BindingFollows, Version: v1}}, 1},
		{"storage", fmt.Sprintf(storageDoc, v2), []Use{{Path: "properties.encryption", Key: key, Binding: rotator.BindingPinned, Version: v1, Named: v2}}, 1},
		{"cosmosdb", `{"properties":{"keyVaultKeyUri":"` + string(key) + `"}}`, []Use{{Path: "properties.keyVaultKeyUri", Key: key, Binding: rotator.BindingFollows}}, 1},
		{"disk-encryption-set", set, []Use{{Path: "properties.activeKey", Key: key, Binding: rotator.BindingPinned, Version: v2, Named: v2, Held: []Held{{other, v1}}}}, 0},
		{"container-group", groupDoc, []Use{{Path: "properties.encryptionProperties", Key: key, Binding: rotator.BindingFixed, Version: v1, Named: v1}}, 0},
		{"container-group", `{"properties":{}}`, nil, 0},
		{"managed-cluster", `{"properties":{"diskEncryptionSetID":"` + setID + `"}}`, nil, 1}, // the use is the set's
	} {
		s := named(tt.kind).decode(parse(t, tt.doc))
		for i := range s.Uses {
			s.Uses[i].at, s.Uses[i].RotatedAt = nil, tt.want[min(i, len(tt.want)-1)].RotatedAt
		}
		if !reflect.DeepEqual(s.Uses, tt.want) || len(s.BlindSpots) != tt.blind {
			t.Errorf("%s: got %+v, %+v; want %+v, %d blind spots", tt.kind, s.Uses, s.BlindSpots, tt.want, tt.blind)
		}
	}
	s := named("disk-encryption-set").decode(parse(t, set))
	if got := s.observation(key).Previous; got != nil {
		t.Errorf("asked for one key, a version of another is held: %v", got)
	}
	if got := s.observation(other).Previous; !reflect.DeepEqual(got, []string{v1}) {
		t.Errorf("asked for the key whose version is held: %v", got)
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
		set := `{"id":"` + setID + `","name":"des","properties":{"activeKey":{"keyUrl":"` + tt.active + `"},"previousKeys":[{"keyUrl":"` + tt.held + `"}]}}`
		cluster := `{"id":"` + clusterID + `","name":"aks","properties":{"diskEncryptionSetID":"` + setID + `"}}`
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
