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
	{fault{"stuck", "reinstatement recovering, nobody to wait for*"}, nobody},
	{fault{"stuck", "rotation propagating, nobody to wait for*"}, nobody},
	{fault{"bound", "reinstatement recovering, nobody to wait for"}, nobody},
	{fault{"bound", "rotation propagating, nobody to wait for*"}, nobody},
	{fault{"residue", "*: rotation propagating, nobody to wait for*: another state"}, nobody},
	{fault{"residue", "*: rotation propagating, nobody to wait for*: ended"}, nobody},
	{fault{"residue", "*: reinstatement recovering, nobody to wait for*: ended"}, nobody},

	{fault{"left", "removed*"}, "a dependent removed from the configuration never leaves its operation"},

	{fault{"schedule", "no next time"}, back},
	{fault{"residue", "out and back: no next time"}, back},
	{fault{"residue", "rename and back: no next time"}, back},
	{fault{"residue", "rename: no next time"}, back},

	{fault{"left", "excluded, renamed"}, renamed},
	{fault{"bound", "rotation retiring*, renamed: key-not-configured"}, renamed},
	{fault{"residue", "rename: current version"}, renamed},
	{fault{"residue", "rename: unretired"}, renamed},
	{fault{"residue", "rename: operation"}, renamed},
	{fault{"residue", "rename: another next time"}, renamed},
	{fault{"residue", "rename and back: * dependents"}, renamed},
	{fault{"residue", "rename and back: rotation propagating, renamed: another state"}, renamed},

	{fault{"foreign", "*"}, another},
	{fault{"policy", "retired, another key under its name"}, another},
	{fault{"retired in use", "*, with another key's versions"}, another},
	{fault{"bound", "rotation pending*: other-key"}, another},
	{fault{"stuck", "rotation retiring*, a version twice*"}, another},
	{fault{"bound", "rotation retiring*, a version twice*"}, another},
	{fault{"residue", "another key and back: another next time"}, another},
	{fault{"residue", "another key and back: current version"}, another},
	{fault{"residue", "another key and back: unretired"}, another},
	{fault{"residue", "another key and back: operation"}, another},
	{fault{"residue", "another key and back: * dependents"}, another},

	{fault{"policy", "a version is made, *"}, "a key removed while its rotation is pending is rotated"},
	{fault{"policy", "retired, although retire is *"}, "what retire says now is not read again before a version is retired"},
	{fault{"second version", "*"}, "a commit fails while a create is out, or the clock is set back while a list is out: the success is discarded"},

	{fault{"bound", "rotation retiring, nobody to wait for*: soak-not-over"}, "the soak time is measured by looks at excluded dependents, which are not looked at again"},
	{fault{"answer", "none to retire"}, "a version made outside while the guard looks leaves whoever asked for the retirement without an answer"},
	{fault{"residue", "out and back: another next time"}, "after the clock was set back, a time that was served is computed again"},
}

const (
	nobody  = "an operation that has nobody to wait for stays where it is until something else advances it"
	back    = "a key taken out and put back, or renamed and renamed back, never rotates again"
	renamed = "a key goes by its name: under another one, what was known of it is lost"
	another = "a key goes by its name: another one under it takes over its operation, its dependents and its state"
)
