package kind

import (
	"strings"
	"testing"

	"cmkd/rotator"
)

// managedPool is a pool whose nodes have no ephemeral disks.
const managedPool = `"agentPoolProfiles":[{"name":"one","osDiskType":"Managed"}]`

// withPool adds it to the properties of a cluster that name no pools.
func withPool(properties string) string {
	if strings.Contains(properties, "agentPoolProfiles") {
		return properties
	}
	return properties + "," + managedPool
}

// TestObserve_OddIsUnknown looks at resources that are on the version wanted but for
// something that is not as it is to be: of another type, without a part, not shown.
func TestObserve_OddIsUnknown(t *testing.T) {
	t.Parallel()
	const (
		on      = `"activeKey":{"keyUrl":"` + string(key) + "/" + v2 + `"},"rotationToLatestKeyVersionEnabled":true,"provisioningState":"Succeeded"`
		old     = string(key) + "/" + v1
		setAt   = "/diskEncryptionSets/des?"
		cluster = "/managedClusters/aks?"
		points  = "/restorePointCollections/c?"
		coll    = group + "Microsoft.Compute/restorePointCollections/c"
	)
	set := func(more string) [2]string { return [2]string{setAt, resource(setID, on+more)} }
	aks := func(properties string) [2]string {
		return [2]string{cluster, resource(clusterID, properties+`,"nodeResourceGroup":"nodes","provisioningState":"Succeeded"`)}
	}
	const ofSet, noKMS = `"diskEncryptionSetID":"` + setID + `",`, `"securityProfile":{}`
	disk := func(encryption string) [2]string {
		return [2]string{"/resourceGroups/nodes/providers/Microsoft.Compute/disks?", `{"value":[{"id":"/d","properties":{"encryption":{` + encryption + `}}}]}`}
	}
	point := func(encryption string) [2]string {
		return [2]string{points, `{"id":"` + coll + `","properties":{"restorePoints":[{"name":"p","properties":{"sourceMetadata":{"storageProfile":{"osDisk":{"diskRestorePoint":{"encryption":{` + encryption + `}}}}}}}]}}`}
	}
	collections := [2]string{"/restorePointCollections?", `{"value":[{"id":"` + coll + `"}]}`}
	for _, tt := range []struct {
		name, kind, id string
		answers        [][2]string
	}{
		{"previousKeys: a keyUrl that cannot be read", "disk-encryption-set", setID, [][2]string{set(`,"previousKeys":[{"keyUrl":"` + string(key) + `/garbage"}]`)}},
		{"previousKeys: a keyUrl without a version", "disk-encryption-set", setID, [][2]string{set(`,"previousKeys":[{"keyUrl":"` + string(key) + `"}]`)}},
		{"previousKeys: an element without keyUrl", "disk-encryption-set", setID, [][2]string{set(`,"previousKeys":[{"sourceVault":{"id":"/v"}}]`)}},
		{"previousKeys: texts", "disk-encryption-set", setID, [][2]string{set(`,"previousKeys":["` + old + `"]`)}},
		{"previousKeys: an object", "disk-encryption-set", setID, [][2]string{set(`,"previousKeys":{"keyUrl":"` + old + `"}`)}},
		{"rotationToLatestKeyVersionEnabled is a text", "disk-encryption-set", setID, [][2]string{{setAt, resource(setID, strings.Replace(on, "true", `"true"`, 1))}}},
		{"points that are not shown", "disk-encryption-set", setID, [][2]string{set(""), collections, {points, `{"id":"` + coll + `","properties":{}}`}}},
		{"a copy under a customer's key without its set", "disk-encryption-set", setID, [][2]string{set(""), collections, point(`"type":"EncryptionAtRestWithCustomerKey"`)}},
		{"a copy whose set is a text", "disk-encryption-set", setID, [][2]string{set(""), collections, point(`"diskEncryptionSet":"` + setID + `"`)}},
		{"a set that is named with a slash at its end", "disk-encryption-set", setID + "/", [][2]string{set(""), collections, point(`"diskEncryptionSet":{"id":"` + setID + `"}`)}},
		{"the set of a cluster is an object", "managed-cluster", clusterID, [][2]string{aks(`"diskEncryptionSetID":{"id":"` + setID + `"},` + managedPool + `,"securityProfile":{"azureKeyVaultKms":{"enabled":true,"keyId":"` + string(key) + "/" + v2 + `"}}`)}},
		{"an etcd without enabled", "managed-cluster", clusterID, [][2]string{aks(ofSet + managedPool + `,"securityProfile":{"azureKeyVaultKms":{"keyId":"` + old + `"}}`)}},
		{"an etcd that is a text", "managed-cluster", clusterID, [][2]string{aks(ofSet + managedPool + `,"securityProfile":{"azureKeyVaultKms":"x"}`)}},
		{"a pool without osDiskType", "managed-cluster", clusterID, [][2]string{aks(ofSet + noKMS + `,"agentPoolProfiles":[{"name":"one"}]`)}},
		{"no pools", "managed-cluster", clusterID, [][2]string{aks(ofSet + noKMS)}},
		{"pools that are null", "managed-cluster", clusterID, [][2]string{aks(ofSet + noKMS + `,"agentPoolProfiles":null`)}},
		{"a volume under a customer's key without its set", "managed-cluster", clusterID, [][2]string{disk(`"type":"EncryptionAtRestWithCustomerKey"`), aks(ofSet + noKMS + "," + managedPool)}},
		{"a volume whose set is an object", "managed-cluster", clusterID, [][2]string{disk(`"type":"EncryptionAtRestWithCustomerKey","diskEncryptionSetId":{"id":"x"}`), aks(ofSet + noKMS + "," + managedPool)}},
		{"a group whose keyVersion is a number", "container-group", groupID, [][2]string{{"/containerGroups/", resource(groupID, `"containers":[{}],"provisioningState":"Succeeded","encryptionProperties":{"vaultBaseUrl":"https://contoso.vault.azure.net/","keyName":"payments","keyVersion":7}`)}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := serving(t, append(tt.answers, set(""), [2]string{"/restorePointCollections?", `{"value":[]}`}, [2]string{"/Microsoft.Compute/disks?", `{"value":[]}`})...)
			o, err := k.kinds[tt.kind].Observe(t.Context(), &rotator.Dependent{ID: tt.id}, rotator.Ask{Key: key, Target: v2})
			switch {
			case err != nil && !strings.Contains(err.Error(), "does not show its set"):
				t.Error(err)
			case err == nil && o.Unknown(nil) == nil && len(o.BlindSpots) == 0:
				t.Errorf("sees %s", sketch(&o))
			}
		})
	}
}

// TestFind_OddIsFound finds what may use the key, as neither the list nor the resource
// itself can be read.
func TestFind_OddIsFound(t *testing.T) {
	t.Parallel()
	for name, properties := range map[string]string{
		"an etcd without enabled":           `"securityProfile":{"azureKeyVaultKms":{"keyId":"` + string(key) + "/" + v1 + `"}}`,
		"an etcd that is a text":            `"securityProfile":{"azureKeyVaultKms":"` + string(key) + `"}`,
		"the set of a cluster is an object": `"securityProfile":{},"diskEncryptionSetID":{"id":"` + setID + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one := resource(clusterID, properties+`,"nodeResourceGroup":"nodes","provisioningState":"Succeeded",`+managedPool)
			k := serving(t, [2]string{"/managedClusters?", `{"value":[` + one + `]}`}, [2]string{"/managedClusters/aks?", one}, [2]string{"/Microsoft.Compute/disks?", `{"value":[]}`})
			all, err := k.kinds["managed-cluster"].(rotator.Finder).Find(t.Context(), subscription, key)
			if err != nil || len(all) != 1 || all[0].Unknown == nil {
				t.Errorf("found %v, %v", all, err)
			}
		})
	}
}
