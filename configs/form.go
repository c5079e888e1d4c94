package configs

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// form is a shape that a text must have. The pattern is what a JSON schema can
// say of it; check says the rest and why a text is not of the form.
type form struct {
	pattern *regexp.Regexp
	message string // completes "TEXT …"
	// private keeps the text out of messages: people paste secrets there.
	private bool
	hint    string
	// check returns what is wrong with a text that fits the pattern.
	check func(text string) (message, hint string)
}

const (
	guidPattern = `[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`
	namePattern = `^[a-z0-9][a-z0-9._-]{0,62}$`
	nameMessage = "is not a name of at most 63 characters of a-z, 0-9, '.', '_' and '-', " +
		"beginning with a letter or a digit"
	// The name of a systemd credential, or a path.
	credentialPattern = `^(/[^\x00-\x1f]+|[A-Za-z0-9][A-Za-z0-9._-]{0,254})$`
	// Domain accounts hold a backslash or an @.
	accountPattern = `[A-Za-z_][A-Za-z0-9_.@\\-]{0,255}\$?`
	// Azure changes the case of parts of an id between calls.
	resourcePattern = `^/[sS]ubscriptions/[^/]+/[rR]esource[gG]roups/[^/]+` +
		`/[pP]roviders/[^/]+/[^/]+/[^/]+`
)

var forms = map[string]form{
	"path": {
		pattern: regexp.MustCompile(`^/[^\x00-\x1f]*$`),
		message: "is not an absolute path", hint: "begin it with /", check: checkPath,
	},
	"account": {
		pattern: regexp.MustCompile(`^` + accountPattern + `$`),
		message: "is not the name of a group",
	},
	"guid": {
		pattern: regexp.MustCompile(`^` + guidPattern + `$`),
		private: true,
		message: "is not a GUID such as 11111111-2222-3333-4444-555555555555",
		hint:    "`az account show` prints the subscription's id and tenantId",
	},
	"credential": {
		pattern: regexp.MustCompile(credentialPattern),
		private: true,
		message: "is neither the name of a credential nor an absolute path",
		hint:    "name what LoadCredential= in the unit names, for instance cmkd-client.pem",
		check:   checkCredential,
	},
	"member": {
		pattern: regexp.MustCompile(`^((user|group):` + accountPattern + `|(uid|gid):[0-9]{1,10})$`),
		message: "is not of the form user:NAME, group:NAME, uid:NUMBER or gid:NUMBER",
	},
	"service": {
		pattern: regexp.MustCompile(credentialPattern),
		private: true,
		message: "is neither the name of a credential nor an absolute path",
		hint: "write the service URL, which holds secrets, into a file, " +
			"and name what LoadCredential= in the unit names, for instance cmkd-chat-url",
		check: checkCredential,
	},
	"alertmanager": {
		pattern: regexp.MustCompile(`^https?://`),
		private: true,
		message: "is not a URL such as https://alertmanager.example.com:9093",
		check:   checkAlertmanager,
	},
	"runbook": {
		pattern: regexp.MustCompile(`^(https?:/)?/`),
		private: true,
		message: "is neither an http or https URL nor an absolute path", check: checkRunbook,
	},
	"argument": {
		pattern: regexp.MustCompile(`^[^\x00]*$`),
		private: true,
		message: "holds a zero byte", check: checkArgument,
	},
	"listen": {
		pattern: regexp.MustCompile(`^(|unix:/.+|[^/]+:[0-9]+)$`),
		message: "is neither an address with a port nor unix: and a path", hint: listenHint, check: checkListen,
	},
	"host": {
		pattern: regexp.MustCompile(`^[A-Za-z0-9.:-]{1,253}$`),
		message: "is not a host name", hint: hostHint, check: checkHost,
	},
	"receiver": {
		pattern: regexp.MustCompile(namePattern),
		message: nameMessage,
	},
	"rule": {
		pattern: regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`),
		message: "is not the name of a rule", hint: "for instance propagation-stalled",
	},
	"zone": {
		pattern: regexp.MustCompile(`^[A-Za-z0-9_+/-]+$`),
		message: "is not a time zone", hint: "name one as in Europe/Berlin", check: checkZone,
	},
	"kind": {
		pattern: regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`),
		message: "is not the name of a kind", hint: "for instance storage or disk-encryption-set",
	},
	"name": {
		pattern: regexp.MustCompile(namePattern),
		message: nameMessage, check: checkName,
	},
	"label": {
		pattern: regexp.MustCompile(`^[^\x00-\x1f\x7f]{1,128}$`),
		message: "is not one line of at most 128 characters",
	},
	"reason": {
		pattern: regexp.MustCompile(`^[^\x00-\x1f\x7f]{1,512}$`),
		message: "is not one line of at most 512 characters",
	},
	"key": {
		pattern: regexp.MustCompile(`^https://`),
		message: "is not of the form https://VAULT.vault.azure.net/keys/NAME",
		hint:    "`az keyvault key show --query key.kid` prints it; drop the version", check: checkKey,
	},
	"resource": {
		pattern: regexp.MustCompile(resourcePattern),
		message: "is not of the form /subscriptions/GUID/resourceGroups/GROUP/providers/NAMESPACE/TYPE/NAME",
		hint:    "`az resource list --query '[].id'` prints ids", check: checkResource,
	},
}

// inspect returns what is wrong with a text that should have the form.
func (f form) inspect(text string) (message, hint string) {
	if !f.pattern.MatchString(text) {
		return f.name(text) + " " + f.message, f.hint
	}
	if f.check == nil {
		return "", ""
	}
	if message, hint = f.check(text); message != "" {
		return f.name(text) + " " + message, hint
	}
	return "", ""
}

func (f form) name(text string) string {
	if f.private {
		return "this"
	}
	return quote(text)
}

func checkPath(text string) (string, string) {
	if clean := path.Clean(text); clean != text || clean == "/" {
		return "is not the plain path of a file", "without //, . or .. and without a / at the end"
	}
	return "", ""
}

func checkCredential(text string) (string, string) {
	if strings.HasPrefix(text, "/") {
		return checkPath(text)
	}
	return "", ""
}

func checkZone(text string) (string, string) {
	const hint = "name one of the IANA database, such as UTC or Europe/Berlin"
	if text == "Local" {
		return "depends on the machine", hint
	}
	if _, err := time.LoadLocation(text); err != nil {
		return "is not a known time zone", hint
	}
	return "", ""
}

var operationPattern = regexp.MustCompile(`^op-[0-9]+$`)

func checkName(text string) (string, string) {
	if operationPattern.MatchString(text) {
		return "looks like the id of an operation", "commands take both: choose another name"
	}
	return "", ""
}

var (
	vaultPattern   = regexp.MustCompile(`^[0-9a-z-]{3,24}$`)
	keyNamePattern = regexp.MustCompile(`^[0-9a-zA-Z-]{1,127}$`)
	versionPattern = regexp.MustCompile(`^[0-9a-fA-F]{32}$`)
)

// cloudOfSuffix tells the cloud by the part of a vault's host name after its
// first label. Source: azure/facts.md sections 2 and 5; Managed HSM has the same
// sovereign suffixes.
var cloudOfSuffix = map[string]string{
	"vault.azure.net": "public", "managedhsm.azure.net": "public",
	"vault.usgovcloudapi.net": "usgovernment", "managedhsm.usgovcloudapi.net": "usgovernment",
	"vault.azure.cn": "china", "managedhsm.azure.cn": "china",
}

func checkKey(text string) (string, string) {
	const form = "is not of the form https://VAULT.vault.azure.net/keys/NAME"
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.Host == "" || strings.ContainsAny(text, "%?#") {
		return form, ""
	}
	if p := u.Port(); p != "" && p != "443" {
		return "names port " + p + ", vaults answer on 443", "drop the port"
	}
	vault, suffix, _ := strings.Cut(strings.ToLower(u.Hostname()), ".")
	if cloudOfSuffix[suffix] == "" || !vaultPattern.MatchString(vault) {
		return "is not at a Key Vault or Managed HSM",
			"its host name ends in one of " + strings.Join(suffixes(), ", ")
	}
	parts := strings.Split(strings.TrimPrefix(u.Path, "/"), "/")
	if len(parts) == 3 && parts[0] == "keys" && versionPattern.MatchString(parts[2]) {
		return "names one version of the key", "drop the version: https://" + u.Host + "/keys/" + parts[1]
	}
	if len(parts) != 2 || parts[0] != "keys" || !keyNamePattern.MatchString(parts[1]) {
		return form, "`az keyvault key show --query key.kid` prints it; drop the version"
	}
	return "", ""
}

func suffixes() []string {
	var all []string
	for s := range cloudOfSuffix {
		all = append(all, s)
	}
	slices.Sort(all)
	return all
}

// vaultCloud returns the cloud that a key identifier belongs to.
func vaultCloud(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	_, suffix, _ := strings.Cut(strings.ToLower(u.Hostname()), ".")
	return cloudOfSuffix[suffix]
}

// sameKey returns what two identifiers of one key have in common.
func sameKey(uri string) string {
	return strings.Replace(strings.ToLower(uri), ":443/", "/", 1)
}

var (
	subscriptionPattern = regexp.MustCompile(`^` + guidPattern + `$`)
	segmentPattern      = regexp.MustCompile(`^[\pL\pN_.()-]+$`)
)

// checkResource refuses whatever could lead a request astray: ids become part
// of URLs and of queries.
func checkResource(text string) (string, string) {
	const hint = "copy the id from `az resource list --query '[].id'`"
	parts := strings.Split(text[1:], "/")
	for _, part := range parts {
		if part == "." || part == ".." || !segmentPattern.MatchString(part) {
			return "has the part " + quote(part), hint
		}
	}
	if !subscriptionPattern.MatchString(parts[1]) {
		return "has a subscription that is not a GUID", hint
	}
	// An id ends with pairs of type and name after its namespace.
	if len(parts)%2 != 0 {
		return "ends with a type that has no name", hint
	}
	return "", ""
}
