// Package credential makes the daemon's Azure credential from its name. The
// configuration holds names, ids and paths only; secrets come from the
// environment or from systemd's credentials directory.
package credential

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"cmkd/providers/arm/wire"
	"cmkd/rotator"
)

// The names of credentials.
const (
	Default           = "default"            // azidentity's chain
	Environment       = "environment"        // AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET or a certificate
	ManagedIdentity   = "managed-identity"   // of the machine or the container
	WorkloadIdentity  = "workload-identity"  // of a Kubernetes pod
	ClientCertificate = "client-certificate" // a PEM or PKCS#12 file
	AzureCLI          = "azure-cli"          // who is logged in with az
)

// Names returns the names of credentials, the default first.
func Names() []string {
	return []string{Default, Environment, ManagedIdentity, WorkloadIdentity, ClientCertificate, AzureCLI}
}

// Options says which credential to make. Only Name is always used.
type Options struct {
	// Name is one of [Names]; empty means [Default].
	Name string
	// TenantID is the Entra tenant, a GUID or a domain. Required for
	// [ClientCertificate].
	TenantID string
	// ClientID is the application's, or a user-assigned identity's. Required for
	// [ClientCertificate].
	ClientID string
	// CertificatePath is a PEM or PKCS#12 file with certificate and private key.
	// A relative path is looked up in the credentials directory of systemd,
	// $CREDENTIALS_DIRECTORY.
	CertificatePath string
	// Cloud is the Azure cloud; the zero value is the public one.
	Cloud cloud.Configuration
	// Transport sends token requests; nil means an HTTP client that honours
	// HTTPS_PROXY.
	Transport policy.Transporter
	// Getenv reads the environment; nil means [os.Getenv]. azidentity itself
	// reads the process's environment.
	Getenv func(string) string
}

// passwordVariable holds the password of an encrypted certificate file, by the
// same name that azidentity's environment credential uses.
const passwordVariable = "AZURE_CLIENT_CERTIFICATE_PASSWORD" //nolint:gosec // a name, not a password

// New makes a credential. It asks for no token yet. Its errors are of
// CodeInvalid, say what is missing, and hold no secret.
func New(o Options) (azcore.TokenCredential, error) {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Name == "" {
		o.Name = Default
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	cred, err := o.make()
	if err != nil {
		if known, ok := errors.AsType[*rotator.Error](err); ok {
			return nil, known
		}
		return nil, bad("set up the credential %q: %s", o.Name, wire.Scrub(err.Error())).WithHint("%s", o.needs())
	}
	return cred, nil
}

func bad(format string, args ...any) *rotator.Error {
	e := rotator.Errorf(rotator.CodeInvalid, format, args...)
	e.NoEffect = true
	return e
}

func (o Options) check() error {
	switch o.Name {
	case Default, Environment, ManagedIdentity, WorkloadIdentity, AzureCLI:
	case ClientCertificate:
		var missing []string
		for _, f := range []struct{ name, value string }{
			{"tenant", o.TenantID}, {"client id", o.ClientID}, {"certificate path", o.CertificatePath},
		} {
			if f.value == "" {
				missing = append(missing, f.name)
			}
		}
		if len(missing) > 0 {
			return bad("the credential %q lacks a %s", o.Name, strings.Join(missing, ", a ")).WithHint("%s", o.needs())
		}
	default:
		return bad("there is no credential named %q", o.Name).WithHint("one of: %s", strings.Join(Names(), ", "))
	}
	return nil
}

// needs says what a credential takes, for hints.
func (o Options) needs() string {
	switch o.Name {
	case Environment:
		return "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH in the daemon's environment"
	case WorkloadIdentity:
		return "it works in a pod with the label azure.workload.identity/use: \"true\", which sets AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_FEDERATED_TOKEN_FILE"
	case ClientCertificate:
		return "give tenant, client id and the path of a PEM or PKCS#12 file with certificate and private key; a password goes into " + passwordVariable
	case AzureCLI:
		return "log in with az login as the user that runs the daemon"
	case ManagedIdentity:
		return "assign an identity to the machine; give its client id if there are several"
	}
	return "name one credential instead: " + strings.Join(Names()[1:], ", ")
}

func (o Options) make() (azcore.TokenCredential, error) {
	client := azcore.ClientOptions{Cloud: o.Cloud, Transport: wire.NewTransport(o.Transport), Telemetry: policy.TelemetryOptions{ApplicationID: "cmkd"}}
	switch o.Name {
	case Environment:
		return azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{ClientOptions: client})
	case ManagedIdentity:
		return azidentity.NewManagedIdentityCredential(o.managedIdentity(client))
	case WorkloadIdentity:
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: client, ClientID: o.ClientID, TenantID: o.TenantID,
		})
	case ClientCertificate:
		return o.certificate(client)
	case AzureCLI:
		return azidentity.NewAzureCLICredential(&azidentity.AzureCLICredentialOptions{TenantID: o.TenantID})
	}
	return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: client, TenantID: o.TenantID})
}

func (o Options) managedIdentity(client azcore.ClientOptions) *azidentity.ManagedIdentityCredentialOptions {
	// The endpoint of a managed identity is on the machine (azure/facts.md
	// section 5), where no proxy must come between: the default transport of
	// azidentity sees to it.
	if o.Transport == nil {
		client.Transport = nil
	}
	m := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: client}
	if o.ClientID != "" {
		m.ID = azidentity.ClientID(o.ClientID)
	}
	return m
}

func (o Options) certificate(client azcore.ClientOptions) (azcore.TokenCredential, error) {
	path, err := o.certificatePath()
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		hint := "check the path"
		if errors.Is(err, fs.ErrPermission) {
			hint = "let the daemon's user read it, or hand it over with LoadCredential= in the unit"
		}
		return nil, bad("read the certificate: %s", err).WithHint("%s", hint)
	}
	certs, key, err := azidentity.ParseCertificates(data, []byte(o.Getenv(passwordVariable)))
	if err != nil {
		return nil, bad("read the certificate %s: %s", path, wire.Scrub(err.Error())).WithHint("%s", o.needs())
	}
	return azidentity.NewClientCertificateCredential(o.TenantID, o.ClientID, certs, key,
		&azidentity.ClientCertificateCredentialOptions{ClientOptions: client})
}

func (o Options) certificatePath() (string, error) {
	if filepath.IsAbs(o.CertificatePath) {
		return o.CertificatePath, nil
	}
	dir := o.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", bad("the certificate path %q is relative, and there is no credentials directory", o.CertificatePath).
			WithHint("give an absolute path, or LoadCredential=%s:/path/to/file in the unit", o.CertificatePath)
	}
	if !filepath.IsLocal(o.CertificatePath) {
		return "", bad("the certificate path %q leads out of the credentials directory", o.CertificatePath)
	}
	return filepath.Join(dir, o.CertificatePath), nil
}

// Explain returns a one-line description of what a credential by that name is
// and needs, for generated documentation; empty for an unknown name.
func Explain(name string) string {
	o := Options{Name: name}
	if slices.Contains(Names(), name) {
		return fmt.Sprintf("%s: %s", name, o.needs())
	}
	return ""
}
