package azuresim

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
)

// storageExtra is what is known of an account beyond its document.
type storageExtra struct {
	containers []string
	scopes     map[string]string // default encryption scopes by container
}

// storageExtraOf returns what is known of an account, never nil.
func storageExtraOf(r *resource) *storageExtra {
	if extra, ok := r.extra.(*storageExtra); ok {
		return extra
	}
	return &storageExtra{}
}

// blobKeeper is the resource under whose key a request's blob is: the encryption
// scope that the request names, or else the container's default, or the account
// (facts-evidence §3: a probe blob proves its own scope only).
func (s *Server) blobKeeper(c *call, account *resource, container string) *resource {
	name := c.header.Get("X-Ms-Encryption-Scope")
	if name == "" {
		name = storageExtraOf(account).scopes[container]
	}
	if scope := s.resources[fold(account.id.path()+"/encryptionScopes/"+name)]; scope != nil && name != "" {
		return scope
	}
	return account
}

// account returns the storage account of a host, nil if there is none.
func (s *Server) account(host string) *resource {
	name, _, _ := strings.Cut(strings.ToLower(host), ".")
	return s.accounts[name]
}

// routeBlob finds the operation of a request to a blob endpoint. Names and
// answers follow the Blob service's REST API; which of them need the key is
// said in facts §4.
func (s *Server) routeBlob(c *call) func(*call) *answer {
	r := s.account(c.host)
	if r == nil {
		c.operation = "blob-unknown"
		return func(c *call) *answer { return refusal(c.host) }
	}
	c.bucket = c.caller.id + "|" + c.host
	container, blob, _ := strings.Cut(strings.Trim(c.path, "/"), "/")
	comp, restype := c.query.Get("comp"), c.query.Get("restype")
	keyed := false
	switch {
	case container == "":
		c.operation = "blob-list-containers"
	case blob != "" && c.method == http.MethodPut:
		c.operation, keyed = "blob-put", true
	case blob != "" && c.method == http.MethodHead:
		c.operation, keyed = "blob-properties", true
	case blob != "":
		c.operation, keyed = "blob-get", true
	case restype == "container" && comp == "list":
		c.operation = "blob-list"
		keyed = strings.Contains(c.query.Get("include"), "metadata")
	default:
		c.operation = "blob-container-properties"
	}
	return func(c *call) *answer {
		if a := s.guardBlob(c, r); a != nil {
			return a
		}
		if !blobSimulated(c, container, blob) {
			return blobProblem(c, http.StatusNotImplemented, codeNotSimulated,
				"not simulated: "+c.path+" ("+c.method+", comp="+comp+")")
		}
		keeper := s.blobKeeper(c, r, container)
		switch {
		case keyed && keeper.kind.barred != nil && keeper.kind.barred(keeper):
			// A disabled scope: 403 (facts-evidence §3). Its code is not known, so
			// there is none.
			return newAnswer(http.StatusForbidden).set("X-Ms-Version", blobVersion(c))
		case keyed && keeper.denied != deniedNot:
			return blobDenied(c, keeper)
		}
		return s.blobAnswer(c, r, container, blob)
	}
}

// blobSimulated says whether an operation is one of the few that are here:
// lists, properties of a container, and whole blobs.
func blobSimulated(c *call, container, blob string) bool {
	comp, read := c.query.Get("comp"), c.method == http.MethodGet || c.method == http.MethodHead
	switch {
	case blob != "":
		return comp == "" && (read || c.method == http.MethodPut)
	case container == "":
		return comp == "list" && read
	default:
		return (comp == "" || comp == "list") && read
	}
}

// guardBlob checks token and data role.
func (s *Server) guardBlob(c *call, r *resource) *answer {
	if !c.caller.known() {
		return s.blobChallenge(c, "NoAuthenticationInformation")
	}
	if !c.isFor("https://storage.azure.com", "https://"+c.host) {
		return blobProblem(c, http.StatusUnauthorized, "InvalidAuthenticationInfo",
			"Server failed to authenticate the request. Please refer to the information in the www-authenticate header.")
	}
	action := "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
	if c.method == http.MethodPut {
		action = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write"
	}
	if !s.may(c.caller, action, r.id.path(), true) {
		return s.forbidden(c)
	}
	return nil
}

// blobChallenge answers without a token, or with a bad one.
func (s *Server) blobChallenge(c *call, code string) *answer {
	a := blobProblem(c, http.StatusUnauthorized, code,
		"Server failed to authenticate the request. Please refer to the information in the www-authenticate header.")
	return a.set("Www-Authenticate", "Bearer authorization_uri=https://login.microsoftonline.com/"+
		s.tenant+"/oauth2/authorize resource_id=https://storage.azure.com")
}

// blobDenied answers without the key (facts §4; only the first text is
// verified).
func blobDenied(c *call, r *resource) *answer {
	switch r.denied {
	case deniedVault:
		return blobProblem(c, http.StatusForbidden, "KeyVaultVaultNotFound", "The key vault is not found.")
	case deniedForbidden:
		return blobProblem(c, http.StatusForbidden, "KeyVaultAccessTokenCannotBeAcquired",
			"The key vault access token cannot be acquired.")
	default:
		return blobProblem(c, http.StatusForbidden, "KeyVaultEncryptionKeyNotFound",
			"The key vault key is not found to unwrap the encryption key.")
	}
}

// blobError is the body of an error.
type blobError struct {
	XMLName xml.Name `xml:"Error"`
	Code    string
	Message string
}

// blobProblem answers with an error of the Blob service: the code in a header
// too, no body for HEAD.
func blobProblem(c *call, status int, code, message string) *answer {
	a := newAnswer(status).set("X-Ms-Error-Code", code).set("X-Ms-Version", blobVersion(c))
	if c.method == http.MethodHead {
		return a
	}
	return a.xml(blobError{Code: code, Message: message + "\nRequestId:" +
		c.sim.mint.guid("request", c.sim.stats.requests+1) + "\nTime:" + stampZ(c.now)})
}

func blobVersion(c *call) string {
	if v := c.header.Get("X-Ms-Version"); v != "" {
		return v
	}
	return "2023-11-03"
}

// xml sets an XML body.
func (a *answer) xml(v any) *answer {
	body, err := xml.Marshal(v)
	if err != nil {
		body = nil
	}
	// The service sends line ends as they are.
	body = bytes.ReplaceAll(body, []byte("&#xA;"), []byte("\n"))
	a.body = append([]byte("\xef\xbb\xbf"+`<?xml version="1.0" encoding="utf-8"?>`), body...)
	return a.set("Content-Type", "application/xml")
}

// blobContainer is a container in a list.
type blobContainer struct {
	Name     string
	Modified string `xml:"Properties>Last-Modified"`
	Etag     string `xml:"Properties>Etag"`
	Lease    string `xml:"Properties>LeaseStatus"`
	State    string `xml:"Properties>LeaseState"`
}

// containerList is a list of containers.
type containerList struct {
	XMLName    xml.Name        `xml:"EnumerationResults"`
	Endpoint   string          `xml:"ServiceEndpoint,attr"`
	Containers []blobContainer `xml:"Containers>Container"`
	NextMarker string
}

// blobList is a list of blobs; the simulated containers are empty.
type blobList struct {
	XMLName    xml.Name `xml:"EnumerationResults"`
	Endpoint   string   `xml:"ServiceEndpoint,attr"`
	Container  string   `xml:"ContainerName,attr"`
	Blobs      string
	NextMarker string
}

// blobAnswer answers a permitted request.
func (s *Server) blobAnswer(c *call, r *resource, container, blob string) *answer {
	extra := storageExtraOf(r)
	endpoint := "https://" + c.host + "/"
	modified, etag := r.made.Format(http.TimeFormat), `"0x8D`+strings.ToUpper(s.mint.hex32("etag", r.id.path())[:12])+`"`
	if container == "" {
		list := containerList{Endpoint: endpoint}
		for _, name := range extra.containers {
			list.Containers = append(list.Containers, blobContainer{
				Name: name, Modified: modified, Etag: etag, Lease: "unlocked", State: "available",
			})
		}
		return newAnswer(http.StatusOK).set("X-Ms-Version", blobVersion(c)).xml(list)
	}
	if !slices.Contains(extra.containers, container) {
		return blobProblem(c, http.StatusNotFound, "ContainerNotFound", "The specified container does not exist.")
	}
	if blob != "" {
		return s.oneBlob(c, r, container+"/"+blob)
	}
	a := newAnswer(http.StatusOK).set("X-Ms-Version", blobVersion(c)).set("Last-Modified", modified).set("Etag", etag)
	if c.query.Get("comp") == "list" {
		return a.xml(blobList{Endpoint: endpoint, Container: container})
	}
	// Public SDK recordings of Get Container Properties have both headers.
	a.set("X-Ms-Default-Encryption-Scope", cmp.Or(extra.scopes[container], "$account-encryption-key")).
		set("X-Ms-Deny-Encryption-Scope-Override", "false")
	return a.set("X-Ms-Lease-State", "available").set("X-Ms-Lease-Status", "unlocked").
		set("X-Ms-Has-Immutability-Policy", "false").set("X-Ms-Has-Legal-Hold", "false")
}

// oneBlob answers for a blob. None exist: a write is accepted and forgotten.
func (s *Server) oneBlob(c *call, r *resource, name string) *answer {
	if c.method == http.MethodPut {
		return newAnswer(http.StatusCreated).set("X-Ms-Version", blobVersion(c)).
			set("X-Ms-Request-Server-Encrypted", "true").set("Last-Modified", c.now.Format(http.TimeFormat)).
			set("Etag", `"0x8D`+strings.ToUpper(s.mint.hex32("etag", r.id.path(), name)[:12])+`"`)
	}
	return blobProblem(c, http.StatusNotFound, "BlobNotFound", "The specified blob does not exist.")
}
