package kind

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"cmkd/providers/arm/wire/wiretest"
	"cmkd/rotator"
)

// FuzzBlobProbe_AnyAnswer gives the access probe whatever a server may answer: it
// never sees a denial that the answer does not name by one of the documented
// codes, nor access in anything but a success.
func FuzzBlobProbe_AnyAnswer(f *testing.F) {
	f.Add(200, `<?xml version="1.0"?><EnumerationResults/>`, "")
	f.Add(403, `<?xml version="1.0"?><Error><Code>KeyVaultEncryptionKeyNotFound</Code><Message>x</Message></Error>`, "")
	f.Add(403, ``, "KeyVaultAccessTokenCannotBeAcquired")
	f.Add(403, `<Error><Code>AuthorizationPermissionMismatch</Code></Error>`, "")
	f.Add(404, `<Error><Code>ContainerNotFound</Code>`, "")
	f.Fuzz(func(t *testing.T, status int, body, code string) {
		if status < 200 || status > 599 || !utf8.ValidString(code) || strings.ContainsAny(code, "\r\n\x00") {
			t.Skip()
		}
		clock := wiretest.NewClock()
		transport := &wiretest.Transport{Clock: clock, Answer: func(wiretest.Request) wiretest.Answer {
			return wiretest.Answer{Status: status, Body: body, Header: map[string]string{"x-ms-error-code": code}}
		}}
		p := NewBlobProbe(wiretest.Credential{}, BlobOptions{Transport: transport, Clock: clock})
		seen, err := p.Look(t.Context(), accountID, "https://acc.blob.core.windows.net/", "ledger")
		if err != nil {
			if rotator.CodeOf(err) == "" || strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("unfit for people: %q", err.Error())
			}
			return
		}
		switch seen.Access {
		case rotator.AccessUnknown:
			t.Error("neither access, nor denial, nor an error")
		case rotator.AccessAllowed:
			if status != http.StatusOK {
				t.Errorf("access seen in status %d", status)
			}
		case rotator.AccessDenied:
			if status != http.StatusForbidden || !strings.Contains(strings.ToLower(body+code), strings.ToLower(seen.Code)) || !strings.HasPrefix(seen.Code, "KeyVault") {
				t.Errorf("denial %q seen in status %d, code %q, body %q", seen.Code, status, code, body)
			}
		}
	})
}
