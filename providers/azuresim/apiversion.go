package azuresim

import (
	"net/http"
	"slices"
	"strings"
)

// apiVersions returns the API versions that a type is known to have, by its
// lower-case name, oldest first. A type that is not here takes all of a sound
// form. Beside the lists of one moment stand those that recordings use.
func apiVersions() map[string][]string {
	return map[string][]string{
		// Recording storage.customer-managed-key, the provider's description.
		"microsoft.keyvault/vaults": strings.Fields(`2015-06-01 2016-10-01 2018-02-14 2018-02-14-preview
			2019-09-01 2020-04-01-preview 2021-04-01-preview 2021-06-01-preview 2021-10-01 2021-11-01-preview
			2022-02-01-preview 2022-04-01 2022-05-01-preview 2022-07-01 2022-11-01 2023-02-01 2023-07-01
			2023-08-01-preview`),
		// Public report Azure/bicep#11044.
		"microsoft.compute/diskencryptionsets": strings.Fields(`2019-07-01 2019-11-01 2020-05-01 2020-06-30
			2020-09-30 2020-12-01 2021-04-01 2021-08-01 2021-12-01 2022-03-02 2022-07-02 2023-01-02 2023-04-02`),
		// Public report cloudfoundry/bosh-azure-cpi-release#688.
		"microsoft.compute/snapshots": strings.Fields(`2016-04-30-preview 2017-03-30 2018-04-01 2018-06-01 2018-09-30
			2019-03-01 2019-07-01 2019-11-01 2020-05-01 2020-06-30 2020-09-30 2020-12-01 2021-04-01 2021-08-01
			2021-12-01 2022-03-02 2022-07-02 2023-01-02 2023-04-02 2023-10-02`),
		// Public report Azure/azure-cli#28368.
		"microsoft.containerservice/managedclusters": strings.Fields(`2017-08-31 2018-03-31 2019-02-01 2019-04-01
			2019-06-01 2019-08-01 2019-10-01 2019-11-01 2020-01-01 2020-02-01 2020-03-01 2020-04-01 2020-06-01
			2020-07-01 2020-09-01 2020-11-01 2020-12-01 2021-02-01 2021-03-01 2021-05-01 2021-07-01 2021-08-01
			2021-09-01 2021-10-01 2022-01-01 2022-01-02-preview 2022-02-01 2022-03-01 2022-03-02-preview 2022-04-01
			2022-04-02-preview 2022-05-02-preview 2022-06-01 2022-06-02-preview 2022-07-01 2022-07-02-preview
			2022-08-01 2022-08-02-preview 2022-08-03-preview 2022-09-01 2022-09-02-preview 2022-10-02-preview
			2022-11-01 2022-11-02-preview 2023-01-01 2023-01-02-preview 2023-02-01 2023-02-02-preview 2023-03-01
			2023-03-02-preview 2023-04-01 2023-04-02-preview 2023-05-01 2023-05-02-preview 2023-06-01
			2023-06-02-preview 2023-07-01 2023-07-02-preview 2023-08-01 2023-08-02-preview 2023-09-01
			2023-09-02-preview 2023-10-01 2023-10-02-preview 2023-11-01`),
		// Public reports Azure/azure-powershell#14395 and Azure/ResourceModules#454.
		"microsoft.storage/storageaccounts": strings.Fields(`2015-05-01-preview 2015-06-15 2016-01-01 2016-05-01
			2016-07-01 2016-12-01 2017-06-01 2017-10-01 2018-02-01 2018-03-01-preview 2018-07-01 2018-11-01 2019-04-01
			2019-06-01 2020-08-01-preview 2021-01-01 2021-02-01 2021-04-01 2021-05-01 2021-06-01`),
	}
}

// versionsOf returns the API versions that are told of a type, oldest first: a few
// where they are not known.
func versionsOf(typ string) []string {
	if known := apiVersions()[strings.ToLower(typ)]; len(known) > 0 {
		return known
	}
	return []string{"2022-09-01", "2023-04-02", "2023-05-01"}
}

// knowsVersion says whether a type has an API version. Beyond the newest that is
// known there may be others, up to the scenario's present: they are taken, and
// what they add is not simulated.
func (c *call) knowsVersion() bool {
	version := strings.ToLower(c.version())
	if len(version) >= 10 && version[:10] > c.now.Format("2006-01-02") && version[:10] > latestSource {
		return false
	}
	known := apiVersions()[strings.ToLower(c.target.fullType())]
	if len(known) == 0 {
		return version >= "2014"
	}
	return slices.Contains(known, version) || version > known[len(known)-1]
}

// latestSource is the newest API version that a source of the simulator names,
// also where a scenario's present is earlier (facts-evidence §5,
// mongoClusters; facts-services A2).
const latestSource = "2026-10-01"

// badVersion refuses an API version that is none, or that the type does not
// have: with the words for a resource whose location is known, or for a type
// (public reports: azure-cli #28038, #28496 and acs-engine #4037).
func badVersion(c *call) *answer {
	known := versionsOf(c.target.fullType())
	switch {
	case !apiVersion.MatchString(c.version()):
		return problem(http.StatusBadRequest, "InvalidApiVersionParameter",
			"The api-version '%s' is invalid. The supported versions are '%s'.", c.version(), strings.Join(known, ","))
	case c.target.typ == "" || c.kind == nil || c.operation == operationGet || c.knowsVersion():
		return nil
	case c.sim.resources[fold(c.target.path())] != nil || c.method == http.MethodPut:
		return gateway(problem(http.StatusBadRequest, "NoRegisteredProviderFound",
			"No registered resource provider found for location 'westeurope' and API version '%s' for type '%s'. The"+
				" supported api-versions are '%s'. The supported locations are 'westeurope, eastus, eastus2'.",
			c.version(), c.target.typ, strings.Join(known, ", ")))
	}
	return gateway(problem(http.StatusNotFound, "InvalidResourceType",
		"The resource type '%s' could not be found in the namespace '%s' for api version '%s'. The supported"+
			" api-versions are '%s'.", c.target.typ, c.target.provider, c.version(), strings.Join(known, ",")))
}
