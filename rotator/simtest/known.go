package simtest

// fault is a kind of violation.
type fault struct{ invariant, shape string }

// known are the violations that are tolerated, each with the fault of which it comes.
// Whoever mends that fault removes the line, and the simulation holds it from then on.
var known = map[fault]string{}
