package kind

// ByHand is a service under a customer's key that cmkd does not read: its resources are of kind
// manual, and a person looks at them and attests.
type ByHand struct {
	Service string `json:"service"`
	Type    string `json:"type"`
	// Look is the property that names the key.
	Look string `json:"look"`
	// How says how it comes to a new version, Beware what is to be known before the old one goes.
	How    string `json:"how"`
	Beware string `json:"beware,omitempty"`
}

// AllByHand returns what people are to look at, where cmkd does not: facts-evidence.md sections
// 4 and 5, facts-services.md A4 to A6 and A8.
func AllByHand() []ByHand {
	return []ByHand{
		{
			"AI Search objects", "indexes, synonym maps, indexers, data sources and skillsets of a Microsoft.Search/searchServices, on its data plane",
			"encryptionKey.keyVaultKeyVersion ($select=name,encryptionKey)", "none named: by itself, seen within hours; one named: update the object",
			"update each object before the old version goes; the key is cached for an hour; with accessCredentials an app's secret expires, too",
		},
		{
			"Automation account", "Microsoft.Automation/automationAccounts", "properties.encryption.keyVaultProperties.keyVersion", "update the account with the new version",
			"needs the permission to recover, too; its secure assets are blocked at once",
		},
		{
			"Batch account", "Microsoft.Batch/batchAccounts", "properties.encryption.keyVaultProperties.keyIdentifier; of a pool: diskEncryptionConfiguration.customerManagedKey",
			"update the account with the new identifier; a pool follows if rotationToLatestKeyVersionEnabled is true", "without its key nothing but deletion is possible; back within ten minutes",
		},
		{
			"HDInsight cluster", "Microsoft.HDInsight/clusters", "properties.diskEncryptionProperties.keyVersion", "POST …/rotatediskencryptionkey with the new version",
			"both versions are needed meanwhile",
		},
		{
			"Redis Enterprise", "Microsoft.Cache/redisEnterprise", "properties.encryption.customerManagedKeyEncryption.keyEncryptionKeyUrl", "update the cluster with the new identifier",
			"reads its key by a user-assigned identity only",
		},
		{
			"Cosmos DB for MongoDB vCore", "Microsoft.DocumentDB/mongoClusters", "properties.encryption.customerManagedKeyEncryption.keyEncryptionKeyUrl",
			"by its identifier; whether one without a version follows is not documented", "",
		},
		{
			"Health Data Services", "Microsoft.HealthcareApis/workspaces/fhirservices and /dicomservices", "properties.encryption.customerManagedKeyEncryption.keyEncryptionKeyUrl",
			"update the service with the new identifier", "its API answers 500 while the key is away",
		},
		{
			"IoT Hub", "Microsoft.Devices/IotHubs", "properties.encryption.keyVaultProperties[].keyIdentifier", "by its identifier", "a preview that was retired",
		},
		{
			"Data Box job", "Microsoft.DataBox/jobs", "properties.details.keyEncryptionKey.kekUrl", "not: a job keeps its key", "the key is needed until the job is done",
		},
		{
			"Recovery Services vault", "Microsoft.RecoveryServices/vaults", "GET …/backupEncryptionConfigs/backupResourceEncryptionConfig: keyUri",
			"none named: by itself, within an hour; one named: PATCH properties.encryption.keyVaultProperties.keyUri",
			"the old version is needed until a backup job of every protected item has ended after the change",
		},
		{
			"SQL server, database and managed instance", "Microsoft.Sql/servers, /servers/databases and /managedInstances", "encryptionProtector/current: uri; of a database: properties.encryptionProtector",
			"autoRotationEnabled: by itself, within an hour; else PUT the server's key, then its protector",
			"backups of every kind need the versions of their time; restore, and failover, fail without them",
		},
		{
			"Synapse workspace", "Microsoft.Synapse/workspaces", "properties.encryption.cmk.key.keyVaultUrl, and cmk.status",
			"not by a new version of the same key: switch to a temporary key, wait for cmk.status, switch back", "the old key is needed as long as cmk.status is Updating, also when the operation has ended",
		},
		{
			"Databricks workspace", "Microsoft.Databricks/workspaces", "properties.parameters.encryption.value, properties.encryption.entities.managedServices and .managedDisk",
			"PUT of the whole workspace; managed disks follow if rotationToLatestKeyVersionEnabled is true", "the old version of managed services is needed for another 24 hours",
		},
	}
}
