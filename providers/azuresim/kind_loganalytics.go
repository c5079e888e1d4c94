package azuresim

import (
	"net/http"
	"strings"
	"time"
)

// logClusterKey is the key block of a cluster of Log Analytics.
const logClusterKey = "properties.keyVaultProperties"

// logAnalyticsKind is the dedicated cluster of Log Analytics: with an empty version it is on
// the newest within the hour, and shows nothing of that (facts-evidence.md section 5).
func logAnalyticsKind() *kind {
	w := lateWrite{
		made: http.StatusAccepted, changed: http.StatusAccepted, creating: "ProvisioningAccount", updating: "Updating",
		style: logClusterStyle, rest: logClusterRest,
		answer: func(*call) doc { return doc{} },
	}
	return &kind{
		name: "loganalytics-cluster", typ: "Microsoft.OperationalInsights/clusters", content: jsonCharset,
		pace: Pace{
			Check: For(time.Hour), DenyAfter: For(30 * time.Minute), RecoverAfter: For(30 * time.Minute),
		},
		linkOf: func(d doc) link {
			return partsLink(text(d, logClusterKey+".keyVaultUri"), text(d, logClusterKey+".keyName"), text(d, logClusterKey+".keyVersion"))
		},
		adopt: func(*Server, *resource, string, time.Time) {}, // nothing shows it
		pin:   pinParts(logClusterKey),
		write: w.write, remove: removeNow(http.StatusOK), keyPath: logClusterKey,
		refused: func(_ *call, l link, f flaw) *answer { return generalRefusal(l, f) },
		built: func(s *Server, d doc, key string) {
			d["sku"] = doc{"name": "CapacityReservation", "capacity": 100}
			logClusterRest(s, d, s.restedSince())
			if l := keyLink(key); l.key != "" {
				vault, name, _ := strings.Cut(l.key, "/keys/")
				put(d, logClusterKey, doc{"keyVaultUri": vault + "/", "keyName": name, "keyVersion": l.pinned})
			}
		},
	}
}

// logClusterStyle is in the region [recording loganalytics.cluster-update-key].
func logClusterStyle() operationStyle { return statusStyle("operationstatuses", "Updating") }

// logClusterRest is a cluster as it rests [recording loganalytics.cluster-update-key].
func logClusterRest(s *Server, d doc, made time.Time) {
	defaults(d, doc{"properties": doc{
		"provisioningState": "Succeeded", "clusterId": s.mint.guid("cluster", strings.ToLower(text(d, "id"))), "billingType": "Cluster",
		"createdDate": made.UTC().Format(http.TimeFormat), "isDoubleEncryptionEnabled": true, "isAvailabilityZonesEnabled": false,
		"associatedWorkspaces": []any{},
	}})
}
