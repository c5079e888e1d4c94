package configs

import (
	"fmt"
	"reflect"
	"strings"
)

// validator checks a decoded configuration for what a single field cannot tell.
type validator struct {
	*decoder
	config *Config
	checks Checks
	gaps   map[string]gap
}

func (v *validator) validate() {
	v.validateFiles()
	v.validateAzure()
	v.validateRoles()
	v.validateAlerts()
	v.validateWeb()
	v.validateWindows(v.config.Windows, "windows")
	v.validateKeys()
}

// maxSocket is one less than what a unix socket's address has room for.
const maxSocket = 107

func (v *validator) validateFiles() {
	if v.config.Store == v.config.Socket {
		v.problem("socket", "is the same file as store", "leave it out for "+Default().Socket)
	}
	if len(v.config.Socket) > maxSocket {
		v.problem("socket", fmt.Sprintf("is longer than the %d bytes that a socket's path may have", maxSocket),
			"leave it out for "+Default().Socket)
	}
}

func (v *validator) validateAzure() {
	a := v.config.Azure
	fields := []struct {
		name, value string
		needed      bool
		used        bool
	}{
		{"tenant_id", a.TenantID, a.Credential == "client-certificate", a.Credential != "managed-identity"},
		{"client_id", a.ClientID, a.Credential == "client-certificate", a.Credential != "azure-cli"},
		{"certificate", a.Certificate, a.Credential == "client-certificate", a.Credential == "client-certificate"},
	}
	for _, f := range fields {
		path := "azure." + f.name
		switch {
		case f.needed && f.value == "":
			v.problem(path, "missing, though credential is "+a.Credential, "add it")
		case !f.used && f.value != "":
			v.warn(path, "has no effect while credential is "+a.Credential, "remove it")
		}
	}
}

func (v *validator) validateRoles() {
	roles := v.config.Roles
	for name, members := range map[string][]string{
		"viewers": roles.Viewers, "operators": roles.Operators, "approvers": roles.Approvers,
	} {
		seen := map[string]bool{}
		for i, m := range members {
			if seen[m] {
				v.warn(fmt.Sprintf("roles.%s[%d]", name, i), quote(m)+" is listed twice", "remove one")
			}
			seen[m] = true
		}
	}
}

// askers returns why nobody could ask for, or nobody else approve, a
// revocation; empty if two people can.
func (r Roles) alone() string {
	if len(r.Approvers) == 0 {
		return "nobody is an approver"
	}
	people := map[string]bool{}
	for _, m := range append(append([]string{}, r.Operators...), r.Approvers...) {
		if strings.HasPrefix(m, "group:") || strings.HasPrefix(m, "gid:") {
			return "" // who is in a group is not ours to know
		}
		people[m] = true
	}
	if len(people) < 2 {
		return "operators and approvers are one and the same person"
	}
	return ""
}

func (v *validator) validateWindows(windows map[string]Duration, path string) {
	if v.checks.CheckKind == nil {
		return
	}
	for kind := range windows {
		if !v.checks.CheckKind(kind) {
			v.problem(join(path, kind), "there is no kind "+quote(kind), "`cmkd config init` shows the kinds")
		}
	}
}

// required complains of fields that must be there, by their tags.
func (v *validator) required(s any, path string) {
	if v.bad[path] {
		return
	}
	value := reflect.ValueOf(s).Elem()
	names := v.fields(value.Type())
	for i := range value.NumField() {
		field := value.Field(i)
		if value.Type().Field(i).Tag.Get("need") != "" && (field.IsZero() || field.Kind() == reflect.Slice && field.Len() == 0) {
			v.problem(join(path, names[i]), "missing", "add it")
		}
	}
}
