package azuresim

import (
	"net/http"
	"strings"
	"time"
)

// registryKey is the encryption of a container registry.
const registryKey = "properties.encryption.keyVaultProperties"

// registryKind is the container registry. A versionless identifier follows within an
// hour; a write is answered with 201, in which the document is the one before it
// (facts-services A1). How soon the loss of a key is felt is not documented; ten minutes
// are an assumption.
func registryKind() *kind {
	w := lateWrite{
		made: http.StatusCreated, changed: http.StatusCreated, creating: "Creating", updating: "Updating",
		style: registryStyle, rest: registryRest, whole: []string{registryKey},
		kept: []string{registryKey + ".lastKeyRotationTimestamp"},
	}
	return &kind{
		name: "container-registry", typ: "Microsoft.ContainerRegistry/registries", content: jsonCharset,
		pace: Pace{
			Check: For(time.Hour), DenyAfter: For(10 * time.Minute), RecoverAfter: For(10 * time.Minute),
		},
		linkOf:  func(d doc) link { return keyLink(text(d, registryKey+".keyIdentifier")) },
		adopt:   registryAdopt,
		shown:   func(d doc) string { return text(d, registryKey+".versionedKeyIdentifier") },
		pin:     func(d doc, k *key, v *version, latest bool) { put(d, registryKey+".keyIdentifier", k.named(v, latest)) },
		write:   w.write,
		remove:  removeNow(http.StatusOK),
		see:     registrySee,
		keyPath: registryKey + ".keyIdentifier", refused: registryRefused,
		built: func(s *Server, d doc, key string) {
			d["sku"] = doc{"name": "Premium", "tier": "Premium"}
			registryRest(s, d, s.restedSince())
			if key == "" {
				return
			}
			put(d, "properties.encryption", doc{"status": "enabled", "keyVaultProperties": doc{
				"keyIdentifier": key, "identity": s.clientOf(d),
			}})
		},
	}
}

// registryStyle is below the registry, and speaks of what it does [recording
// containerregistry.encryption-with-cmk].
func registryStyle() operationStyle {
	style := statusStyle("operationStatuses", "Updating")
	style.below = true
	return style
}

// registryRest is a registry as it rests [recording containerregistry.encryption-with-cmk].
func registryRest(_ *Server, d doc, made time.Time) {
	defaults(d, doc{"properties": doc{
		"loginServer": text(d, "name") + ".azurecr.io", "creationDate": stampZ(made), "provisioningState": "Succeeded",
		"adminUserEnabled": false, "networkRuleSet": doc{"defaultAction": "Allow", "ipRules": []any{}},
		"policies": doc{
			"quarantinePolicy": doc{"status": "disabled"}, "trustPolicy": doc{"type": "Notary", "status": "disabled"},
			"retentionPolicy": doc{"days": 7, "status": "disabled"},
		},
		"encryption": doc{"status": "disabled"}, "dataEndpointEnabled": false, "dataEndpointHostNames": []any{},
		"privateEndpointConnections": []any{}, "publicNetworkAccess": "Enabled",
		"networkRuleBypassOptions": "AzureServices", "zoneRedundancy": "Disabled",
	}})
	if at(d, registryKey) != nil {
		put(d, "properties.encryption.status", "enabled")
	}
}

// registrySee says whether the identifier follows. The time of the first version is not
// shown: there was no rotation [recording containerregistry.encryption-with-cmk].
func registrySee(_ *Server, _ *call, r *resource, d doc) {
	if r.link.key == "" {
		return
	}
	if text(d, "properties.provisioningState") == "Creating" {
		put(d, "properties.encryption", doc{"status": "disabled"})
		return
	}
	put(d, registryKey+".keyRotationEnabled", r.link.pinned == "")
	if len(r.usage) == 0 {
		delete(object(d, registryKey), "lastKeyRotationTimestamp")
	}
}

// registryAdopt writes the version in use and the time of the switch.
func registryAdopt(s *Server, r *resource, version string, now time.Time) {
	put(r.doc, registryKey+".versionedKeyIdentifier", s.versionURI(r, version))
	put(r.doc, registryKey+".lastKeyRotationTimestamp", stampOffset(now))
}

// registryRefused blames a permission, whatever it was (public report
// MicrosoftDocs/azure-docs#61015; status and code are not verified).
func registryRefused(c *call, l link, _ flaw) *answer {
	return problem(http.StatusBadRequest, "BadRequest",
		"Failed to access KeyId '%s'. Verify that identity '%s' has 'Get, Wrap Key, Unwrap Key' permission on the key.",
		l.spelled(), strings.ToLower(c.target.name))
}
