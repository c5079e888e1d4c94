package configs

import (
	"regexp"
	"strings"
)

// secretHint says where a secret belongs that stands at a path.
func secretHint(path string) string {
	if strings.HasPrefix(path, "alerts.") || strings.HasPrefix(path, "web.") {
		return "a configuration holds no secrets: write it into a file " +
			"that LoadCredential= in the unit hands over, and name that"
	}
	return "a configuration holds no secrets: use a managed identity, " +
		"or a certificate that systemd hands over by LoadCredential="
}

// secretNames are the last words of names that people give to secrets.
var secretNames = regexp.MustCompile(`(?i)clientsecret$|(^|[_.-])` +
	`(secret|password|passwd|passphrase|token|connection_?string|(private|access|account|api)_?key)$`)

// secretValues are beginnings and marks that only secrets have.
var secretValues = regexp.MustCompile(`-----BEGIN|[?&]sig=|` +
	`(?i)\b(accountkey|sharedaccesskey|sharedaccesssignature|clientsecret|password)=`)

// secretName refuses a field whose name promises a secret. The value is never
// repeated.
func (d *decoder) secretName(name string, at place, path string) bool {
	if !secretNames.MatchString(name) {
		return false
	}
	d.fail(at, path, "looks like a secret", secretHint(path))
	return true
}

// secretValue refuses a text that is a secret, without repeating it.
func (d *decoder) secretValue(text string, at place, path string) bool {
	if !secretValues.MatchString(text) {
		return false
	}
	what := "holds a secret"
	if strings.Contains(text, "-----BEGIN") {
		what = "holds a certificate or a private key"
	}
	d.fail(at, path, what, secretHint(path))
	return true
}
