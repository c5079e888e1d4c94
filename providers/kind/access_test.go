package kind

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"cmkd/providers/arm/wire/wiretest"
	"cmkd/rotator"
)

func TestStorage_probe(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		answer   wiretest.Answer
		access   rotator.Access
		code     string
		errCode  rotator.Code
		errHint  string
		endpoint string
	}{
		{"allowed", wiretest.Answer{Body: `<?xml version="1.0"?><EnumerationResults/>`}, rotator.AccessAllowed, "", "", "", ""},
		{"denied by header", wiretest.Answer{Status: 403, Header: map[string]string{"x-ms-error-code": "KeyVaultEncryptionKeyNotFound"}}, rotator.AccessDenied, "KeyVaultEncryptionKeyNotFound", "", "", ""},
		{"denied by document", wiretest.Answer{Status: 403, Body: "\ufeff<?xml version=\"1.0\"?><Error><Code>KeyVaultVaultNotFound</Code><Message>m</Message></Error>"}, rotator.AccessDenied, "KeyVaultVaultNotFound", "", "", ""},
		{"no role", wiretest.Answer{Status: 403, Header: map[string]string{"x-ms-error-code": "AuthorizationPermissionMismatch"}}, "", "", rotator.CodeForbidden, `grant "Storage Blob Data Reader" on ` + accountID, ""},
		{"firewall", wiretest.Answer{Status: 403, Header: map[string]string{"x-ms-error-code": "AuthorizationFailure"}}, "", "", rotator.CodeForbidden, "firewall", ""},
		{"no container", wiretest.Answer{Status: 404, Header: map[string]string{"x-ms-error-code": "ContainerNotFound"}}, "", "", rotator.CodeNotFound, "probe_container", ""},
		{"busy", wiretest.Answer{Status: 503, Header: map[string]string{"x-ms-error-code": "ServerBusy", "Retry-After": "7"}}, "", "", rotator.CodeUnavailable, "", ""},
		{"another host", wiretest.Answer{}, "", "", rotator.CodeInternal, "own hosts", "https://acc.blob.evil.example/"},
		{"another account", wiretest.Answer{}, "", "", rotator.CodeInternal, "own hosts", "https://other.blob.core.windows.net/"},
		{"no TLS", wiretest.Answer{}, "", "", rotator.CodeInternal, "own hosts", "http://acc.blob.core.windows.net/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, func(r wiretest.Request) wiretest.Answer {
				if strings.HasPrefix(r.URL, "https://management.azure.com/") {
					doc := fmt.Sprintf(storageDoc, "")
					if tt.endpoint != "" {
						doc = strings.Replace(doc, "https://acc.blob.core.windows.net/", tt.endpoint, 1)
					}
					return wiretest.Answer{Body: doc}
				}
				if want := "https://acc.blob.core.windows.net/probe?comp=list&include=metadata&maxresults=1&restype=container"; r.URL != want || r.Header.Get("x-ms-version") == "" {
					t.Errorf("asked %s", r.URL)
				}
				return tt.answer
			})
			d := &rotator.Dependent{ID: accountID, Settings: map[string]string{"probe_container": "probe"}}
			o, err := k.kinds["storage"].Observe(t.Context(), d, rotator.Ask{Key: key, Access: true})
			if tt.errCode != "" {
				if e := mustError(t, err); e.Code != tt.errCode || !strings.Contains(e.Hint, tt.errHint) || !e.NoEffect {
					t.Errorf("got %+v", e)
				}
				return
			}
			if err != nil || o.Access != tt.access || o.AccessCode != tt.code || o.AccessEvidence != rotator.EvidenceConfirmed {
				t.Errorf("got %+v, %v", o, err)
			}
		})
	}
}

func TestMachines(t *testing.T) {
	t.Parallel()
	vm := func(n string) string { return group + "Microsoft.Compute/virtualMachines/" + n }
	for _, tt := range []struct {
		name     string
		owners   map[string]string // disk → managedBy
		power    map[string]string // machine → state
		access   rotator.Access
		evidence rotator.Evidence
	}{
		{"all off", map[string]string{"a": vm("1"), "b": vm("2"), "c": vm("2")}, map[string]string{"1": "deallocated", "2": "stopped"}, rotator.AccessDenied, rotator.EvidenceConfirmed},
		{"one runs", map[string]string{"a": vm("1"), "b": vm("2")}, map[string]string{"1": "deallocated", "2": "running"}, rotator.AccessAllowed, rotator.EvidenceConfirmed},
		{"one unclear", map[string]string{"a": vm("1"), "b": vm("2")}, map[string]string{"1": "deallocated", "2": "stopping"}, "", ""},
		{"none attached", map[string]string{"a": ""}, nil, "", ""},
		{"no disks", nil, nil, "", ""},
		{"one of a scale set", map[string]string{"a": group + "Microsoft.Compute/virtualMachineScaleSets/s/virtualMachines/0"}, map[string]string{"0": "deallocated"}, rotator.AccessDenied, rotator.EvidenceConfirmed},
		{"gone meanwhile", map[string]string{"a": vm("9")}, nil, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, func(r wiretest.Request) wiretest.Answer {
				path, query, _ := strings.Cut(strings.TrimPrefix(r.URL, "https://management.azure.com"), "?")
				name := path[strings.LastIndexByte(path, '/')+1:]
				switch {
				case strings.HasSuffix(path, "/associatedResources"):
					ids := []string{group + "Microsoft.Compute/snapshots/s"}
					for disk := range tt.owners {
						ids = append(ids, group+"Microsoft.Compute/disks/"+disk)
					}
					raw, _ := json.Marshal(map[string]any{"value": ids})
					return wiretest.Answer{Body: string(raw)}
				case strings.Contains(path, "/disks/"):
					return wiretest.Answer{Body: fmt.Sprintf(`{"managedBy":%q}`, tt.owners[name])}
				case strings.Contains(path, "irtualMachines/"):
					if !strings.Contains(query, "%24expand=instanceView") {
						t.Errorf("asked %s", r.URL)
					}
					if tt.power[name] == "" {
						return wiretest.Answer{Status: 404}
					}
					return wiretest.Answer{Body: fmt.Sprintf(`{"properties":{"instanceView":{"statuses":[{"code":"ProvisioningState/succeeded"},{"code":"PowerState/%s"}]}}}`, tt.power[name])}
				}
				return wiretest.Answer{Body: resource(setID, `"activeKey":{"keyUrl":"`+string(key)+"/"+v2+`"}`)}
			})
			o, err := k.kinds["disk-encryption-set"].Observe(t.Context(), &rotator.Dependent{ID: setID}, rotator.Ask{Key: key, Access: true})
			if err != nil || o.Access != tt.access || o.AccessEvidence != tt.evidence || !o.On(key, v2) {
				t.Errorf("got %+v, %v", o, err)
			}
		})
	}
}
