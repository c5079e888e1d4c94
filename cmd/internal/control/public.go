package control

import "net/http"

// webActor is whoever looks without credentials of a socket.
const webActor = "web"

// Public returns the routes that only look, for a listener whose peers have no
// credentials: who may ask is for the caller to decide, who checks host, origin
// and token before. Its event streams end with [Server.Shutdown], which must
// therefore begin before the caller waits for requests of its listener.
func (s *Server) Public() http.Handler {
	mux := http.NewServeMux()
	open := func(*http.Request) (string, error) { return webActor, nil }
	for _, r := range s.routes() {
		if r.public {
			mux.Handle(r.pattern(), s.guarded(open, r.serves))
		}
	}
	mux.Handle("/", s.guarded(open, noRoute))
	return mux
}
