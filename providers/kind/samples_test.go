package kind

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"cmkd/rotator"
)

// sample is what tests need to know of a kind that has no tests of its own.
type sample struct {
	// doc is a document in which every path is filled, with KEY for the identifier of
	// the key, or VAULT, NAME and VERSION for its parts, and another identity than the one that reads it.
	doc string
	// examples and recorded are where requests are that change one: a folder of official
	// examples and a pattern of recordings.
	examples, recorded string
	// modelled is what no example and no recording shows of a request, and what the
	// service's own models have (azure/facts-services.md names the packages).
	modelled []string
}

// namespaceDoc is a namespace of Event Hubs or Service Bus.
const namespaceDoc = `"location":"North Europe","sku":{"name":"Premium","tier":"Premium","capacity":1},"tags":{},"identity":{"type":"None"},
			"properties":{"provisioningState":"Updating","isAutoInflateEnabled":false,"kafkaEnabled":true,"metricId":"326100e2:one","createdAt":"2023-05-12T06:49:21.52Z",
			"updatedAt":"2023-05-12T06:49:21.52Z","serviceBusEndpoint":"https://one.servicebus.windows.net:443/","status":"Active",
			"encryption":{"keySource":"Microsoft.KeyVault","keyVaultProperties":[{"keyVaultUri":"VAULT","keyName":"NAME","keyVersion":"VERSION"}]}}`

// samples are the kinds by their names.
var samples = map[string]sample{
	"container-registry": {
		doc: `"location":"westus","identity":{"type":"UserAssigned","userAssignedIdentities":{"/y":{"clientId":"11111111-1111-1111-1111-111111111111"}}},
			"properties":{"provisioningState":"Updating","encryption":{"status":"enabled","keyVaultProperties":{"keyIdentifier":"KEY","identity":"22222222-2222-2222-2222-222222222222",
			"versionedKeyIdentifier":"` + string(key) + "/" + v1 + `","keyRotationEnabled":false,"lastKeyRotationTimestamp":"2020-12-22T21:40:56.9455187+00:00"}}}`,
		examples: "containerregistry-*", recorded: "containerregistry.encryption-with-cmk.*.jsonl",
	},
	"postgresql-flexible": {
		doc: `"location":"East US",` + otherIdentity + `,"properties":{"state":"Ready","replicationRole":"Primary","dataEncryption":{"type":"AzureKeyVault","primaryKeyURI":"KEY",
			"primaryUserAssignedIdentityId":"/x","geoBackupKeyURI":"KEY","geoBackupUserAssignedIdentityId":"/z","primaryFederatedIdentityClientId":"f","primaryEncryptionKeyStatus":"Valid"}}`,
		recorded: "postgresql.flexible-server-cmk.*.jsonl",
		modelled: []string{dataEncryption + ".primaryFederatedIdentityClientId string"},
	},
	"mysql-flexible": {
		doc: `"location":"East US",` + otherIdentity + `,"properties":{"state":"Ready","replicationRole":"None","dataEncryption":{"type":"AzureKeyVault","primaryKeyURI":"KEY",
			"primaryUserAssignedIdentityId":"/x","geoBackupKeyURI":"KEY","geoBackupUserAssignedIdentityId":"/z"}}`,
		recorded: "mysql.flexible-server-cmk.*.jsonl",
		modelled: []string{string(geoKey) + " string", string(geoIdentity) + " string"},
	},
	"loganalytics-cluster": {
		doc: `"location":"westus","identity":{"type":"None"},"properties":{"provisioningState":"Updating","clusterId":"c222e481-b0b5-437b-b000-456344fcb7e1",
			"keyVaultProperties":{"keyVaultUri":"VAULT","keyName":"NAME","keyVersion":"VERSION"}}`,
		recorded: "loganalytics.cluster-*.jsonl",
	},
	"kusto-cluster": {
		doc: `"location":"West US 2",` + otherIdentity + `,"properties":{"provisioningState":"Updating","uri":"https://one.westus2.kusto.windows.net",
			"keyVaultProperties":{"keyVaultUri":"VAULT","keyName":"NAME","keyVersion":"VERSION","userIdentity":"/x","federatedIdentityClientId":"f"}}`,
		recorded: "kusto.cluster.*.jsonl",
		modelled: []string{
			"properties.keyVaultProperties.keyVaultUri string", "properties.keyVaultProperties.keyName string", "properties.keyVaultProperties.keyVersion string",
			"properties.keyVaultProperties.userIdentity string", "properties.keyVaultProperties.federatedIdentityClientId string",
		},
	},
	"netapp-account": {
		doc: `"location":"eastus2",` + otherIdentity + `,"properties":{"provisioningState":"Updating","encryption":{"keySource":"Microsoft.KeyVault",
			"keyVaultProperties":{"keyVaultUri":"VAULT","keyName":"NAME","status":"InUse"},"identity":{"userAssignedIdentity":"/x"}}}`,
	},
	"ml-workspace": {
		doc: `"location":"eastus2",` + otherIdentity + `,"properties":{"provisioningState":"Updating","discoveryUrl":"https://eastus2.api.azureml.ms/discovery",
			"encryption":{"status":"Enabled","identity":{"userAssignedIdentity":"/x"},"keyVaultProperties":{"keyIdentifier":"KEY"}}}`,
		examples: "machinelearning-*",
	},
	"elastic-san": {
		doc: otherIdentity + `,"location":"westus","properties":{"provisioningState":"Updating","encryption":"EncryptionAtRestWithCustomerManagedKey","encryptionProperties":{
			"identity":{"userAssignedIdentity":"/x"},"keyVaultProperties":{"keyVaultUri":"VAULT","keyName":"NAME","keyVersion":"VERSION",
			"currentVersionedKeyIdentifier":"` + string(key) + "/" + v1 + `","lastKeyRotationTimestamp":"2024-10-17T08:31:00.2381086Z"}}}`,
		recorded: "elasticsan.cmk-*.jsonl",
		modelled: []string{
			"properties.encryption string", "properties.encryptionProperties.identity.userAssignedIdentity string",
			"properties.encryptionProperties.keyVaultProperties.keyVaultUri string", "properties.encryptionProperties.keyVaultProperties.keyName string",
			"properties.encryptionProperties.keyVaultProperties.keyVersion string",
		},
	},
	"eventhubs-namespace":  {doc: namespaceDoc, recorded: "eventhubs.namespace-*.jsonl"},
	"servicebus-namespace": {doc: namespaceDoc, recorded: "eventhubs.namespace-*.jsonl"}, // the block is the same
	"backup-vault": {
		doc: `"location":"westus",` + otherIdentity + `,"properties":{"provisioningState":"Updating","storageSettings":[{"datastoreType":"VaultStore","type":"GeoRedundant"}],
			"isVaultProtectedByResourceGuard":false,"secureScore":"None","bcdrSecurityLevel":"Poor","securitySettings":{"encryptionSettings":{"state":"Enabled","keyVaultProperties":{"keyUri":"KEY"},
			"kekIdentity":{"identityType":"UserAssigned","identityId":"/x"},"infrastructureEncryption":"Disabled"}}}`,
		recorded: "dataprotection.backup-vault-cmk.*.jsonl",
	},
	"cognitive-account": {
		doc: `"location":"eastus","sku":{"name":"S0"},"identity":{"type":"UserAssigned","userAssignedIdentities":{"/y":{"clientId":"11111111-1111-1111-1111-111111111111"}}},
			"properties":{"provisioningState":"Updating","endpoint":"https://eastus.api.cognitive.microsoft.com/","encryption":{"keySource":"Microsoft.KeyVault","keyVaultProperties":{
			"keyVaultUri":"VAULT","keyName":"NAME","keyVersion":"VERSION","identityClientId":"22222222-2222-2222-2222-222222222222"}}}`,
		recorded: "cognitiveservices.encryption.*.jsonl",
		modelled: []string{
			"properties.encryption.keyVaultProperties.keyVaultUri string", "properties.encryption.keyVaultProperties.keyName string",
			"properties.encryption.keyVaultProperties.keyVersion string", "properties.encryption.keyVaultProperties.identityClientId string",
		},
	},
	"app-configuration": {
		doc: `"location":"eastus","identity":{"type":"UserAssigned","userAssignedIdentities":{"/y":{"clientId":"11111111-1111-1111-1111-111111111111"}}},
			"properties":{"provisioningState":"Updating","encryption":{"keyVaultProperties":{"keyIdentifier":"KEY","identityClientId":"22222222-2222-2222-2222-222222222222"}}}`,
		recorded: "appconfiguration.*.jsonl",
		// Of the recording appconfiguration.cmk, which facts-evidence.md section 5 reports.
		modelled: []string{"properties.encryption.keyVaultProperties.keyIdentifier string", "properties.encryption.keyVaultProperties.identityClientId string"},
	},
}

// sampleID is the id of the sample of a kind.
func sampleID(d *Declaration) string {
	if in, below := d.parentType(); below != "" {
		return group + in + "/its/" + below + "/one"
	}
	return group + d.Type + "/one"
}

// text is a sample's document, under an identifier.
func (s sample) text(d *Declaration, identifier string) string {
	vault, rest, _ := strings.Cut(identifier, "/keys/")
	name, version, _ := strings.Cut(rest, "/")
	doc := strings.NewReplacer("KEY", identifier, "VAULT", vault+"/", "NAME", name, "VERSION", version).Replace(s.doc)
	return `{"id":"` + sampleID(d) + `","name":"one","type":"` + d.Type + `",` + doc + `}`
}

// sampled calls f for each kind that has a sample.
func sampled(t *testing.T, f func(d *Declaration, s sample)) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(samples)) {
		f(named(name), samples[name])
	}
}

// bound is a sample's document that names its key in a way that an update is for.
func (s sample) bound(d *Declaration, how *Update) string {
	if how.Binding == rotator.BindingFollows {
		return s.text(d, string(key))
	}
	return s.text(d, string(key)+"/"+v1)
}

// resting is a document of a resource of which nothing is under way.
func resting(doc string) string { return strings.ReplaceAll(doc, `"Updating"`, `"Succeeded"`) }
