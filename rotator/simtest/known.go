package simtest

import "path"

// fault is a kind of violation.
type fault struct{ invariant, shape string }

// tolerance is a kind of violation that is known. In the shape, * stands for anything.
type tolerance struct {
	fault
	// why names the fault of which it comes.
	why string
}

// tolerated reports whether a violation is known.
func (f fault) tolerated() bool { return f.known() != nil }

// known returns what tolerates a violation, nil if nothing does.
func (f fault) known() *tolerance {
	for i := range known {
		if matched, _ := path.Match(known[i].shape, f.shape); matched && known[i].invariant == f.invariant {
			return &known[i]
		}
	}
	return nil
}

// known are the violations that are tolerated for now. Whoever mends a fault removes its
// lines, and the simulation holds it from then on.
var known = []tolerance{
}
