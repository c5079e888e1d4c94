package azuresim

import (
	"maps"
	"slices"
	"strings"
)

// role lists actions of the control plane and of the data plane, as globs.
type role struct {
	actions, data []string
}

// roleNamed returns a built-in role, cut down to what is simulated [facts §2
// names the ones that cmkd needs; their actions are common knowledge].
func roleNamed(name string) (role, bool) {
	r, ok := builtInRoles()[strings.ToLower(name)]
	return r, ok
}

func roleNames() []string { return slices.Sorted(maps.Keys(builtInRoles())) }

func builtInRoles() map[string]role {
	return map[string]role{
		"owner":       {actions: []string{"*"}},
		"contributor": {actions: []string{"*"}},
		"reader":      {actions: []string{"*/read"}},
		"key vault reader": {
			actions: []string{"Microsoft.KeyVault/vaults/read"},
			data:    []string{"Microsoft.KeyVault/vaults/*/read"},
		},
		"key vault administrator":  {data: []string{"Microsoft.KeyVault/vaults/*"}},
		"key vault crypto officer": {data: []string{"Microsoft.KeyVault/vaults/key*"}},
		"key vault crypto service encryption user": {data: []string{
			"Microsoft.KeyVault/vaults/keys/read", "Microsoft.KeyVault/vaults/keys/wrap/action",
			"Microsoft.KeyVault/vaults/keys/unwrap/action",
		}},
		"storage blob data reader": {
			data: []string{"Microsoft.Storage/storageAccounts/blobServices/*/read"},
		},
		"storage blob data contributor": {
			data: []string{"Microsoft.Storage/storageAccounts/blobServices/*"},
		},
		"storage account contributor":    {actions: []string{"Microsoft.Storage/storageAccounts/*"}},
		"documentdb account contributor": {actions: []string{"Microsoft.DocumentDB/databaseAccounts/*"}},
		"virtual machine contributor":    {actions: []string{"Microsoft.Compute/*"}},
		"azure kubernetes service contributor": {
			actions: []string{"Microsoft.ContainerService/managedClusters/*"},
		},
		"azure container instances contributor": {
			actions: []string{"Microsoft.ContainerInstance/containerGroups/*"},
		},
	}
}

// client is who calls.
type client struct {
	id, secret, objectID, name string
	roles                      []role
	all                        bool
	deny                       []DenySpec
}

// known says whether there is a caller at all.
func (c *client) known() bool { return c.id != "" }

// may says whether the client may do an action on a scope.
func (c *client) may(action, scope string, data bool) bool {
	for _, d := range c.deny {
		if globMatches(d.Action, action) && strings.HasPrefix(fold(scope), fold(d.Scope)) {
			return false
		}
	}
	if c.all {
		return true
	}
	for _, r := range c.roles {
		patterns := r.actions
		if data {
			patterns = r.data
		}
		if slices.ContainsFunc(patterns, func(p string) bool { return globMatches(p, action) }) {
			return true
		}
	}
	return false
}
