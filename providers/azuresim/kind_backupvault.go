package azuresim

import (
	"net/http"
	"time"
)

// backupKey is the encryption of a Backup vault.
const backupKey = "properties.securitySettings.encryptionSettings"

// backupVaultKind is the Backup vault: a versionless key takes effect within an hour, and jobs
// wrap recovery points anew, which it does not tell of (facts-evidence.md section 4). How soon
// it feels the loss of its key is not documented; an hour is an assumption.
func backupVaultKind() *kind {
	w := lateWrite{
		made: http.StatusCreated, changed: http.StatusCreated, creating: "Provisioning", updating: "Updating",
		style: backupStyle, rest: backupRest,
	}
	return &kind{
		name: "backup-vault", typ: "Microsoft.DataProtection/backupVaults", content: jsonCharset,
		pace: Pace{
			Check: For(time.Hour), DenyAfter: For(time.Hour), RecoverAfter: For(time.Hour),
		},
		linkOf: func(d doc) link {
			if text(d, backupKey+".state") != "Enabled" {
				return link{}
			}
			return keyLink(text(d, backupKey+".keyVaultProperties.keyUri"))
		},
		adopt: func(*Server, *resource, string, time.Time) {}, // nothing shows it
		pin: func(d doc, k *key, v *version, latest bool) {
			put(d, backupKey+".keyVaultProperties.keyUri", k.named(v, latest))
		},
		write: w.write, remove: removeNow(http.StatusOK), keyPath: backupKey + ".keyVaultProperties.keyUri",
		refused: func(_ *call, l link, f flaw) *answer { return generalRefusal(l, f) },
		built: func(s *Server, d doc, key string) {
			backupRest(s, d, s.restedSince())
			if key == "" {
				return
			}
			kek := doc{"identityType": "SystemAssigned"}
			if user := identityOf(d); user != "" {
				kek = doc{"identityType": "UserAssigned", "identityId": user}
			}
			put(d, backupKey, doc{
				"state": "Enabled", "keyVaultProperties": doc{"keyUri": key}, "kekIdentity": kek, "infrastructureEncryption": "Disabled",
			})
		},
	}
}

// backupStyle is at the vault itself, and says Inprogress with a small p [recording
// dataprotection.backup-vault-cmk].
func backupStyle() operationStyle {
	return operationStyle{
		collection: "operationStatus", running: "Inprogress", below: true, result: "-",
		document: func(_ *call, o *operation, status string) doc {
			return withError(doc{"name": o.id, "status": status, "startTime": stampZ(o.start)}, o)
		},
	}
}

// backupRest is a vault as it rests [recording dataprotection.backup-vault-cmk].
func backupRest(_ *Server, d doc, _ time.Time) {
	defaults(d, doc{"properties": doc{
		"provisioningState":               "Succeeded",
		"storageSettings":                 []any{doc{"datastoreType": "VaultStore", "type": "GeoRedundant"}},
		"isVaultProtectedByResourceGuard": false, "secureScore": "None", "bcdrSecurityLevel": "Poor", "replicatedRegions": []any{},
		"securitySettings": doc{"softDeleteSettings": doc{"state": "On", "retentionDurationInDays": 14.0}},
	}})
}
