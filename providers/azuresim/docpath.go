package azuresim

import (
	"errors"
	"strconv"
	"strings"
)

// docPath leads to properties of a document: names joined by dots, each with []
// for every member of a list or [2] for one.
type docPath []docStep

// docStep is one name of a path.
type docStep struct {
	name    string
	indexed bool
	index   int // of the member, -1 for each
}

// errDocPath says that a path cannot be read.
var errDocPath = errors.New("a name is missing or a bracket is wrong")

// parseDocPath reads a path. It must end in a name: what a list holds cannot be
// taken away by it.
func parseDocPath(path string) (docPath, error) {
	var steps docPath
	for part := range strings.SplitSeq(path, ".") {
		name, bracket, indexed := strings.Cut(part, "[")
		step := docStep{name: name, indexed: indexed, index: -1}
		if indexed {
			inner, ok := strings.CutSuffix(bracket, "]")
			n, err := strconv.Atoi(inner)
			if !ok || inner != "" && (err != nil || n < 0) {
				return nil, errDocPath
			}
			if inner != "" {
				step.index = n
			}
		}
		if name == "" {
			return nil, errDocPath
		}
		steps = append(steps, step)
	}
	if steps[len(steps)-1].indexed {
		return nil, errDocPath
	}
	return steps, nil
}

// each calls do with the object and the name that the path ends in, for every
// object that it leads to. The property itself may be absent.
func (p docPath) each(d doc, do func(holder doc, name string)) {
	step := p[0]
	if len(p) == 1 {
		do(d, step.name)
		return
	}
	members := []any{d[step.name]}
	if step.indexed {
		members = anyList(d, step.name)
		if step.index >= 0 && step.index < len(members) {
			members = members[step.index : step.index+1]
		} else if step.index >= 0 {
			members = nil
		}
	}
	for _, member := range members {
		if inner, ok := member.(doc); ok {
			p[1:].each(inner, do)
		}
	}
}
