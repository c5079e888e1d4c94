package azuresim

import (
	"net/http"
	"strings"
	"time"
)

// hubKeys is the list of keys of a namespace of Event Hubs.
const hubKeys = "properties.encryption.keyVaultProperties"

// eventHubsKind is the namespace of Event Hubs, serviceBusKind that of Service Bus.
func eventHubsKind() *kind {
	return namespaceKind("eventhubs-namespace", "Microsoft.EventHub/namespaces", "Microsoft.EventHub/Namespaces")
}

func serviceBusKind() *kind {
	return namespaceKind("servicebus-namespace", "Microsoft.ServiceBus/namespaces", "Microsoft.ServiceBus/Namespaces")
}

// namespaceKind is a namespace of a messaging service: it looks after its keys every five minutes, and
// loses access only with all of them (facts-services A7). The simulation follows the versions
// of the first key alone; of the others it knows whether they can be used.
func namespaceKind(name, typ, shown string) *kind {
	return &kind{
		name: name, typ: typ, content: jsonCharset,
		pace: Pace{
			Check: For(5 * time.Minute), DenyAfter: For(5 * time.Minute), RecoverAfter: For(5 * time.Minute),
		},
		linkOf: func(d doc) link { return hubLink(hubElement(d, 0)) },
		adopt:  func(*Server, *resource, string, time.Time) {}, // nothing shows it
		pin: func(d doc, _ *key, v *version, latest bool) {
			if pinned := hubElement(d, 0); pinned != nil {
				pinned["keyVersion"] = v.id
				if latest {
					pinned["keyVersion"] = ""
				}
			}
		},
		spare: hubSpare, write: hubWrite, remove: removeNow(http.StatusOK), keyPath: hubKeys,
		refused: func(_ *call, l link, f flaw) *answer { return generalRefusal(l, f) },
		see:     func(_ *Server, _ *call, _ *resource, d doc) { d["type"] = shown },
		built: func(s *Server, d doc, key string) {
			d["sku"] = doc{"name": "Premium", "tier": "Premium", "capacity": 1}
			hubRest(s, d, s.restedSince())
			if l := keyLink(key); l.key != "" {
				vault, name, _ := strings.Cut(l.key, "/keys/")
				put(d, "properties.encryption", doc{"keySource": "Microsoft.KeyVault", "keyVaultProperties": []any{
					doc{"keyVaultUri": vault, "keyName": name, "keyVersion": l.pinned},
				}})
			}
		},
	}
}

// hubElement is one of the keys of a namespace, nil if there are fewer.
func hubElement(d doc, n int) doc {
	list, _ := at(d, hubKeys).([]any)
	if n >= len(list) {
		return nil
	}
	element, _ := list[n].(doc)
	return element
}

func hubLink(element doc) link {
	return partsLink(text(element, "keyVaultUri"), text(element, "keyName"), text(element, "keyVersion"))
}

// hubSpare says whether a key behind the first one can be used.
func hubSpare(s *Server, r *resource, now time.Time) bool {
	for n := 1; hubElement(r.doc, n) != nil; n++ {
		l := hubLink(hubElement(r.doc, n))
		if k := s.keyAt(l.key); k != nil && l.pinned == "" {
			v := k.state.current(now)
			if v == nil {
				continue
			}
			l.pinned = v.id
		}
		if s.whyNot(r, l, now) == deniedNot {
			return true
		}
	}
	return false
}

// hubWrite makes a namespace or changes one: 200, and no operation but the state that the
// namespace shows [recordings eventhubs.namespace-byok, eventhubs.namespace-encryption].
func hubWrite(s *Server, c *call, r *resource, body doc, patch bool) *answer {
	w := lateWrite{
		made: http.StatusOK, changed: http.StatusOK, creating: "Created", updating: "Updating", rest: hubRest,
		style: func() operationStyle { return statusStyle("operationResults", "Updating") },
		kept:  []string{"properties.encryption"}, // it cannot be taken away
	}
	a := w.write(s, c, r, body, patch)
	a.header.Del("Azure-Asyncoperation")
	return a
}

// hubRest is a namespace as it rests [recording eventhubs.namespace-encryption].
func hubRest(s *Server, d doc, made time.Time) {
	name := strings.ToLower(text(d, "name"))
	defaults(d, doc{"properties": doc{
		"minimumTlsVersion": "1.2", "publicNetworkAccess": "Enabled", "disableLocalAuth": false, "zoneRedundant": true,
		"isAutoInflateEnabled": false, "maximumThroughputUnits": 0, "kafkaEnabled": true, "provisioningState": "Succeeded",
		"metricId": s.mint.guid("metric", strings.ToLower(text(d, "id"))) + ":" + name, "createdAt": stampZ(made), "updatedAt": stampZ(made),
		"serviceBusEndpoint": "https://" + name + ".servicebus.windows.net:443/", "status": "Active",
	}})
}
