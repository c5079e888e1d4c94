// Package bolt keeps the engine's records in one bbolt file: state, due index
// and event log in one transaction per commit.
//
// # Layout
//
//	meta        schema, instance, and the head of the event log
//	keys        name                      → key
//	operations  id                        → operation
//	live        id                        → nothing: operations that are not final
//	by_key      key, id                   → nothing: the operations of a key
//	trackers    operation, number         → hot part, 40 bytes
//	details     operation, number         → cold part
//	due         time, type, name or id    → nothing
//	events      sequence number           → event
//	alerts      id                        → alert
//	silences    id                        → silence
//	timings     kind, region, change      → timing
//	attestations, freezes  id             → what their names say
//	standings   key, dependent            → standing of the dependent
//	sequences   name                      → the last id that may have been handed out
//
// Alerts, silences and timings are there since schema 2, sequences since schema 3.
// Package store describes the bytes. bbolt writes every page that a transaction
// touches, so trackers are numbered within their operation and what changes with
// every look stands apart from the large part that does not: a thousand
// neighbours are some fifteen pages.
//
// # One writer
//
// The file is locked for as long as it is open. Commits that arrive while one is
// being written wait and share the next transaction, see [Store.Stage].
//
// # Damage
//
// bbolt trusts its file: a page that is not what it should be makes it panic,
// partly in goroutines of its own, where nobody can recover; a file that is
// shorter than it says kills the process. Therefore Open reads every page and
// checks the structure before bbolt maps the file, and what comes to light
// later is recovered from and reported as what it is. Values have checksums,
// the event log has its chain; [Store.Check] reads everything.
package bolt
