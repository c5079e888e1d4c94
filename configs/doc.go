// Package configs reads and checks cmkd's YAML configuration. It reports every
// problem of a file at once, each with its line, its path and what to do about
// it, fills in all defaults, and holds the documented example and the JSON
// schema.
//
// It knows what is written in a configuration but not what it means: kinds of
// dependents and their settings are checked by hooks that the daemon hands in,
// see [Checks]. It refuses secrets: a configuration names credentials, it never
// holds them.
package configs
