package kind

import (
	"fmt"
)

// deployment returns the document to PUT for a group that was read as doc: the
// same group with another key version, without what is read-only (recordings
// containerinstance.create.2025, containerinstance.lifecycle.2020; example
// ContainerGroupsCreateOrUpdate). It changes doc.
func deployment(doc document, version string) any {
	group, _ := doc.root.(map[string]any)
	drop(group, "id", "name", "type", "systemData", "etag")
	stripIdentity(doc.object("identity"))
	properties := doc.object("properties")
	if !doc.flag("properties.isCustomProvisioningTimeout") {
		drop(properties, "provisioningTimeoutInSeconds")
	}
	drop(properties, "provisioningState", "instanceView", "isCreatedFromStandbyPool", "isCustomProvisioningTimeout")
	drop(doc.object("properties.ipAddress"), "ip", "fqdn")
	for _, list := range []Path{"properties.containers", "properties.initContainers"} {
		for _, container := range doc.list(list) {
			drop(container.object("properties"), "instanceView")
		}
	}
	encryption := doc.object(groupEncryption)
	encryption[spelling(encryption, groupKeyVersion)] = version
	return doc
}

// stripIdentity leaves which identities the group has, without what Azure says
// about them.
func stripIdentity(identity map[string]any) {
	drop(identity, "principalId", "tenantId")
	assigned, _ := identity[spelling(identity, "userAssignedIdentities")].(map[string]any)
	for _, one := range assigned {
		if fields, ok := one.(map[string]any); ok {
			drop(fields, "principalId", "clientId")
		}
	}
}

// lostSecrets names the secrets that a group has and that Azure did not return:
// putting the document back would delete them. Sources: what the example
// ContainerGroupsCreateOrUpdate sends and gets back (storageAccountKey,
// workspaceKey, volumes' secret), recording containerinstance.create.2025
// (secret: {}), example ContainerGroupsGet_Succeeded (registry without
// password), and secureValue of the model in containerInstance.json.
func lostSecrets(doc document) []string {
	var lost []string
	for _, list := range []Path{"properties.containers", "properties.initContainers"} {
		for _, container := range doc.list(list) {
			lost = append(lost, lostVariables(container)...)
		}
	}
	for _, volume := range doc.list("properties.volumes") {
		name := volume.text("name")
		if volume.object("azureFile") != nil && volume.text("azureFile.storageAccountKey") == "" {
			lost = append(lost, fmt.Sprintf("storage account key of volume %q", name))
		}
		if secret := volume.object("secret"); secret != nil && !allTexts(secret) {
			lost = append(lost, fmt.Sprintf("secret of volume %q", name))
		}
	}
	for _, registry := range doc.list("properties.imageRegistryCredentials") {
		if registry.text("password") == "" && registry.text("identity") == "" {
			lost = append(lost, fmt.Sprintf("password of registry %q", registry.text("server")))
		}
	}
	if doc.has("properties.diagnostics.logAnalytics") && doc.text("properties.diagnostics.logAnalytics.workspaceKey") == "" {
		lost = append(lost, "key of the log workspace")
	}
	for _, extension := range doc.list("properties.extensions") {
		// protectedSettings are never returned, so that none can be told from one.
		if !extension.has("properties.protectedSettings") {
			lost = append(lost, fmt.Sprintf("protected settings of extension %q", extension.text("name")))
		}
	}
	return lost
}

// lostVariables names the secure variables of a container: they come back with
// a name and no value.
func lostVariables(container document) []string {
	var lost []string
	for _, variable := range container.list("properties.environmentVariables") {
		if !variable.has("value") && !variable.has("secureValue") {
			lost = append(lost, fmt.Sprintf("variable %q of container %q", variable.text("name"), container.text("name")))
		}
	}
	return lost
}

// allTexts reports whether an object holds at least one value, all of them texts.
func allTexts(object map[string]any) bool {
	for _, value := range object {
		if text, ok := value.(string); !ok || text == "" {
			return false
		}
	}
	return len(object) > 0
}
