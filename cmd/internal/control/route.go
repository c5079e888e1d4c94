package control

import (
	"cmp"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"cmkd/rotator"
)

// route is one entry of the API. The server's muxes and the document are both
// made of it, so what it says is what is served.
type route struct {
	method, path string
	role         Role
	// public is true if the route is also served by [Server.Public].
	public bool
	// summary says in a few words what the route is for, detail what else one has to
	// know; it may be empty.
	summary, detail string
	// query is all that may stand behind the question mark.
	query []parameter
	endpoint
}

// pattern is the route as [http.ServeMux] wants it.
func (r *route) pattern() string { return r.method + " " + r.path }

// serves answers a request, unless it has a parameter that the route does not
// know: a filter that is misspelt must not select everything.
func (r *route) serves(w http.ResponseWriter, req *http.Request) error {
	for name := range req.URL.Query() {
		if !slices.ContainsFunc(r.query, func(p parameter) bool { return p.name == name }) {
			return rotator.Errorf(rotator.CodeInvalid, "%s takes no parameter %q", r.pattern(), name).
				WithHint("%s", cmp.Or(r.parameters(), "it takes none"))
		}
	}
	return r.serve(w, req)
}

// parameters names what the route knows.
func (r *route) parameters() string {
	var names []string
	for _, p := range r.query {
		names = append(names, p.name)
	}
	if len(names) == 0 {
		return ""
	}
	return "it takes " + strings.Join(names, ", ")
}

// endpoint is what a route reads and writes, with the function that does it.
type endpoint struct {
	// takes is the type of the body, nil if none is read.
	takes reflect.Type
	// gives is the type of the answer, nil if it is no JSON of ours.
	gives reflect.Type
	// media is the type of an answer that is no JSON of ours.
	media string
	// streams is true if the answer goes on for ever for those who accept a stream.
	streams bool
	serve   func(w http.ResponseWriter, r *http.Request) error
}

// gives makes an endpoint that answers what f returns.
func gives[T any](f func(*http.Request) (T, error)) endpoint {
	return endpoint{gives: reflect.TypeFor[T](), serve: func(w http.ResponseWriter, r *http.Request) error {
		v, err := f(r)
		if err != nil {
			return err
		}
		return writeJSON(w, worded(v))
	}}
}

// takes makes an endpoint that reads a body, which may be empty, and answers what
// f returns.
func takes[B, T any](f func(*http.Request, B) (T, error)) endpoint {
	e := gives(func(r *http.Request) (t T, err error) {
		var body B
		if err := decode(r, &body); err != nil {
			return t, err
		}
		return f(r, body)
	})
	e.takes = reflect.TypeFor[B]()
	return e
}

// streams makes an endpoint that answers what f returns, and what follow writes
// to those who accept a stream.
func streams[T any](f func(*http.Request) (T, error), follow func(http.ResponseWriter, *http.Request) error) endpoint {
	e := gives(f)
	once := e.serve
	e.streams = true
	e.serve = func(w http.ResponseWriter, r *http.Request) error {
		if wantsStream(r) {
			return follow(w, r)
		}
		return once(w, r)
	}
	return e
}

// raw makes an endpoint that writes something of another type than ours.
func raw(media string, serve func(http.ResponseWriter, *http.Request) error) endpoint {
	return endpoint{media: media, serve: serve}
}

// form is how the value of a parameter is written.
type form string

// The forms.
const (
	formText      form = "text"
	formFlag      form = "flag"
	formNumber    form = "number"
	formLimit     form = "limit"
	formOperation form = "operation"
	formTime      form = "time"
)

// parameter is something that may stand behind the question mark.
type parameter struct {
	name string
	form form
	// what it is for.
	what string
	// values are all that there are, if they are few.
	values []string
	// fallback is what holds without it; zero if nothing is to be said of that.
	fallback int
}
