// Package control is the conversation between the daemon and those who command
// it: JSON over HTTP on a unix socket. It holds both ends, so that they cannot
// drift apart: [Server], which asks an [Engine], and [Client], which the command
// line uses.
//
// Who may do what is decided by the kernel's word on the peer (SO_PEERCRED): its
// uid and gids give the actor that the audit trail names, and a [Role] by the
// configured [Policy]. Nothing in a request can change that. Requests that a
// browser was tricked into are refused by their Host, Origin and Referer.
//
// Errors travel as {"error":{code,reason,message,hint}} and arrive as the
// *rotator.Error that was sent. The table in routes.go is the API; openapi.json
// describes it and is made of that table, of the types and of their comments: go
// generate writes it, and a test holds that nothing else did.
package control

//go:generate go test -run ^TestOpenAPI$ . -update
