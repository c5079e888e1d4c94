// Package engine drives the operations of cmkd: it decides from what was seen
// what is to be stored next and which calls may leave after that.
//
// Everything is level-triggered: read the world, compare, act, commit. A
// decision is a pure function of (state, what was seen, now). The intent of an
// effect is committed before the effect is attempted, and each effect either is
// safe to repeat or is looked for in the world before it is repeated.
//
// The core does no I/O but read the store, starts no goroutine and knows the time
// only as a value; the shell ([Engine.Run]) owns goroutines, the clock and the
// commits. Only cmd/internal/daemon imports this package.
package engine
