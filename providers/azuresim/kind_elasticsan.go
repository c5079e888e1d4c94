package azuresim

import (
	"net/http"
	"strings"
	"time"
)

const (
	sanType = "Microsoft.ElasticSan/elasticSans"
	sanKey  = "properties.encryptionProperties.keyVaultProperties"
)

// elasticSanKind is an Elastic SAN, which has no key itself.
func elasticSanKind() *kind {
	w := lateWrite{
		made: http.StatusCreated, changed: http.StatusAccepted, creating: "Creating", updating: "Updating", style: sanStyle, rest: sanRest,
	}
	return &kind{name: "san", typ: sanType, content: jsonPlain, write: w.write, remove: removeLater(sanStyle())}
}

// sanRest is an Elastic SAN as it rests (template reference Microsoft.ElasticSan/elasticSans).
func sanRest(_ *Server, d doc, _ time.Time) {
	defaults(d, doc{"properties": doc{
		"provisioningState": "Succeeded", "baseSizeTiB": 1, "extendedCapacitySizeTiB": 0, "sku": doc{"name": "Premium_LRS", "tier": "Premium"},
	}})
}

// buildSAN makes the SAN that a scenario's volume group is in.
func (s *Server) buildSAN(p Place) string {
	r := s.start("san", p, Protected{}, func(id resourceID) doc {
		d := common(id, sanType, p.Location, p.Tags)
		sanRest(s, d, s.restedSince())
		return d
	})
	return r.id.name
}

// volumeGroupKind is the volume group of an Elastic SAN: it looks for a new version once a day,
// and shows which one it uses (facts-evidence.md sections 1 and 5). How soon it feels the loss of
// its key is not documented; an hour is an assumption.
func volumeGroupKind() *kind {
	w := lateWrite{
		made: http.StatusCreated, changed: http.StatusAccepted, creating: "Creating", updating: "Updating", style: sanStyle, rest: volumeGroupRest,
	}
	return &kind{
		name: "elastic-san", typ: sanType + "/volumeGroups", content: jsonPlain,
		pace: Pace{
			Check: For(24 * time.Hour), DenyAfter: For(time.Hour), RecoverAfter: For(time.Hour),
		},
		linkOf: func(d doc) link {
			if text(d, "properties.encryption") != sanCustomer {
				return link{}
			}
			return partsLink(text(d, sanKey+".keyVaultUri"), text(d, sanKey+".keyName"), text(d, sanKey+".keyVersion"))
		},
		adopt: func(s *Server, r *resource, version string, now time.Time) {
			p := object(r.doc, sanKey)
			p["currentVersionedKeyIdentifier"], p["lastKeyRotationTimestamp"] = s.versionURI(r, version), stampZ(now)
			p["currentVersionedKeyExpirationTimestamp"] = stampZ(time.Unix(0, 0)) // none [recording elasticsan.cmk-system-identity]
		},
		inside: (*Server).buildSAN, pin: pinParts(sanKey),
		shown: func(d doc) string { return text(d, sanKey+".currentVersionedKeyIdentifier") },
		write: w.write, remove: removeLater(sanStyle()), keyPath: sanKey,
		refused: func(_ *call, l link, f flaw) *answer { return generalRefusal(l, f) },
		see:     func(_ *Server, _ *call, _ *resource, d doc) { delete(d, "location"); delete(d, "tags") },
		built: func(s *Server, d doc, key string) {
			if l := keyLink(key); l.key != "" {
				vault, name, _ := strings.Cut(l.key, "/keys/")
				put(d, "properties.encryption", sanCustomer)
				put(d, sanKey, doc{"keyVaultUri": vault + "/", "keyName": name})
				if l.pinned != "" {
					put(d, sanKey+".keyVersion", l.pinned)
				}
				if user := identityOf(d); user != "" {
					put(d, "properties.encryptionProperties.identity", doc{"userAssignedIdentity": user})
				}
			}
			volumeGroupRest(s, d, s.restedSince())
		},
	}
}

// sanCustomer says that the key is a customer's.
const sanCustomer = "EncryptionAtRestWithCustomerManagedKey"

// sanStyle shows nothing but the end [recording elasticsan.cmk-system-identity].
func sanStyle() operationStyle {
	return operationStyle{
		collection: "asyncoperations", running: "InProgress",
		document: func(_ *call, o *operation, status string) doc { return withError(doc{"status": status}, o) },
	}
}

// volumeGroupRest is a volume group as it rests [recording elasticsan.cmk-system-identity].
func volumeGroupRest(_ *Server, d doc, _ time.Time) {
	defaults(d, doc{"properties": doc{
		"provisioningState": "Succeeded", "enforceDataIntegrityCheckForIscsi": true, "protocolType": "iSCSI",
		"encryption": "EncryptionAtRestWithPlatformKey",
	}})
}
