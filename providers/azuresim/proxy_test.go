package azuresim_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"cmkd/providers/azuresim"
)

// mustProxy serves an estate on loopback until the test ends.
func mustProxy(t *testing.T, sim *azuresim.Server) (address string, p *azuresim.Proxy) {
	t.Helper()
	p, err := azuresim.NewProxy(sim)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String(), p
}

// throughProxy is what HTTPS_PROXY and SSL_CERT_FILE make of a client.
func throughProxy(t *testing.T, address string, p *azuresim.Proxy) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(p.CAPEM()) {
		t.Fatal("CA certificate does not parse")
	}
	proxy := &url.URL{Scheme: "http", Host: address}
	tr := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func mustKeys(t *testing.T, c *http.Client, vault string, retries int32) *azkeys.Client {
	t.Helper()
	options := azcore.ClientOptions{Transport: c, Retry: policy.RetryOptions{MaxRetries: retries, RetryDelay: time.Millisecond}}
	credential, err := azidentity.NewClientSecretCredential(tenantID, clientID, secret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options})
	if err != nil {
		t.Fatal(err)
	}
	client, err := azkeys.NewClient("https://"+vault+".vault.azure.net", credential, &azkeys.ClientOptions{ClientOptions: options})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

const proxyEstate = "clients: [{id: " + clientID + ", secret: " + secret + "}]\n" +
	"vaults: [{name: kv, keys: [{name: k, versions: [{age: 48h, count: 30}]}]}]\n"

func TestProxy_AzureSDK(t *testing.T) {
	e := mustEstate(t, proxyEstate)
	address, p := mustProxy(t, e.sim)
	client := mustKeys(t, throughProxy(t, address, p), "kv", -1)
	ctx := t.Context()

	rotated, err := client.RotateKey(ctx, "k", nil)
	if err != nil {
		t.Fatal(err)
	}
	var listed int
	for pager := client.NewListKeyPropertiesVersionsPager("k", nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		listed += len(page.Value)
	}
	if listed != 31 {
		t.Errorf("listed %d versions, want 31", listed)
	}
	off := false
	updated, err := client.UpdateKey(ctx, "k", rotated.Key.KID.Version(),
		azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Enabled: &off}}, nil)
	if err != nil || *updated.Attributes.Enabled {
		t.Errorf("disable: %v %v", updated.Attributes, err)
	}
}

func TestProxy_TimeoutAfterEffectMakesAVersion(t *testing.T) {
	e := mustEstate(t, proxyEstate)
	address, p := mustProxy(t, e.sim)
	client := mustKeys(t, throughProxy(t, address, p), "kv", -1)
	e.sim.AddFault(azuresim.Fault{
		Match: azuresim.Match{Operation: "key-rotate"}, When: azuresim.When{Count: 1}, Do: "timeout-after-effect",
	})
	if _, err := client.RotateKey(t.Context(), "k", nil); err == nil {
		t.Error("rotate answered; the fault should have swallowed the answer")
	}
	if got := len(e.sim.Versions("kv", "k")); got != 31 {
		t.Errorf("%d versions, want 31: the effect happened", got)
	}
}

func TestProxy_WrongSecret(t *testing.T) {
	e := mustEstate(t, strings.Replace(proxyEstate, secret, "another", 1))
	address, p := mustProxy(t, e.sim)
	client := mustKeys(t, throughProxy(t, address, p), "kv", -1)
	_, err := client.GetKey(t.Context(), "k", "", nil)
	if err == nil || !strings.Contains(err.Error(), "AADSTS7000215") {
		t.Errorf("got %v, want AADSTS7000215", err)
	}
}

func TestProxy_Refuses(t *testing.T) {
	e := mustEstate(t, proxyEstate)
	address, _ := mustProxy(t, e.sim)
	for _, c := range []struct{ name, request, status, says string }{
		{"another host", "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", "403", "example.com"},
		{"another port", "CONNECT kv.vault.azure.net:80 HTTP/1.1\r\nHost: kv.vault.azure.net:80\r\n\r\n", "403", "port 443"},
		{"an unknown vault", "CONNECT nope.vault.azure.net:443 HTTP/1.1\r\nHost: nope.vault.azure.net:443\r\n\r\n", "502", "no such vault"},
		{"plain http", "GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n", "403", "example.com"},
		{"plain http to Azure", "GET http://management.azure.com/ HTTP/1.1\r\nHost: management.azure.com\r\n\r\n", "403", "plain http"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprint(conn, c.request)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			line := make([]byte, 200)
			n, _ := response.Body.Read(line)
			if !strings.HasPrefix(response.Status, c.status) || !strings.Contains(string(line[:n]), c.says) {
				t.Errorf("got %s %q, want %s naming %q", response.Status, line[:n], c.status, c.says)
			}
		})
	}
}

// elsewhere pretends to listen on all interfaces, without doing so.
type elsewhere struct{ net.Listener }

func (elsewhere) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero, Port: 1} }

func TestProxy_LoopbackOnly(t *testing.T) {
	e := mustEstate(t, proxyEstate)
	p, err := azuresim.NewProxy(e.sim)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Serve(t.Context(), elsewhere{l}); !errors.Is(err, azuresim.ErrNotLoopback) {
		t.Errorf("got %v, want ErrNotLoopback", err)
	}
}

func TestProxy_Curl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal("curl is missing: run make deps")
	}
	e := mustEstate(t, proxyEstate)
	address, p := mustProxy(t, e.sim)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, p.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), curl, "-sS", "--noproxy", "", "--cacert", ca,
		"https://management.azure.com/subscriptions?api-version=2022-12-01", "-H", "Authorization: Bearer "+e.token("https://management.azure.com"))
	command.Env = append(os.Environ(), "HTTPS_PROXY=http://"+address)
	out, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(out), subID) {
		t.Errorf("curl: %v\n%s", err, out)
	}
}

func TestProxy_StopsWithOpenConnections(t *testing.T) {
	e := mustEstate(t, proxyEstate)
	e.sim.AddFault(azuresim.Fault{Match: azuresim.Match{Operation: "token"}, Do: "slow", Delay: azuresim.For(time.Hour)})
	p, err := azuresim.NewProxy(e.sim)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx, l) }()
	client := throughProxy(t, l.Addr().String(), p)
	asked := make(chan error, 1)
	go func() {
		response, err := client.Post("https://login.microsoftonline.com/"+tenantID+"/oauth2/v2.0/token", "application/x-www-form-urlencoded", strings.NewReader("grant_type=client_credentials"))
		if err == nil {
			response.Body.Close()
		}
		asked <- err
	}()
	for e.sim.Requests().Operations["token"] == 0 {
		if t.Context().Err() != nil {
			t.Fatal("the request never arrived")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("serve: %v", err)
	}
	if err := <-asked; err == nil {
		t.Error("a request survived the proxy")
	}
}
