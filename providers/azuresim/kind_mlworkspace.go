package azuresim

import (
	"net/http"
	"time"
)

// mlKey is the encryption of a workspace of Machine Learning.
const mlKey = "properties.encryption"

// mlWorkspaceKind is the workspace of Machine Learning: it names a version, and an update takes
// the identifier and nothing else (facts-services A5). How soon it feels the loss of its key is
// not documented; an hour is an assumption.
func mlWorkspaceKind() *kind {
	w := lateWrite{
		made: http.StatusCreated, changed: http.StatusAccepted, creating: "Creating", updating: "Updating",
		style: func() operationStyle { return statusStyle("operationResults", "InProgress") }, rest: mlRest,
	}
	return &kind{
		name: "ml-workspace", typ: "Microsoft.MachineLearningServices/workspaces", content: jsonCharset,
		pace: Pace{
			Check: For(time.Hour), DenyAfter: For(time.Hour), RecoverAfter: For(time.Hour),
		},
		linkOf: func(d doc) link {
			if text(d, mlKey+".status") != "Enabled" {
				return link{}
			}
			return keyLink(text(d, mlKey+".keyVaultProperties.keyIdentifier"))
		},
		adopt: func(*Server, *resource, string, time.Time) {}, // nothing shows it
		pin: func(d doc, k *key, v *version, latest bool) {
			put(d, mlKey+".keyVaultProperties.keyIdentifier", k.named(v, latest))
		},
		write: w.write, remove: removeNow(http.StatusOK), keyPath: mlKey + ".keyVaultProperties.keyIdentifier",
		refused: func(_ *call, l link, f flaw) *answer { return generalRefusal(l, f) },
		built: func(s *Server, d doc, key string) {
			mlRest(s, d, s.restedSince())
			if key != "" {
				put(d, mlKey, doc{
					"status": "Enabled", "identity": doc{"userAssignedIdentity": identityOf(d)},
					"keyVaultProperties": doc{"keyIdentifier": key, "identityClientId": ""},
				})
			}
		},
	}
}

// mlRest is a workspace as it rests (examples machinelearning-2021-07-01).
func mlRest(s *Server, d doc, _ time.Time) {
	defaults(d, doc{"properties": doc{
		"provisioningState": "Succeeded", "friendlyName": text(d, "name"), "hbiWorkspace": false, "publicNetworkAccess": "Enabled",
		"discoveryUrl":                    "https://" + regionName(text(d, "location")) + ".api.azureml.ms/discovery",
		"serviceProvisionedResourceGroup": text(d, "name") + "_" + s.mint.guid("group", text(d, "id")),
	}})
}
