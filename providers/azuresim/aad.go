package azuresim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// tokenLife is how long a token is good, as Entra ID says it (one hour less a
// second).
const tokenLife = 3599

// routeLogin finds the operation of Entra ID: discovery and tokens. The forms
// are common knowledge.
func (s *Server) routeLogin(c *call) func(*call) *answer {
	parts := strings.Split(strings.Trim(c.path, "/"), "/")
	c.operation = "login-unknown"
	switch {
	case strings.HasSuffix(c.path, "/discovery/instance"):
		c.operation = "login-discovery"
		return s.instanceDiscovery
	case strings.HasSuffix(c.path, "/.well-known/openid-configuration"):
		c.operation = "login-configuration"
		return func(c *call) *answer { return s.openIDConfiguration(c, parts) }
	case strings.HasSuffix(c.path, "/discovery/keys"), strings.HasSuffix(c.path, "/discovery/v2.0/keys"):
		c.operation = "login-keys"
		return func(*call) *answer { return reply(http.StatusOK, doc{"keys": []any{}}) }
	case strings.HasSuffix(c.path, "/oauth2/v2.0/token"), strings.HasSuffix(c.path, "/oauth2/token"):
		c.operation = "token"
		c.bucket = "token|" + c.host
		return func(c *call) *answer { return s.token(c, parts[0]) }
	default:
		return notSimulatedAt
	}
}

// instanceDiscovery tells the aliases of the public cloud.
func (s *Server) instanceDiscovery(*call) *answer {
	return reply(http.StatusOK, doc{
		"tenant_discovery_endpoint": "https://login.microsoftonline.com/" + s.tenant +
			"/v2.0/.well-known/openid-configuration",
		"api-version": "1.1",
		"metadata": []any{doc{
			"preferred_network": "login.microsoftonline.com",
			"preferred_cache":   "login.windows.net",
			"aliases": []any{
				"login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net",
			},
		}},
	})
}

// openIDConfiguration answers for a tenant; "common" and "organizations" stand
// for any.
func (s *Server) openIDConfiguration(c *call, parts []string) *answer {
	tenant := parts[0]
	if !s.knowsTenant(tenant) {
		return s.unknownTenant(tenant)
	}
	base := "https://" + c.host + "/" + tenant
	issuer, v2 := "https://sts.windows.net/"+s.tenant+"/", ""
	if slices.Contains(parts, "v2.0") {
		issuer, v2 = "https://login.microsoftonline.com/"+s.tenant+"/v2.0", "/v2.0"
	}
	return reply(http.StatusOK, doc{
		"token_endpoint":                        base + "/oauth2" + v2 + "/token",
		"token_endpoint_auth_methods_supported": []any{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		"jwks_uri":                              base + "/discovery" + v2 + "/keys",
		"response_modes_supported":              []any{"query", "fragment", "form_post"},
		"subject_types_supported":               []any{"pairwise"},
		"id_token_signing_alg_values_supported": []any{"RS256"},
		"response_types_supported":              []any{"code", "id_token", "code id_token", "id_token token"},
		"scopes_supported":                      []any{"openid", "profile", "email", "offline_access"},
		"issuer":                                issuer,
		"authorization_endpoint":                base + "/oauth2" + v2 + "/authorize",
		"device_authorization_endpoint":         base + "/oauth2" + v2 + "/devicecode",
		"tenant_region_scope":                   "EU",
		"cloud_instance_name":                   "microsoftonline.com",
		"cloud_graph_host_name":                 "graph.windows.net",
		"msgraph_host":                          "graph.microsoft.com",
		"rbac_url":                              "https://pas.windows.net",
	})
}

func (s *Server) knowsTenant(tenant string) bool {
	return strings.EqualFold(tenant, s.tenant) || tenant == "common" || tenant == "organizations" ||
		strings.HasSuffix(tenant, ".onmicrosoft.com")
}

// token grants a service principal its token.
func (s *Server) token(c *call, tenant string) *answer {
	form, err := url.ParseQuery(string(c.body))
	if err != nil {
		return s.loginError(http.StatusBadRequest, "invalid_request", 900144, "The request body is malformed.")
	}
	if !s.knowsTenant(tenant) {
		return s.unknownTenant(tenant)
	}
	if form.Get("grant_type") != "client_credentials" {
		return s.loginError(http.StatusBadRequest, "unsupported_grant_type", 70003,
			"The app requested an unsupported grant type '"+form.Get("grant_type")+"'.")
	}
	id := form.Get("client_id")
	caller := s.clients[strings.ToLower(id)]
	switch {
	case caller == nil && s.open && id != "":
		caller = s.anyone(id)
	case caller == nil:
		return s.loginError(http.StatusBadRequest, "unauthorized_client", 700016,
			"Application with identifier '"+id+"' was not found in the directory '"+s.tenant+
				"'. This can happen if the application has not been installed by the administrator of the tenant"+
				" or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.")
	case form.Get("client_assertion") == "" && form.Get("client_secret") != caller.secret && !s.open:
		return s.loginError(http.StatusUnauthorized, "invalid_client", 7000215,
			"Invalid client secret provided. Ensure the secret being sent in the request is the client secret value,"+
				" not the client secret ID, for a secret added to app '"+id+"'.")
	}
	return s.grant(caller, form)
}

// grant answers with a token for the resource of v1, or the scope of v2.
func (s *Server) grant(caller *client, form url.Values) *answer {
	resource := form.Get("resource")
	// MSAL adds openid, offline_access and profile to the scope.
	for scope := range strings.FieldsSeq(form.Get("scope")) {
		if of, ok := strings.CutSuffix(scope, "/.default"); ok && resource == "" {
			resource = of
		}
	}
	if resource == "" {
		return s.loginError(http.StatusBadRequest, "invalid_scope", 1002012,
			"The provided value for scope "+form.Get("scope")+" is not valid. Client credential flows must have a scope"+
				" value with /.default suffixed to the resource identifier (application ID URI).")
	}
	now := wallNow()
	out := doc{
		"token_type": "Bearer", "expires_in": tokenLife, "ext_expires_in": tokenLife,
		"access_token": s.sign(caller, resource, now),
	}
	if form.Get("resource") != "" { // v1 sends numbers as strings
		out["expires_in"], out["ext_expires_in"] = "3599", "3599"
		out["not_before"] = jsonNumber(now.Unix())
		out["expires_on"] = jsonNumber(now.Unix() + tokenLife)
		out["resource"] = resource
	}
	return reply(http.StatusOK, out).set("Cache-Control", "no-store, no-cache").set("Pragma", "no-cache")
}

func jsonNumber(n int64) string { return string(encode(n)) }

// claims are those of an app-only token of Entra ID.
type claims struct {
	Audience string `json:"aud"`
	Issuer   string `json:"iss"`
	Issued   int64  `json:"iat"`
	Before   int64  `json:"nbf"`
	Expires  int64  `json:"exp"`
	AppID    string `json:"appid"`
	AppACR   string `json:"appidacr"`
	Provider string `json:"idp"`
	ObjectID string `json:"oid"`
	Subject  string `json:"sub"`
	Tenant   string `json:"tid"`
	Version  string `json:"ver"`
}

// sign makes a token. Its signature is worth nothing outside; inside it shows
// that the token came from here, also after a restart with the same seed.
func (s *Server) sign(caller *client, audience string, now time.Time) string {
	header := `{"typ":"JWT","alg":"HS256"}`
	issuer := "https://sts.windows.net/" + s.tenant + "/"
	body := encode(claims{
		Audience: audience, Issuer: issuer, Issued: now.Unix(), Before: now.Unix(),
		Expires: now.Unix() + tokenLife, AppID: caller.id, AppACR: "1", Provider: issuer,
		ObjectID: caller.objectID, Subject: caller.objectID, Tenant: s.tenant, Version: "1.0",
	})
	enc := base64.RawURLEncoding
	content := enc.EncodeToString([]byte(header)) + "." + enc.EncodeToString(body)
	return content + "." + enc.EncodeToString(s.mac(content))
}

func (s *Server) mac(content string) []byte {
	h := hmac.New(sha256.New, s.signed)
	h.Write([]byte(content))
	return h.Sum(nil)
}

// authenticate finds the caller of a bearer token and its audience, or says
// what is wrong.
func (s *Server) authenticate(header string) (caller *client, audience, wrong string) {
	nobody := &client{}
	if len(header) < 7 || !strings.EqualFold(header[:7], "Bearer ") {
		return nobody, "", "missing"
	}
	parts := strings.Split(header[7:], ".")
	if len(parts) != 3 {
		return nobody, "", "invalid"
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !hmac.Equal(signature, s.mac(parts[0]+"."+parts[1])) {
		return nobody, "", "invalid"
	}
	var got claims
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(body, &got) != nil {
		return nobody, "", "invalid"
	}
	if wallNow().Unix() >= got.Expires {
		return nobody, "", "expired"
	}
	caller = s.clients[strings.ToLower(got.AppID)]
	if caller == nil {
		caller = s.anyone(got.AppID)
	}
	return caller, strings.TrimRight(got.Audience, "/"), ""
}

// anyone makes up the client of a scenario that declares none.
func (s *Server) anyone(id string) *client {
	c := &client{id: id, objectID: s.mint.guid("object", strings.ToLower(id)), name: id, all: true}
	s.clients[strings.ToLower(id)] = c
	s.note(record{Client: &recordedClient{ID: id}})
	return c
}

// isFor says whether the call's token is for one of the given resources.
func (c *call) isFor(resources ...string) bool {
	return slices.ContainsFunc(resources, func(r string) bool { return strings.EqualFold(r, c.audience) })
}

func (s *Server) unknownTenant(tenant string) *answer {
	return s.loginError(http.StatusBadRequest, "invalid_request", 90002,
		"Tenant '"+tenant+"' not found. Check to make sure you have the correct tenant ID and are signing into the"+
			" correct cloud."+
			" Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.")
}

// loginError answers in the form of Entra ID.
func (s *Server) loginError(status int, kind string, code int, message string) *answer {
	stamp := s.now.Format("2006-01-02 15:04:05Z")
	trace := s.mint.guid("trace", s.stats.requests)
	correlation := s.mint.guid("correlation", s.stats.requests)
	number := jsonNumber(int64(code))
	return reply(status, doc{
		"error": kind,
		"error_description": "AADSTS" + number + ": " + message + " Trace ID: " + trace +
			" Correlation ID: " + correlation + " Timestamp: " + stamp,
		"error_codes": []any{code}, "timestamp": stamp, "trace_id": trace,
		"correlation_id": correlation,
		"error_uri":      "https://login.microsoftonline.com/error?code=" + number,
	})
}
