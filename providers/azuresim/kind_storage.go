package azuresim

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

const kindStorage = "storage"

// storageKind is the storage account. It looks for a new version once a day,
// and re-reads its key when an update names it (facts §1, §4). How soon the
// loss of a key is felt is not documented; ten minutes are an assumption.
func storageKind() *kind {
	return &kind{
		name: kindStorage, typ: "Microsoft.Storage/storageAccounts", content: jsonPlain,
		pace: Pace{
			Check: For(24 * time.Hour), DenyAfter: For(10 * time.Minute), RecoverAfter: For(10 * time.Minute),
		},
		linkOf: storageLink, adopt: storageAdopt, write: storageWrite,
		remove: removeNow(http.StatusOK), pin: storagePin, shown: storageShown,
		keyPath: storageKey, refused: storageRefused, keyOff: storageOwnKey,
		bad:       func(_ *call, r *resource, body doc) *answer { return badStorage(r, body) },
		throttled: storageThrottled, parallel: true, named: true,
	}
}

// storageOwnKey says that an account has Microsoft's keys.
func storageOwnKey(d doc) bool {
	return !strings.EqualFold(text(d, "properties.encryption.keySource"), "Microsoft.Keyvault")
}

func storagePin(d doc, _ *key, v *version, latest bool) {
	pinned := v.id
	if latest {
		pinned = ""
	}
	put(d, storageKey+".keyversion", pinned)
}

func storageShown(d doc) string { return text(d, storageKey+".currentVersionedKeyIdentifier") }

// storageThrottled speaks of the limits of the storage provider (facts §3).
func storageThrottled(c *call) *answer {
	return problem(http.StatusTooManyRequests, "TooManyRequests",
		"The request is being throttled as the limit has been reached for operation type - %s."+
			" For more information, see - https://aka.ms/srpthrottlinglimits", c.operation)
}

const storageKey = "properties.encryption.keyvaultproperties"

func storageLink(d doc) link {
	if !strings.EqualFold(text(d, "properties.encryption.keySource"), "Microsoft.Keyvault") {
		return link{}
	}
	return partsLink(text(d, storageKey+".keyvaulturi"), text(d, storageKey+".keyname"), text(d, storageKey+".keyversion"))
}

// storageAdopt writes the version in use. The epoch stands for "no expiry"
// (facts §4).
func storageAdopt(s *Server, r *resource, version string, now time.Time) {
	p := object(r.doc, storageKey)
	p["currentVersionedKeyIdentifier"] = s.versionURI(r, version)
	p["lastKeyRotationTimestamp"] = stampZ(now)
	expiry := time.Unix(0, 0)
	if k := s.keyOf(r); k != nil {
		if v := k.state.find(version); v != nil && v.exp != 0 {
			expiry = time.Unix(v.exp, 0)
		}
	}
	p["currentVersionedKeyExpirationTimestamp"] = stampZ(expiry)
}

// storageDoc is an account as it rests [recording storage.customer-managed-key].
func storageDoc(id resourceID, location string, tags map[string]string, made time.Time) doc {
	d := common(id, "Microsoft.Storage/storageAccounts", location, tags)
	stamp := stampZ(made)
	service := doc{"keyType": "Account", "enabled": true, "lastEnabledTime": stamp}
	defaults(d, doc{
		"sku": doc{"name": "Standard_LRS", "tier": "Standard"}, "kind": "StorageV2",
		"properties": doc{
			"keyCreationTime":             doc{"key1": stamp, "key2": stamp},
			"allowCrossTenantReplication": false, "privateEndpointConnections": []any{},
			"minimumTlsVersion": "TLS1_2", "allowBlobPublicAccess": false,
			"networkAcls": doc{
				"ipv6Rules": []any{}, "bypass": "AzureServices", "virtualNetworkRules": []any{},
				"ipRules": []any{}, "defaultAction": "Allow",
			},
			"supportsHttpsTrafficOnly": true,
			"encryption": doc{
				"services":  doc{"file": clone(service), "blob": clone(service)},
				"keySource": "Microsoft.Storage",
			},
			"accessTier": "Hot", "provisioningState": "Succeeded", "creationTime": stamp,
			"primaryEndpoints": storageEndpoints(id.name), "primaryLocation": location,
			"statusOfPrimary": "available",
		},
	})
	return d
}

func storageEndpoints(name string) doc {
	d := doc{}
	for _, service := range []string{"blob", "queue", "table", "file"} {
		d[service] = "https://" + name + "." + service + ".core.windows.net/"
	}
	return d
}

// storageWrite creates an account (202, then the account under Location) or
// updates one (200, at once [recording storage.customer-managed-key]).
func storageWrite(s *Server, c *call, r *resource, body doc, _ bool) *answer {
	if r != nil {
		storageUpdate(s, r, body, c.now)
		return reply(http.StatusOK, r.view(c))
	}
	// Names are taken for all of Azure (public report: terraform #11485).
	if s.accounts[strings.ToLower(c.target.name)] != nil {
		return problem(http.StatusConflict, "StorageAccountAlreadyTaken",
			"The storage account named %s is already taken.", c.target.name)
	}
	r = s.newResource(c)
	r.doc = storageDoc(r.id, regionName(text(body, "location")), nil, c.now)
	storageUpdate(s, r, body, c.now)
	s.add(r)
	s.watch(r, c.now.Add(r.pace.FirstCheck.Duration))
	a := newAnswer(http.StatusAccepted)
	style := operationStyle{collection: "asyncoperations", running: "InProgress"}
	s.begin(c, r, style, a, nil)
	// Storage sends Location alone.
	a.header.Del("Azure-Asyncoperation")
	return a
}

// storageUpdate lays a request over an account. Key properties are taken as
// they are given (a version stays in the answer only if the request had one),
// and the key is re-read at once.
func storageUpdate(s *Server, r *resource, body doc, now time.Time) {
	next := clone(r.doc)
	given, rekey := at(body, storageKey).(doc)
	for _, name := range []string{"id", "name", "type"} {
		delete(body, name)
	}
	if location := text(body, "location"); location != "" {
		body["location"] = regionName(location)
	}
	if rekey {
		current := at(next, storageKey)
		delete(object(next, "properties.encryption"), "keyvaultproperties")
		merge(next, body)
		if old, ok := current.(doc); ok {
			for _, name := range []string{
				"currentVersionedKeyIdentifier", "lastKeyRotationTimestamp", "currentVersionedKeyExpirationTimestamp",
			} {
				object(next, storageKey)[name] = old[name]
			}
		}
		merge(object(next, storageKey), given)
	} else {
		merge(next, body)
	}
	if strings.EqualFold(text(next, "properties.encryption.keySource"), "Microsoft.Storage") {
		delete(object(next, "properties.encryption"), "keyvaultproperties")
	}
	storageServices(next, now)
	s.identify(next)
	s.change(r, next)
	if rekey && !r.pace.Unnudged {
		s.reread(r, now)
	}
}

// storageServices gives enabled services the moment since when they are.
func storageServices(d doc, now time.Time) {
	services, _ := at(d, "properties.encryption.services").(doc)
	for _, service := range services {
		if service, ok := service.(doc); ok && truth(service, "enabled") {
			defaults(service, doc{"lastEnabledTime": stampZ(now), "keyType": "Account"})
		}
	}
	if text(d, "sku.tier") == "" {
		tier, _, _ := strings.Cut(text(d, "sku.name"), "_")
		put(d, "sku.tier", tier)
	}
}

// buildStorage makes a storage account.
func (s *Server) buildStorage(spec StorageSpec, p Place, n string) {
	r := s.start(kindStorage, p, spec.Protected, func(id resourceID) doc {
		d := storageDoc(id, p.Location, p.Tags, s.restedSince())
		k, v := s.resolveKey(spec.Key, spec.Version, n)
		if k == nil {
			return d
		}
		properties := doc{"keyvaulturi": "https://" + k.vault.host + "/", "keyname": k.name, "keyversion": ""}
		if spec.Version != "" && v != nil {
			properties["keyversion"] = v.id
		}
		put(d, "properties.encryption.keySource", "Microsoft.Keyvault")
		put(d, storageKey, properties)
		d["identity"] = doc{"type": "SystemAssigned"}
		s.identify(d)
		return d
	})
	r.extra = &storageExtra{containers: slices.Clone(spec.Containers), scopes: map[string]string{}}
	for _, scope := range spec.Scopes {
		s.buildScope(r, scope, n)
	}
	if r.inUse != "" {
		storageAdopt(s, r, r.inUse, r.made)
	}
}
