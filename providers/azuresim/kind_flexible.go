package azuresim

import (
	"net/http"
	"time"
)

// dataEncryption is the key block of a flexible server.
const dataEncryption = "properties.dataEncryption"

// postgresKind is the flexible server of PostgreSQL: a versionless identifier follows,
// its key has a status, and the state says Inaccessible within the hour after the key was
// lost (facts-services A10). How often it looks for a version is not documented; an hour
// is an assumption.
func postgresKind() *kind {
	return flexibleKind("postgresql-flexible", "Microsoft.DBforPostgreSQL/flexibleServers", func(_ *Server, _ *call, r *resource, d doc) {
		if r.link.key == "" {
			return
		}
		status := "Valid"
		switch {
		case text(d, "properties.state") == "Updating":
			status = "Unknown"
		case r.denied != deniedNot:
			status = "Invalid"
		}
		put(d, dataEncryption+".primaryEncryptionKeyStatus", status)
	})
}

// mysqlKind is the flexible server of MySQL: the same without a status. That a
// versionless identifier follows is not documented (facts-services A11).
func mysqlKind() *kind {
	return flexibleKind("mysql-flexible", "Microsoft.DBforMySQL/flexibleServers", nil)
}

func flexibleKind(name, typ string, see func(*Server, *call, *resource, doc)) *kind {
	w := lateWrite{
		made: http.StatusAccepted, changed: http.StatusAccepted, creating: "Provisioning", updating: "Updating",
		rested: "Ready", style: upsertStyle, rest: flexibleRest, whole: []string{dataEncryption},
		answer: func(c *call) doc {
			return doc{"operation": "UpsertServerManagementOperationV2", "startTime": stampZ(c.now)}
		},
	}
	return &kind{
		name: name, typ: typ, content: jsonCharset, stateAt: "properties.state", failed: "Ready",
		pace: Pace{
			Check: For(time.Hour), Rewrap: For(30 * time.Minute),
			DenyAfter: For(30 * time.Minute), RecoverAfter: For(30 * time.Minute),
		},
		linkOf: func(d doc) link { return keyLink(text(d, dataEncryption+".primaryKeyURI")) },
		adopt:  func(*Server, *resource, string, time.Time) {}, // nothing shows it
		pin: func(d doc, k *key, v *version, latest bool) {
			put(d, dataEncryption+".primaryKeyURI", k.named(v, latest))
		},
		write: w.write, remove: removeNow(http.StatusOK), see: see, turned: flexibleTurned,
		keyPath: dataEncryption + ".primaryKeyURI",
		refused: func(_ *call, l link, f flaw) *answer { return generalRefusal(l, f) },
		built: func(s *Server, d doc, key string) {
			flexibleRest(s, d, s.restedSince())
			if key != "" {
				put(d, dataEncryption, doc{
					"type": "AzureKeyVault", "primaryKeyURI": key, "primaryUserAssignedIdentityId": identityOf(d),
				})
			}
		},
	}
}

// flexibleRest is a server as it rests [recordings postgresql.flexible-server-cmk,
// mysql.flexible-server-cmk].
func flexibleRest(_ *Server, d doc, _ time.Time) {
	defaults(d, doc{
		"sku": doc{"name": "Standard_D2s_v3", "tier": "GeneralPurpose"},
		"properties": doc{
			"state": "Ready", "administratorLogin": "contoso", "version": "16", "replicationRole": "Primary",
			"storage": doc{"storageSizeGB": 128, "autoGrow": "Disabled"}, "availabilityZone": "1",
			"backup":           doc{"backupRetentionDays": 7, "geoRedundantBackup": "Disabled"},
			"highAvailability": doc{"mode": "Disabled", "state": "NotEnabled"},
		},
	})
	if text(d, dataEncryption+".type") == "SystemManaged" { // the block disappears [recording mysql.flexible-server-cmk]
		delete(object(d, "properties"), "dataEncryption")
	}
}

// flexibleTurned stops a server that lost its key.
func flexibleTurned(_ *Server, r *resource, _ time.Time) {
	state := "Ready"
	if r.denied != deniedNot {
		state = "Inaccessible"
	}
	put(r.doc, "properties.state", state)
}
