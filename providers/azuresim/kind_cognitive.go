package azuresim

import (
	"net/http"
	"strings"
	"time"
)

// cognitiveKey is the encryption of an account of AI services.
const cognitiveKey = "properties.encryption"

// cognitiveKind is the account of AI services: it names a version, and what was encrypted
// under another may need that (facts-services A9), which the simulation does not tell of. How
// soon it feels the loss of its key is not documented; an hour is an assumption.
func cognitiveKind() *kind {
	w := lateWrite{
		made: http.StatusCreated, changed: http.StatusAccepted, creating: "Creating", updating: "Accepted",
		style: cognitiveStyle, rest: cognitiveRest,
	}
	return &kind{
		name: "cognitive-account", typ: "Microsoft.CognitiveServices/accounts", content: jsonCharset,
		pace: Pace{
			Check: For(time.Hour), DenyAfter: For(time.Hour), RecoverAfter: For(time.Hour),
		},
		linkOf: func(d doc) link {
			if !strings.EqualFold(text(d, cognitiveKey+".keySource"), "Microsoft.KeyVault") {
				return link{}
			}
			at := cognitiveKey + ".keyVaultProperties."
			return partsLink(text(d, at+"keyVaultUri"), text(d, at+"keyName"), text(d, at+"keyVersion"))
		},
		adopt: func(*Server, *resource, string, time.Time) {}, // nothing shows it
		pin:   pinParts(cognitiveKey + ".keyVaultProperties"),
		write: w.write, remove: removeNow(http.StatusOK), keyPath: cognitiveKey + ".keyVaultProperties",
		refused: func(_ *call, l link, f flaw) *answer { return generalRefusal(l, f) },
		built: func(s *Server, d doc, key string) {
			d["sku"], d["kind"] = doc{"name": "S0"}, "OpenAI"
			if l := keyLink(key); l.key != "" {
				vault, name, _ := strings.Cut(l.key, "/keys/")
				put(d, cognitiveKey, doc{"keySource": "Microsoft.KeyVault", "keyVaultProperties": doc{
					"keyVaultUri": vault + "/", "keyName": name, "keyVersion": l.pinned, "identityClientId": s.clientOf(d),
				}})
			}
			cognitiveRest(s, d, s.restedSince())
		},
	}
}

// cognitiveStyle is in the region [recording cognitiveservices.encryption].
func cognitiveStyle() operationStyle { return statusStyle("operationResults", "Running") }

// cognitiveRest is an account as it rests [recording cognitiveservices.encryption].
func cognitiveRest(s *Server, d doc, made time.Time) {
	defaults(d, doc{"properties": doc{
		"provisioningState": "Succeeded", "dateCreated": stampZ(made), "publicNetworkAccess": "Enabled",
		"endpoint":   "https://" + regionName(text(d, "location")) + ".api.cognitive.microsoft.com/",
		"internalId": strings.ReplaceAll(s.mint.guid("account", strings.ToLower(text(d, "id"))), "-", ""),
		"encryption": doc{"keySource": "Microsoft.CognitiveServices"}, "privateEndpointConnections": []any{}, "capabilities": []any{},
	}})
}
