package azuresim

import (
	"net/http"
	"strings"
	"time"
)

// storeKey is the key block of a store of App Configuration.
const storeKey = "properties.encryption.keyVaultProperties"

// appConfigurationKind is the store of App Configuration: it looks for its key within the
// hour, for versions as for access, and shows neither (facts-evidence.md section 5).
func appConfigurationKind() *kind {
	w := lateWrite{
		made: http.StatusCreated, changed: http.StatusOK, creating: "Creating", updating: "Updating",
		style: storeStyle, rest: storeRest, whole: []string{storeKey},
	}
	return &kind{
		name: "app-configuration", typ: "Microsoft.AppConfiguration/configurationStores", content: jsonCharset,
		pace: Pace{
			Check: For(time.Hour), DenyAfter: For(30 * time.Minute), RecoverAfter: For(30 * time.Minute),
		},
		linkOf: func(d doc) link { return keyLink(text(d, storeKey+".keyIdentifier")) },
		adopt:  func(*Server, *resource, string, time.Time) {}, // nothing shows it
		pin: func(d doc, k *key, v *version, latest bool) {
			put(d, storeKey+".keyIdentifier", k.named(v, latest))
			versionlessSlash(d)
		},
		write: w.write, remove: removeNow(http.StatusOK), keyPath: storeKey + ".keyIdentifier",
		refused: func(_ *call, l link, f flaw) *answer { return generalRefusal(l, f) },
		built: func(s *Server, d doc, key string) {
			d["sku"] = doc{"name": "standard"}
			storeRest(s, d, s.restedSince())
			if key != "" {
				put(d, storeKey, doc{"keyIdentifier": key, "identityClientId": s.clientOf(d)})
				versionlessSlash(d)
			}
		},
	}
}

// storeStyle is in the region, and speaks of what it does [recording
// appconfiguration.identity].
func storeStyle() operationStyle { return statusStyle("operationsStatus", "Updating") }

// storeRest is a store as it rests [recording appconfiguration.identity].
func storeRest(_ *Server, d doc, made time.Time) {
	defaults(d, doc{"properties": doc{
		"provisioningState": "Succeeded", "creationDate": stampOffset(made),
		"endpoint":   "https://" + strings.ToLower(text(d, "name")) + ".azconfig.io",
		"encryption": doc{"keyVaultProperties": nil}, "privateEndpointConnections": nil,
		"disableLocalAuth": false, "softDeleteRetentionInDays": 7, "enablePurgeProtection": false,
		"dataPlaneProxy": doc{"authenticationMode": "Local", "privateLinkDelegation": "Disabled"},
	}})
	versionlessSlash(d)
}

// versionlessSlash gives an identifier without a version the slash with which it is stored
// (facts-evidence.md section 5).
func versionlessSlash(d doc) {
	if uri := text(d, storeKey+".keyIdentifier"); uri != "" && keyLink(uri).pinned == "" && !strings.HasSuffix(uri, "/") {
		put(d, storeKey+".keyIdentifier", uri+"/")
	}
}
