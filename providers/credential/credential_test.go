package credential_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cmkd/providers/credential"
	"cmkd/rotator"
)

func TestNew_says_what_is_missing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.pem")
	if err := os.WriteFile(garbage, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	certificate := func(path string) credential.Options {
		return credential.Options{Name: credential.ClientCertificate, TenantID: "contoso.example", ClientID: "c", CertificatePath: path}
	}
	for name, tt := range map[string]struct {
		o    credential.Options
		says string
	}{
		"unknown name":   {credential.Options{Name: "password"}, `no credential named "password"`},
		"all missing":    {credential.Options{Name: credential.ClientCertificate}, "lacks a tenant, a client id, a certificate path"},
		"no file":        {certificate(filepath.Join(dir, "none.pem")), "no such file"},
		"no certificate": {certificate(garbage), "read the certificate"},
		"no directory":   {certificate("cert.pem"), "no credentials directory"},
		"no environment": {credential.Options{Name: credential.Environment}, "set up the credential"},
		"no federation":  {credential.Options{Name: credential.WorkloadIdentity}, "set up the credential"},
		"out of directory": {func() credential.Options {
			o := certificate("../x")
			o.Getenv = func(string) string { return dir }
			return o
		}(), "leads out"},
	} {
		if tt.o.Getenv == nil {
			tt.o.Getenv = func(string) string { return "" }
		}
		_, err := credential.New(tt.o)
		var e *rotator.Error
		if !errors.As(err, &e) || e.Code != rotator.CodeInvalid || !strings.Contains(err.Error(), tt.says) || e.Hint == "" && name != "out of directory" {
			t.Errorf("%s: got %+v", name, err)
			continue
		}
		if text := err.Error() + e.Hint; strings.Contains(text, "hunter2") || strings.Contains(text, "\n") {
			t.Errorf("%s: unfit for people: %s", name, text)
		}
	}
}

func TestNew_makes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeCertificate(t, filepath.Join(dir, "cert.pem"))
	for _, o := range []credential.Options{
		{}, {Name: credential.Default}, {Name: credential.ManagedIdentity}, {Name: credential.ManagedIdentity, ClientID: "c"}, {Name: credential.AzureCLI},
		{Name: credential.ClientCertificate, TenantID: "contoso.example", ClientID: "c", CertificatePath: "cert.pem"},
		{Name: credential.ClientCertificate, TenantID: "contoso.example", ClientID: "c", CertificatePath: filepath.Join(dir, "cert.pem")},
	} {
		o.Getenv = func(name string) string {
			if name == "CREDENTIALS_DIRECTORY" {
				return dir
			}
			return ""
		}
		cred, err := credential.New(o)
		if err != nil || cred == nil {
			t.Errorf("%+v: %v", o.Name, err)
		}
	}
	for _, name := range credential.Names() {
		if credential.Explain(name) == "" {
			t.Errorf("%s is not explained", name)
		}
	}
}

func writeCertificate(t *testing.T, path string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cmkd"}, NotAfter: time.Unix(4102444800, 0)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	data := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
