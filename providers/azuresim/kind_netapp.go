package azuresim

import (
	"net/http"
	"strings"
	"time"
)

// netAppKey is the encryption of an account of NetApp Files.
const netAppKey = "properties.encryption"

// netAppKind is the account of NetApp Files: it names no version anywhere, and follows
// (facts-evidence.md section 5). How soon, and how soon it feels the loss of its key, is not
// documented; an hour is an assumption.
func netAppKind() *kind {
	w := lateWrite{
		made: http.StatusCreated, changed: http.StatusAccepted, creating: "Creating", updating: "Updating",
		style: netAppStyle, rest: netAppRest,
	}
	return &kind{
		name: "netapp-account", typ: "Microsoft.NetApp/netAppAccounts", content: jsonCharset,
		pace: Pace{
			Check: For(time.Hour), DenyAfter: For(time.Hour), RecoverAfter: For(time.Hour),
		},
		linkOf: func(d doc) link {
			if !strings.EqualFold(text(d, netAppKey+".keySource"), "Microsoft.KeyVault") {
				return link{}
			}
			return partsLink(text(d, netAppKey+".keyVaultProperties.keyVaultUri"), text(d, netAppKey+".keyVaultProperties.keyName"), "")
		},
		adopt: func(*Server, *resource, string, time.Time) {}, // nothing shows it
		pin:   func(doc, *key, *version, bool) {},             // nothing names one
		write: w.write, remove: removeNow(http.StatusOK), keyPath: netAppKey + ".keyVaultProperties",
		refused: func(_ *call, l link, f flaw) *answer { return generalRefusal(l, f) },
		built: func(s *Server, d doc, key string) {
			if l := keyLink(key); l.key != "" {
				vault, name, _ := strings.Cut(l.key, "/keys/")
				put(d, netAppKey, doc{
					"keySource":          "Microsoft.KeyVault",
					"keyVaultProperties": doc{"keyVaultUri": vault + "/", "keyName": name, "status": "InUse"},
					"identity":           doc{"userAssignedIdentity": identityOf(d)},
				})
			}
			netAppRest(s, d, s.restedSince())
		},
	}
}

// netAppStyle is in the region [recording netapp.account-cmk].
func netAppStyle() operationStyle { return statusStyle("operationResults", "Updating") }

// netAppRest is an account as it rests [recording netapp.account-cmk].
func netAppRest(_ *Server, d doc, _ time.Time) {
	defaults(d, doc{"properties": doc{
		"provisioningState": "Succeeded", "encryption": doc{"keySource": "Microsoft.NetApp"},
	}})
}
