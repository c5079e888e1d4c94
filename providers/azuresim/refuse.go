package azuresim

import (
	"net/http"
	"regexp"
	"strings"
	"time"
)

// flaw says why a service cannot take the key that a write names.
type flaw string

const (
	flawNot       flaw = ""
	flawMalformed flaw = "is malformed"
	flawVault     flaw = "is in a vault that does not exist"
	flawKey       flaw = "does not exist"
	flawVersion   flaw = "has no such version"
	flawDisabled  flaw = "is disabled"
	flawExpired   flaw = "has expired"
	flawForbidden flaw = "may not be used by the identity"
	flawPurgeable flaw = "is in a vault without purge protection"
)

// flawOf judges a key for a service that is to wrap with it now: the version
// that is named, or the newest usable. Whether its vault must have purge
// protection is asked of keys that the service does not have yet.
// r is whose identity opens it, nil for one that is not there yet.
func (s *Server) flawOf(l link, r *resource, fresh bool, now time.Time) flaw {
	host, name, ok := strings.Cut(strings.TrimPrefix(l.key, "https://"), "/keys/")
	if !ok || !objectName.MatchString(name) {
		return flawMalformed
	}
	v := s.vaults[host]
	if v == nil || v.deleted {
		return flawVault
	}
	k := v.key(name)
	if r != nil && (r.identity().noAccess || (k != nil && s.shutOut(r, k))) {
		return flawForbidden
	}
	if k == nil || !k.state.exists || k.state.deleted != nil {
		return flawKey
	}
	version := k.state.newest(func(v *version) bool { return v.usable(now) })
	if l.pinned != "" || version == nil {
		version = k.state.find(l.pinned)
	}
	switch {
	case version == nil:
		return flawVersion
	case !version.enabled:
		return flawDisabled
	case !version.usable(now):
		return flawExpired
	case fresh && !v.spec.PurgeProtection && !v.spec.HSM:
		return flawPurgeable
	}
	return flawNot
}

// refuseKey refuses a write that names a key which the service cannot take. A
// write that names none is no concern of it.
func (s *Server) refuseKey(c *call, r *resource, body doc) *answer {
	if c.kind.refused == nil || at(body, c.kind.keyPath) == nil {
		return nil
	}
	next, had, opener := doc{}, "", r
	if r != nil {
		next, had = clone(r.doc), r.link.key
	} else if c.target.above != "" {
		opener = s.resources[fold(c.target.parent().path())] // a scope's key is under the identity of its account
	}
	merge(next, clone(body))
	if at(next, c.kind.keyPath) == nil {
		return nil
	}
	l := c.kind.linkOf(next)
	if l.key == "" && c.kind.keyOff != nil && c.kind.keyOff(next) {
		return nil
	}
	if f := s.flawOf(l, opener, l.key != had, c.now); f != flawNot {
		return c.kind.refused(c, l, f)
	}
	return nil
}

// spelled is the identifier that a link names.
func (l link) spelled() string {
	if l.pinned == "" {
		return l.key
	}
	return l.key + "/" + l.pinned
}

// generalRefusal is Azure's general form, where the service's own code is not
// known: neither code nor text is verified.
func generalRefusal(l link, f flaw) *answer {
	return problem(http.StatusBadRequest, "BadRequest", "The key '%s' %s.", l.spelled(), f)
}

// diskSetRefused has words for the identity (public reports azure-docs#96319,
// ansible-collections/azure#1676; the status is not verified). Whether purge
// protection is asked for is a quirk.
func diskSetRefused(c *call, l link, f flaw) *answer {
	switch {
	case f == flawPurgeable && c.sim.quirk(quirkSetPurge) == quirkNo:
		return nil
	case f == flawForbidden:
		return problem(http.StatusForbidden, "KeyVaultAccessForbidden",
			"Unable to access key vault resource '%s' to enable encryption at rest. Please grant get, wrap and unwrap"+
				" key permissions to disk encryption set '%s'. Please visit https://aka.ms/keyvaultaccessssecmk for more"+
				" information.", l.spelled(), c.target.name)
	}
	return generalRefusal(l, f)
}

// storageRefused speaks of purge protection in the words of public reports
// (azure-cli#17914, azure-docs#41088). The other codes are those of the data
// plane (facts §4); that management has them too is not verified.
func storageRefused(_ *call, l link, f flaw) *answer {
	switch f {
	case flawPurgeable:
		return problem(http.StatusBadRequest, "KeyVaultPolicyError", "Keyvault policy recoverable is not set")
	case flawVault:
		return problem(http.StatusBadRequest, "KeyVaultVaultNotFound", "The key vault is not found.")
	case flawForbidden:
		return problem(http.StatusForbidden, "KeyVaultAccessTokenCannotBeAcquired",
			"The key vault access token cannot be acquired.")
	case flawKey, flawVersion, flawDisabled:
		return problem(http.StatusBadRequest, "KeyVaultEncryptionKeyNotFound",
			"The key vault key is not found to unwrap the encryption key.")
	default:
		return generalRefusal(l, f)
	}
}

// cosmosRefused uses the prose of customerManagedKeyStatus (facts §4); that a
// write is refused with it is not verified.
func cosmosRefused(_ *call, l link, f flaw) *answer {
	why := f.denial()
	if why == deniedNot {
		return generalRefusal(l, f)
	}
	return problem(http.StatusBadRequest, "BadRequest", "%s", cosmosStatus(&resource{denied: why}))
}

// denial is how a service that lost its key in this way says it; some ways are none.
func (f flaw) denial() denial {
	return map[flaw]denial{
		flawVault: deniedVault, flawKey: deniedDeleted, flawForbidden: deniedForbidden, flawDisabled: deniedDisabled,
		flawExpired: deniedDisabled, flawVersion: deniedDeleted,
	}[f]
}

// cosmosRevoked refuses all updates of an account that lost its key but those of
// its identity (facts §4; status and code are not verified).
func cosmosRevoked(r *resource, body doc) *answer {
	if r == nil || r.denied == deniedNot {
		return nil
	}
	rest := clone(body)
	delete(rest, "identity")
	if p, ok := rest["properties"].(doc); ok {
		if delete(p, "defaultIdentity"); len(p) == 0 {
			delete(rest, "properties")
		}
	}
	if len(rest) == 0 {
		return nil
	}
	return problem(http.StatusForbidden, "Forbidden", "%s", cosmosStatus(r))
}

// clusterRefused knows the code of a missing permission (facts-services A2; public
// reports azure-docs#98954 and telescope#1121; the status is not in them).
func clusterRefused(_ *call, l link, f flaw) *answer {
	if f == flawForbidden {
		vault, _, _ := strings.Cut(l.key, "/keys/")
		return problem(http.StatusBadRequest, "AzureKeyVaultKmsValidateIdentityPermissionCustomerError",
			"The identity does not have keys encrypt/decrypt permission on key vault \"%s\"", vault)
	}
	return generalRefusal(l, f)
}

// badStorage refuses what an account cannot have: an unknown source of keys, or
// the vault as source without saying which key (public reports
// terraform-provider-azurerm#16374, #658).
func badStorage(r *resource, body doc) *answer {
	source := text(body, "properties.encryption.keySource")
	switch {
	case source == "" || strings.EqualFold(source, "Microsoft.Storage"):
		return nil
	case !strings.EqualFold(source, "Microsoft.Keyvault"):
		return problem(http.StatusBadRequest, "InvalidValuesForRequestParameters",
			"Values for request parameters are invalid: properties.encryption.keySource.")
	case at(body, storageKey) == nil && (r == nil || at(r.doc, storageKey) == nil):
		return problem(http.StatusBadRequest, "MissingKeyvaultProperties",
			"The encryption keyvault properties are missing from the request.")
	}
	return nil
}

// setHeld refuses to delete a set while something needs it: what stands on it, and
// copies of disks that it opens, for which it must live on (facts-services A3).
// The form is the general one: code and text are not verified.
func (s *Server) setHeld(set *resource) *answer {
	needing := s.standingOn(set)
	if len(needing) == 0 {
		needing = s.selectedAll(func(r *resource) bool { return r.keeper == set })
	}
	if len(needing) == 0 {
		return nil
	}
	return problem(http.StatusConflict, "OperationNotAllowed",
		"Disk encryption set '%s' is in use by '%s' and cannot be deleted.", set.id.name, needing[0].id.path())
}

// objectName is the form of a key's name.
var objectName = regexp.MustCompile(`^[0-9a-zA-Z-]{1,127}$`)

// badName refuses a malformed name in a path of a vault (public reports
// aspnet/MicrosoftConfigurationBuilders#22, azure-sdk-for-net#15784).
func badName(parts []string) *answer {
	name := parts[1]
	if name == "" || name == "restore" || objectName.MatchString(name) {
		return nil
	}
	return problem(http.StatusBadRequest, "BadParameter", "The request URI contains an invalid name: %s", name)
}

// vaultName is the form of a vault's name.
var vaultName = regexp.MustCompile(`^[a-zA-Z](-?[0-9a-zA-Z])*$`)

// badVault refuses what a vault cannot be: an ill-formed name (public report
// adamhockemeyer/ai-agent-experience#1), a name that is taken by a vault that
// lives (azure-powershell#15115) or is soft-deleted (data-safe-haven#2523), and
// the end of purge protection (Azure/ai-hub#241).
func badVault(c *call, r *resource, v *vault, body doc) *answer {
	name := c.target.name
	if v == nil && (len(name) < 3 || len(name) > 24 || !vaultName.MatchString(name)) {
		return problem(http.StatusBadRequest, "VaultNameNotValid",
			"The vault name '%s' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name must"+
				" begin with a letter, end with a letter or digit, and not contain consecutive hyphens. Follow this link for"+
				" more information: https://go.microsoft.com/fwlink/?linkid=2147742", name)
	}
	if protect, given := at(body, "properties.enablePurgeProtection").(bool); given && !protect {
		return problem(http.StatusBadRequest, "BadRequest", `The property "enablePurgeProtection" cannot be set to false.`+
			" Enabling the purge protection for a vault is an irreversible action.")
	}
	mode := strings.ToLower(text(body, "properties.createMode"))
	switch {
	case r != nil || v == nil:
		return nil
	case !v.deleted:
		return problem(http.StatusConflict, "VaultAlreadyExists",
			"The vault name '%s' is already in use. Vault names are globaly unique so it is possible that the name is"+ //nolint:misspell // Azure's own words
				" already taken. If you are sure that the vault name was not taken then it is possible that a vault with the"+
				" same name was recently deleted but not purged after being placed in a recoverable state. If the vault is in"+
				" a recoverable state then the vault will need to be purged before reusing the name. For more information on"+
				" soft delete and purging a vault follow this link https://go.microsoft.com/fwlink/?linkid=2147740.", name)
	case mode != "recover":
		return problem(http.StatusConflict, "ConflictError",
			"A vault with the same name already exists in deleted state. You need to either recover or purge existing key"+
				" vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.")
	}
	return nil
}
