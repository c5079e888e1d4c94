package control

import (
	_ "embed" // the document is served as it is
	"net/http"
)

// openAPI is made by go generate, see openapi_test.go.
//
//go:embed openapi.json
var openAPI []byte

// OpenAPI returns the description of the API, as JSON.
func OpenAPI() []byte { return openAPI }

func (s *Server) openapi(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI) // the peer is gone: nobody to tell
	return nil
}
