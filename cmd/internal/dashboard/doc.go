// Package dashboard is the read-only web page of the daemon and the listener it is
// served on. The page is plain HTML, CSS and ES modules, embedded in the binary; it
// reads the JSON API under /v1/ like any other client and asks no other host for
// anything.
//
// Who may look is decided by where the daemon listens. On a loopback address or a
// unix socket no token is needed: who gets there is on the machine, and the Host
// header keeps out pages of others that a browser was tricked into. Anywhere else
// there is TLS and a bearer token. A script sends the token with each request; a
// browser sends it once, and gets a cookie that does not hold it.
//
// The files of the page hold no data, so they are served to anybody: thus a link to
// an operation still leads there after the login.
package dashboard
