package azuresim

import (
	"net/http"
	"strings"
	"time"
)

// kustoKey is the key block of a cluster of Data Explorer.
const kustoKey = "properties.keyVaultProperties"

// kustoKind is the cluster of Data Explorer: with an empty version it follows, and shows
// nothing of that (facts-evidence.md section 5). How soon it follows, or feels the loss of its
// key, is not documented; an hour is an assumption.
func kustoKind() *kind {
	w := lateWrite{
		made: http.StatusCreated, changed: http.StatusOK, creating: "Creating", updating: "Running",
		style: kustoStyle, rest: kustoRest, whole: []string{kustoKey},
	}
	return &kind{
		name: "kusto-cluster", typ: "Microsoft.Kusto/clusters", content: jsonCharset,
		pace: Pace{
			Check: For(time.Hour), DenyAfter: For(time.Hour), RecoverAfter: For(time.Hour),
		},
		linkOf: func(d doc) link {
			return partsLink(text(d, kustoKey+".keyVaultUri"), text(d, kustoKey+".keyName"), text(d, kustoKey+".keyVersion"))
		},
		adopt: func(*Server, *resource, string, time.Time) {}, // nothing shows it
		pin:   pinParts(kustoKey),
		write: w.write, remove: removeNow(http.StatusOK), keyPath: kustoKey,
		refused: func(_ *call, l link, f flaw) *answer { return generalRefusal(l, f) },
		see:     func(_ *Server, _ *call, _ *resource, d doc) { d["type"] = "Microsoft.Kusto/Clusters" },
		built: func(s *Server, d doc, key string) {
			d["sku"] = doc{"name": "Standard_E2a_v4", "tier": "Standard", "capacity": 2}
			kustoRest(s, d, s.restedSince())
			if l := keyLink(key); l.key != "" {
				vault, name, _ := strings.Cut(l.key, "/keys/")
				put(d, kustoKey, doc{"keyVaultUri": vault, "keyName": name, "keyVersion": l.pinned, "userIdentity": identityOf(d)})
			}
		},
	}
}

// kustoStyle is in the region, and is Running meanwhile [recording kusto.cluster].
func kustoStyle() operationStyle { return statusStyle("operationResults", "Running") }

// kustoRest is a cluster as it rests [recording kusto.cluster].
func kustoRest(_ *Server, d doc, _ time.Time) {
	address := strings.ToLower(text(d, "name")) + "." + regionName(text(d, "location")) + ".kusto.windows.net"
	defaults(d, doc{"properties": doc{
		"provisioningState": "Succeeded", "state": "Running", "stateReason": nil,
		"uri": "https://" + address, "dataIngestionUri": "https://ingest-" + address,
		"keyVaultProperties": nil, "enableDiskEncryption": false, "enableStreamingIngest": true, "enablePurge": true,
		"enableDoubleEncryption": false, "engineType": "V3", "restrictOutboundNetworkAccess": "Disabled",
		"publicNetworkAccess": "Enabled", "allowedIpRangeList": []any{}, "enableAutoStop": true, "publicIPType": "IPv4",
	}})
}
