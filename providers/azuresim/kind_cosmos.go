package azuresim

import (
	"net/http"
	"strings"
	"time"
)

const kindCosmos = "cosmosdb"

// cosmosKind is the Cosmos DB account. It re-wraps an hour or so after a new
// version and does not say so; the loss of its key shows in
// customerManagedKeyStatus (facts §4).
func cosmosKind() *kind {
	return &kind{
		name: kindCosmos, typ: "Microsoft.DocumentDB/databaseAccounts", content: jsonPlain,
		eager: true,
		pace: Pace{
			Check: For(time.Hour), DenyAfter: For(30 * time.Minute), RecoverAfter: For(30 * time.Minute),
		},
		linkOf: func(d doc) link {
			l := keyLink(text(d, "properties.keyVaultKeyUri"))
			return link{key: l.key, pinned: l.pinned}
		},
		needs: cosmosBackups,
		write: cosmosWrite, remove: removeLater(cosmosStyle()), see: cosmosSee, busy: cosmosBusy,
		bad:     func(_ *call, r *resource, body doc) *answer { return cosmosRevoked(r, body) },
		keyPath: "properties.keyVaultKeyUri", refused: cosmosRefused,
		keyOff:  func(d doc) bool { return text(d, "properties.keyVaultKeyUri") == "" },
		onePage: true, // the model of the list has no nextLink [example cosmosdb-2021-10-15]
	}
}

// cosmosBusy answers 412 (public report: terraform-provider-azurerm #15842).
func cosmosBusy(r *resource) *answer {
	return problem(http.StatusPreconditionFailed, "PreconditionFailed",
		"There is another user operation in progress which requires an exclusive lock on [%s]. Please retry after"+
			" sometime.", r.id.name)
}

// cosmosSee adds the status of the key from the API version on that has it,
// 2023-09-15.
func cosmosSee(_ *Server, c *call, r *resource, d doc) {
	// Until 2021-10 the schema had a longer name [recording
	// cosmosdb.key-vault-key-uri, example cosmosdb-2021-10-15].
	if schema := at(d, "properties.analyticalStorageConfiguration.schemaType"); c.version() < "2021-10" && schema != nil {
		put(d, "properties.analyticalStorageConfiguration", doc{"analyticalStorageSchemaType": schema})
	}
	if r.link.key == "" || c.version() < "2023-09-15" {
		return
	}
	put(d, "properties.customerManagedKeyStatus", cosmosStatus(r))
}

// cosmosStatus is the prose whose last parenthesis is the machine's part. The
// beginnings and the codes are those of facts §4; what lies between is not
// verified.
func cosmosStatus(r *resource) string {
	const revoked = "Access to your account is currently revoked because "
	const more = "; for more details about this error and how to restore access to your account please visit" +
		" https://learn.microsoft.com/en-us/azure/cosmos-db/cmk-troubleshooting-guide "
	switch r.denied {
	case deniedNot:
		return "Access to the configured customer managed key confirmed."
	case deniedForbidden:
		return revoked + "the access rules are blocking the Azure Cosmos DB default identity, which no longer has" +
			" permission to the associated Azure Key Vault" + more + "(4002)."
	case deniedDeleted:
		return revoked + "the associated customer managed key is not found on the Azure Key Vault" + more + "(4003)."
	case deniedVault:
		return revoked + "the corresponding Azure Key Vault was not found" + more + "(4017)."
	default:
		return revoked + "the Azure Cosmos DB service is unable to wrap or unwrap the associated customer managed key" +
			more + "(4005)."
	}
}

// cosmosBackups are the versions of the backups that are kept: a restore needs the
// one that was current when the backup was made, still enabled (facts §1). Backups
// of the periodic policy come at its interval, counted from when the account was
// made (an assumption), and are kept for its retention.
func cosmosBackups(_ *Server, r *resource, now time.Time) []held {
	if r.link.key == "" || text(r.doc, "properties.backupPolicy.type") != "Periodic" {
		return nil
	}
	const periodic = "properties.backupPolicy.periodicModeProperties"
	interval := time.Duration(whole(at(r.doc, periodic+".backupIntervalInMinutes"))) * time.Minute
	retention := time.Duration(whole(at(r.doc, periodic+".backupRetentionIntervalInHours"))) * time.Hour
	if interval <= 0 {
		return nil
	}
	var out []held
	last := r.made.Add(now.Sub(r.made).Truncate(interval))
	for taken := last; now.Sub(taken) <= retention && !taken.Before(r.made); taken = taken.Add(-interval) {
		if l := r.linkAt(taken); l.pinned != "" {
			out = append(out, held{link: l, why: NeedBackup})
		}
	}
	return out
}

// cosmosDoc is an account as it rests [recording cosmosdb.key-vault-key-uri].
func (s *Server) cosmosDoc(id resourceID, location string, tags map[string]string, made time.Time) doc {
	d := common(id, "Microsoft.DocumentDB/databaseAccounts", displayRegion(location), tags)
	host := "https://" + id.name
	defaults(d, doc{
		"kind":       "GlobalDocumentDB",
		"systemData": doc{"createdAt": stampZ(made)},
		"identity":   doc{"type": "None"},
		"properties": doc{
			"provisioningState": "Succeeded", "documentEndpoint": host + ".documents.azure.com:443/",
			"publicNetworkAccess": "Enabled", "enableAutomaticFailover": false,
			"enableMultipleWriteLocations": false, "enablePartitionKeyMonitor": false,
			"isVirtualNetworkFilterEnabled": false, "virtualNetworkRules": []any{},
			"EnabledApiTypes": "Sql", "disableKeyBasedMetadataWriteAccess": false, "enableFreeTier": false,
			"enableAnalyticalStorage":        false,
			"analyticalStorageConfiguration": doc{"schemaType": "WellDefined"},
			"instanceId":                     s.mint.guid("instance", id.path()), "createMode": "Default",
			"databaseAccountOfferType": "Standard", "defaultIdentity": "FirstPartyIdentity",
			"networkAclBypass": "None", "disableLocalAuth": false,
			"consistencyPolicy": doc{
				"defaultConsistencyLevel": "Session", "maxIntervalInSeconds": 5, "maxStalenessPrefix": 100,
			},
			"configurationOverrides": doc{}, "cors": []any{}, "capabilities": []any{}, "ipRules": []any{},
			"backupPolicy": doc{"type": "Periodic", "periodicModeProperties": doc{
				"backupIntervalInMinutes": 240, "backupRetentionIntervalInHours": 8, "backupStorageRedundancy": "Geo",
			}},
			"networkAclBypassResourceIds": []any{},
		},
	})
	cosmosRegions(d, id.name, []string{location}, "Succeeded")
	return d
}

// cosmosRegions fills in the four lists that name the account's regions.
func cosmosRegions(d doc, name string, regions []string, state string) {
	var full, policies []any
	for i, region := range regions {
		id := name + "-" + regionName(region)
		entry := doc{
			"id": id, "locationName": displayRegion(region), "provisioningState": state,
			"failoverPriority": i, "isZoneRedundant": false,
		}
		if state == "Succeeded" {
			entry["documentEndpoint"] = "https://" + id + ".documents.azure.com:443/"
		}
		full = append(full, entry)
		policies = append(policies, doc{
			"id": id, "locationName": displayRegion(region), "failoverPriority": i,
		})
	}
	p := object(d, "properties")
	p["writeLocations"], p["readLocations"], p["locations"] = full[:1], full, full
	p["failoverPolicies"] = policies
}

// displayRegion spells a region as Cosmos DB does.
func displayRegion(location string) string {
	known := map[string]string{
		"westus": "West US", "eastus": "East US", "eastus2": "East US 2", "westus2": "West US 2",
		"westeurope": "West Europe", "northeurope": "North Europe", "uksouth": "UK South",
		"westcentralus": "West Central US", "southcentralus": "South Central US", "centralus": "Central US",
	}
	if name, ok := known[regionName(location)]; ok {
		return name
	}
	return location
}

// cosmosWrite creates or updates an account: 200 with the headers of an
// operation [recording cosmosdb.key-vault-key-uri].
func cosmosWrite(s *Server, c *call, r *resource, body doc, _ bool) *answer {
	state := "Updating"
	if r == nil {
		state = "Creating"
		r = s.newResource(c)
		r.doc = s.cosmosDoc(r.id, text(body, "location"), nil, c.now)
		s.add(r)
	}
	next := clone(r.doc)
	regions := cosmosAsked(body)
	for _, name := range []string{"id", "name", "type", "location"} {
		delete(body, name)
	}
	delete(object(body, "properties"), "locations")
	delete(object(body, "properties"), "apiProperties")
	merge(next, body)
	put(next, "properties.provisioningState", state)
	if state == "Creating" {
		delete(object(next, "properties"), "documentEndpoint")
		put(next, "properties.defaultIdentity", text(body, "properties.defaultIdentity"))
	}
	if len(regions) > 0 {
		cosmosRegions(next, r.id.name, regions, state)
	}
	s.identify(next)
	s.change(r, next)
	a := reply(http.StatusOK, r.view(c))
	s.begin(c, r, cosmosStyle(), a, func(now time.Time) doc { return cosmosDone(s, r, regions, now) })
	return a
}

// cosmosAsked returns the regions of a request.
func cosmosAsked(body doc) []string {
	list, _ := at(body, "properties.locations").([]any)
	var out []string
	for _, entry := range list {
		if d, ok := entry.(doc); ok {
			out = append(out, text(d, "locationName"))
		}
	}
	return out
}

// cosmosDone ends a write.
func cosmosDone(s *Server, r *resource, regions []string, now time.Time) doc {
	next := clone(r.doc)
	put(next, "properties.provisioningState", "Succeeded")
	put(next, "properties.documentEndpoint", "https://"+r.id.name+".documents.azure.com:443/")
	if text(next, "properties.defaultIdentity") == "" {
		put(next, "properties.defaultIdentity", "FirstPartyIdentity")
	}
	if len(regions) == 0 {
		regions = cosmosAsked(next)
	}
	if len(regions) > 0 {
		cosmosRegions(next, r.id.name, regions, "Succeeded")
	}
	s.change(r, next)
	if id := s.pick(r, now); id != "" && !strings.EqualFold(id, r.inUse) {
		s.use(r, id, now)
	}
	return nil
}

// buildCosmos makes a Cosmos DB account; its key URI has no version.
func (s *Server) buildCosmos(spec CosmosSpec, p Place, n string) {
	s.start(kindCosmos, p, spec.Protected, func(id resourceID) doc {
		d := s.cosmosDoc(id, p.Location, p.Tags, s.restedSince())
		if k, _ := s.resolveKey(spec.Key, "", n); k != nil {
			put(d, "properties.keyVaultKeyUri", k.uri(nil))
		}
		return d
	})
}
