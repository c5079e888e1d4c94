package kind

import (
	"net/http"
	"time"

	"cmkd/rotator"
)

// recreateWindow bounds how long a re-created group may take to show the new
// version. It is ours: a group never switches by itself.
const recreateWindow = time.Hour

// groupEncryption is where a group names its key.
const groupEncryption Path = "properties.encryptionProperties"

// groupKeyVersion is the name of the version's property in it.
const groupKeyVersion = "keyVersion"

// containerGroup is the group of container instances.
//
// Paths: facts.md section 4, Container instances, and the model
// EncryptionProperties of examples/containerinstance-2021-09-01. What a
// re-creation sends, and what it would lose: recreate.go.
func containerGroup() *Declaration {
	const (
		vault             = groupEncryption + ".vaultBaseUrl"
		name              = groupEncryption + ".keyName"
		version           = groupEncryption + "." + groupKeyVersion
		provisioning Path = "properties.provisioningState"
		instance     Path = "properties.instanceView.state"
		containers   Path = "properties.containers"
	)
	return &Declaration{
		Name: "container-group", Type: "Microsoft.ContainerInstance/containerGroups", APIVersion: "2022-09-01", Noun: "the group",
		Traits: rotator.Traits{
			Window: recreateWindow, Revocation: time.Hour,
			Best: rotator.EvidenceConfirmed, Late: "when the group is started again", WriteRole: "Azure Container Instances Contributor Role",
			Revoked: "the group cannot start again",
			Takes:   []rotator.KeyDemand{{Ops: wrapOps}},
		},
		Bindings: []rotator.Binding{rotator.BindingFixed, rotator.BindingFollows},
		Uses: []UseAt{{
			Path: groupEncryption, Witness: containers, Vault: vault, Name: name, Version: version,
			Fixed: true,
			Updates: []Update{{
				Action: rotator.ActionRecreate, Binding: rotator.BindingFixed, Method: http.MethodPut,
				Consent: true, Lost: lostSecrets, Body: deployment,
			}},
		}},
		Identity: readsBy(groupEncryption+".identity", func(text string) string { return text }),
		State:    provisioning,
		Facts:    []Path{vault, name, version, provisioning, instance},
		Properties: []Property{
			{groupEncryption, "never there if the key is Microsoft's"},
			{containers, "always there: by it a document is known to be whole"},
			{vault, "the key's vault"},
			{name, "the key's name"},
			{version, "the version in use; empty or missing: follows, and the version is not told"},
			{groupEncryption + ".identity", "the identity that reads the key; missing: the service's"},
			{identityTypes, "missing: it is not told whether the group still has it"},
			{identityUsers, "whether the group still has it"},
			{provisioning, "whether an update is under way"},
			{instance, "shown"},
			{location, regionUse},
		},
		Evidence: "version: confirmed (encryptionProperties.keyVersion, fixed at deployment), without one inferred by time; denial: inferred by time",
		Limits: []string{
			"never switches by itself; a re-creation restarts the containers and may change the group's address",
			"a group with secrets is not re-created: Azure does not return them, and they would be lost",
			"the document has no etag: a re-creation is preceded by a read, not conditional",
		},
		Sources: []string{
			"facts.md §1, §4 Container instances", "recordings/containerinstance.*.jsonl (shape and operation)", "examples/containerinstance-2021-09-01",
			"the role's name is common knowledge",
		},
	}
}
