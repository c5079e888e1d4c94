package azuresim

import (
	"slices"
	"strings"
)

// role is a role definition: actions of the control plane and of the data
// plane, as globs, and what is taken out of them again.
type role struct {
	id, name, description string
	custom                bool
	actions, notActions   []string
	data, notData         []string
}

// allows says whether the role has an action.
func (r *role) allows(action string, data bool) bool {
	have, not := r.actions, r.notActions
	if data {
		have, not = r.data, r.notData
	}
	return coversAny(have, action) && !coversAny(not, action)
}

// permissions is the role's set as Azure sends it [recording
// compute.disk-encryption-set].
func (r *role) permissions() doc {
	return doc{
		"actions": texts(r.actions), "notActions": texts(r.notActions),
		"dataActions": texts(r.data), "notDataActions": texts(r.notData),
	}
}

// texts makes a list that is sent as [] when it is empty.
func texts(list []string) []any {
	out := make([]any, 0, len(list))
	for _, v := range list {
		out = append(out, v)
	}
	return out
}

// covers says whether a glob of actions (* is any text) covers one. Case does
// not count.
func covers(glob, action string) bool {
	parts := strings.Split(strings.ToLower(glob), "*")
	rest, ok := strings.CutPrefix(strings.ToLower(action), parts[0])
	if !ok || len(parts) == 1 {
		return ok && rest == ""
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, parts[last])
}

func coversAny(globs []string, action string) bool {
	return slices.ContainsFunc(globs, func(glob string) bool { return covers(glob, action) })
}

// roleIn finds a role by its name or the last part of its id. The word Role at
// the end of a name may be left out.
func roleIn(roles []*role, name string) *role {
	name = strings.TrimSuffix(strings.ToLower(name), " role")
	for _, r := range roles {
		if strings.TrimSuffix(strings.ToLower(r.name), " role") == name || strings.EqualFold(r.id, name) {
			return r
		}
	}
	return nil
}

func roleNames(roles []*role) []string {
	var names []string
	for _, r := range roles {
		names = append(names, strings.ToLower(r.name))
	}
	slices.Sort(names)
	return names
}

// builtInRoles are those that concern customer-managed keys. Ids, descriptions
// and actions are those of the documentation (MicrosoftDocs/azure-docs,
// role-based-access-control/built-in-roles, 2026-02; Reader also recording
// compute.disk-encryption-set). Cut down to the types that are simulated are
// the lists of the four contributors to services and of the two for blobs,
// whose ids and lists are common knowledge; the actions that all Key Vault
// roles share are in vaultRead.
func builtInRoles() []*role {
	const keys = "Microsoft.KeyVault/vaults/keys/"
	vaultRead := []string{
		"Microsoft.Authorization/*/read", "Microsoft.Insights/alertRules/*", "Microsoft.Resources/deployments/*",
		"Microsoft.Resources/subscriptions/resourceGroups/read", "Microsoft.Support/*",
		"Microsoft.KeyVault/checkNameAvailability/read", "Microsoft.KeyVault/deletedVaults/read",
		"Microsoft.KeyVault/locations/*/read", "Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/operations/read",
	}
	const onlyRBAC = " Only works for key vaults that use the 'Azure role-based access control' permission model."
	return append(serviceRoles(), []*role{
		{
			id: "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", name: "Owner", actions: []string{"*"},
			description: "Grants full access to manage all resources, including the ability to assign roles in Azure RBAC.",
		},
		{
			id: "b24988ac-6180-42a0-ab88-20f7382dd24c", name: "Contributor", actions: []string{"*"},
			notActions: []string{
				"Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write",
				"Microsoft.Authorization/elevateAccess/Action", "Microsoft.Blueprint/blueprintAssignments/write",
				"Microsoft.Blueprint/blueprintAssignments/delete",
			},
			description: "Lets you manage everything except access to resources.",
		},
		{
			id: "acdd72a7-3385-48ef-bd42-f606fba81ae7", name: "Reader", actions: []string{"*/read"},
			description: "View all resources, but does not allow you to make any changes.",
		},
		{
			id: "21090545-7ca7-4776-b22c-e363652d74d2", name: "Key Vault Reader",
			actions: append(slices.Clone(vaultRead), "Microsoft.KeyVault/vaults/read"),
			data:    []string{"Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaults/secrets/readMetadata/action"},
			description: "Read metadata of key vaults and its certificates, keys, and secrets. Cannot read sensitive values" +
				" such as secret contents or key material." + onlyRBAC,
		},
		{
			id: "00482a5a-887f-4fb3-b363-3b7fe8e74483", name: "Key Vault Administrator",
			actions: vaultRead, data: []string{"Microsoft.KeyVault/vaults/*"},
			description: "Perform all data plane operations on a key vault and all objects in it, including certificates," +
				" keys, and secrets. Cannot manage key vault resources or manage role assignments." + onlyRBAC,
		},
		{
			id: "14b46e9e-c2b7-41b4-b07b-48a6ebf60603", name: "Key Vault Crypto Officer", actions: vaultRead,
			data:        []string{keys + "*", "Microsoft.KeyVault/vaults/keyrotationpolicies/*"},
			description: "Perform any action on the keys of a key vault, except manage permissions." + onlyRBAC,
		},
		{
			id: "12338af0-0e69-4776-bea7-57ae8d297424", name: "Key Vault Crypto User",
			data: []string{
				keys + "read", keys + "update/action", keys + "backup/action", keys + "encrypt/action", keys + "decrypt/action",
				keys + "wrap/action", keys + "unwrap/action", keys + "sign/action", keys + "verify/action",
			},
			description: "Perform cryptographic operations using keys." + onlyRBAC,
		},
		{
			id: "e147488a-f6f5-4113-8e2d-b22465e65bf6", name: "Key Vault Crypto Service Encryption User",
			actions: []string{
				"Microsoft.EventGrid/eventSubscriptions/write", "Microsoft.EventGrid/eventSubscriptions/read",
				"Microsoft.EventGrid/eventSubscriptions/delete",
			},
			data:        []string{keys + "read", keys + "wrap/action", keys + "unwrap/action"},
			description: "Read metadata of keys and perform wrap/unwrap operations." + onlyRBAC,
		},
	}...)
}

// serviceRoles are the roles of the services behind the keys.
func serviceRoles() []*role {
	const blobs = "Microsoft.Storage/storageAccounts/blobServices/"
	return []*role{
		{id: "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", name: "Storage Blob Data Reader", data: []string{blobs + "*/read"}},
		{id: "ba92f5b4-2d11-453d-a403-e96b0029c9fe", name: "Storage Blob Data Contributor", data: []string{blobs + "*"}},
		{
			id: "17d1049b-9a84-46fb-8f53-869881c3d3ab", name: "Storage Account Contributor",
			actions: []string{"Microsoft.Storage/storageAccounts/*"},
		},
		{
			id: "5bd9cd88-fe45-4216-938b-f97437e15450", name: "DocumentDB Account Contributor",
			actions: []string{"Microsoft.DocumentDB/databaseAccounts/*"},
		},
		{
			id: "9980e02c-c2be-4d73-94e8-173b1dc7cf3c", name: "Virtual Machine Contributor",
			actions: []string{"Microsoft.Compute/*"},
		},
		{
			id: "ed7f3fbd-7b88-4dd4-9017-9adb7ce333f8", name: "Azure Kubernetes Service Contributor Role",
			actions: []string{"Microsoft.ContainerService/managedClusters/*"},
		},
		{
			id: "5d977122-f97e-4b4d-a52f-6b43003ddb4d", name: "Azure Container Instances Contributor Role",
			actions: []string{"Microsoft.ContainerInstance/containerGroups/*"},
		},
		{
			id: "73c42c96-874c-492b-b04d-ab87d138a893", name: "Log Analytics Reader",
			actions: []string{
				"*/read", "Microsoft.OperationalInsights/workspaces/analytics/query/action",
				"Microsoft.OperationalInsights/workspaces/search/action", "Microsoft.Support/*",
			},
			notActions: []string{"Microsoft.OperationalInsights/workspaces/sharedKeys/read"},
		},
	}
}
