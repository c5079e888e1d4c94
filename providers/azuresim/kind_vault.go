package azuresim

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

const kindVault = "vault"

// vaultKind is the key vault as a resource [recordings keyvault.*]. Managed
// HSMs have no document here.
func vaultKind() *kind {
	return &kind{
		name: kindVault, typ: "Microsoft.KeyVault/vaults", content: jsonCharset,
		write: vaultWrite, remove: vaultRemove, see: vaultSee, placed: (*Server).adoptVault,
		altered: func(s *Server, _ *resource) { s.settleServices(s.moment()) },
		bad: func(c *call, r *resource, body doc) *answer {
			return badVault(c, r, c.sim.vaults[strings.ToLower(c.target.name)+vaultSuffix], body)
		},
	}
}

// vaultSee leaves out what older API versions do not know, and a firewall that
// lets everything in [recordings compute.disk-encryption-set (2019-09-01),
// eventhubs.namespace-encryption].
func vaultSee(_ *Server, c *call, _ *resource, d doc) {
	if c.version() < "2021-04" {
		delete(d, "systemData")
	}
	rules := append(anyList(d, "properties.networkAcls.ipRules"),
		anyList(d, "properties.networkAcls.virtualNetworkRules")...)
	if len(rules) == 0 && strings.EqualFold(text(d, "properties.networkAcls.defaultAction"), "Allow") {
		delete(object(d, "properties"), "networkAcls")
	}
}

func anyList(d doc, path string) []any {
	list, _ := at(d, path).([]any)
	return list
}

// vaultDoc is a vault as it rests.
func (s *Server) vaultDoc(id resourceID, v *vault, made time.Time) doc {
	d := common(id, "Microsoft.KeyVault/vaults", v.spec.Location, v.spec.Tags)
	stamp := made.UTC().Format("2006-01-02T15:04:05.000Z")
	d["systemData"] = doc{
		"createdBy": "ops@contoso.com", "createdByType": "User", "createdAt": stamp,
		"lastModifiedBy": "ops@contoso.com", "lastModifiedByType": "User", "lastModifiedAt": stamp,
	}
	p := doc{
		"sku": doc{"family": "A", "name": "standard"}, "tenantId": s.tenant, "accessPolicies": []any{},
		"enabledForDeployment": false, "enableSoftDelete": true, "softDeleteRetentionInDays": v.retention(),
		"enableRbacAuthorization": true, "vaultUri": "https://" + v.host + "/",
		"provisioningState": "Succeeded", "publicNetworkAccess": "Enabled",
	}
	if v.spec.PurgeProtection {
		p["enablePurgeProtection"] = true
	}
	d["properties"] = p
	return d
}

// vaultWrite creates, updates or recovers a vault, at once.
func vaultWrite(s *Server, c *call, r *resource, body doc, _ bool) *answer {
	host := strings.ToLower(c.target.name) + vaultSuffix
	v := s.vaults[host]
	if r == nil {
		if v == nil {
			v = &vault{host: host, keys: map[string]*key{}, spec: VaultSpec{Place: Place{
				Name: c.target.name, Subscription: c.target.subscription, ResourceGroup: c.target.group,
				Location: regionName(text(body, "location")),
			}}}
			s.addVault(v)
		}
		if v.deleted {
			v.deleted = false
			s.vaultChanged(v, c.now)
		}
		r = s.newResource(c)
		r.doc = s.vaultDoc(r.id, v, c.now)
		delete(object(r.doc, "properties"), "enableRbacAuthorization")
		s.add(r)
	}
	next := clone(r.doc)
	for _, name := range []string{"id", "name", "type", "systemData", "location"} {
		delete(body, name)
	}
	delete(object(body, "properties"), "createMode")
	merge(next, body)
	put(next, "properties.vaultUri", "https://"+host+"/")
	put(next, "systemData.lastModifiedAt", c.now.Format("2006-01-02T15:04:05.000Z"))
	v.spec.PurgeProtection = truth(next, "properties.enablePurgeProtection")
	if n, ok := at(next, "properties.softDeleteRetentionInDays").(json.Number); ok {
		if days, err := n.Int64(); err == nil {
			v.spec.RetentionDays = int(days)
		}
	}
	s.change(r, next)
	return reply(http.StatusOK, r.view(c))
}

// vaultRemove soft-deletes a vault: its host no longer resolves, its services
// lose the key.
func vaultRemove(s *Server, c *call, r *resource) *answer {
	s.drop(r)
	if v := s.vaults[strings.ToLower(r.id.name)+vaultSuffix]; v != nil {
		v.deleted, v.deletedAt = true, c.now
		s.vaultChanged(v, c.now)
	}
	return newAnswer(http.StatusOK)
}

// addVault takes a data plane into the estate.
func (s *Server) addVault(v *vault) {
	s.vaults[v.host] = v
	s.made = append(s.made, v)
}

// vaultChanged tells all that uses keys of a vault that it came or went.
func (s *Server) vaultChanged(v *vault, now time.Time) {
	for _, name := range v.names(func(*key) bool { return true }) {
		s.keyChanged(v.keys[name], now)
	}
}
