package azuresim

import (
	"net/http"
	"strings"
)

// deletedVaultHandler answers below
// /subscriptions/S/providers/Microsoft.KeyVault/locations/L/deletedVaults/N
// [recordings keyvault.*, 2023-02-01], nil for other paths.
func (s *Server) deletedVaultHandler(c *call) func(*call) *answer {
	id := c.target
	if !strings.EqualFold(id.fullType(), "Microsoft.KeyVault/locations") || len(id.rest) < 2 ||
		!strings.EqualFold(id.rest[0], "deletedVaults") {
		return nil
	}
	v := s.vaults[strings.ToLower(id.rest[1])+vaultSuffix]
	switch {
	case c.method == http.MethodGet && len(id.rest) == 2:
		c.operation = "deleted-vault-get"
		return func(c *call) *answer { return s.deletedVault(c, v) }
	case c.method == http.MethodPost && len(id.rest) == 3 && strings.EqualFold(id.rest[2], "purge"):
		c.operation = "deleted-vault-purge"
		return func(c *call) *answer { return s.purgeVault(c, v) }
	}
	return nil
}

// deletedVault shows a soft-deleted vault.
func (s *Server) deletedVault(c *call, v *vault) *answer {
	if v == nil || !v.deleted {
		return problem(http.StatusNotFound, "DeletedVaultNotFound", // unverified
			"The specified deleted vault '%s' does not exist.", c.target.rest[1])
	}
	const stamp = "2006-01-02T15:04:05Z"
	sub := "/subscriptions/" + v.spec.Subscription
	p := doc{
		"vaultId":  s.idOf(v.spec.Place, "Microsoft.KeyVault/vaults").path(),
		"location": v.spec.Location, "tags": tagDoc(v.spec.Tags), "deletionDate": v.deletedAt.Format(stamp),
		"scheduledPurgeDate": v.deletedAt.AddDate(0, 0, v.retention()).Format(stamp),
	}
	if v.spec.PurgeProtection {
		p["purgeProtectionEnabled"] = true
	}
	return reply(http.StatusOK, doc{
		"id":   sub + "/providers/Microsoft.KeyVault/locations/" + v.spec.Location + "/deletedVaults/" + v.spec.Name,
		"name": v.spec.Name, "type": "Microsoft.KeyVault/deletedVaults", "properties": p,
	})
}

// purgeVault removes a soft-deleted vault for good, unless it is protected: in
// the words of a public report (azure-docs#55427; code and status are not
// verified). The recorded 202 has an operation to poll; it is not simulated.
func (s *Server) purgeVault(c *call, v *vault) *answer {
	if v == nil || !v.deleted {
		return s.deletedVault(c, v)
	}
	if v.spec.PurgeProtection {
		return problem(http.StatusBadRequest, "MethodNotAllowed", "Operation 'DeletedVaultPurge' is not allowed.")
	}
	delete(s.vaults, v.host)
	return newAnswer(http.StatusOK)
}
