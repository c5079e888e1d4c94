package azuresim

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// FaultState is a fault with what came of it so far.
type FaultState struct {
	Fault
	// From is when its After and Until begin to count.
	From time.Time
	// Seen is how many requests matched while it was on, Hit how many of them it struck.
	Seen, Hit int
}

// ParseFaults reads faults as a scenario has them under faults: with that word
// above them, as a bare list, or a single one. Problems are reported as
// [ParseScenario] does, all at once and with their lines.
func ParseFaults(name string, data []byte) ([]Fault, error) {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, fmt.Errorf("read faults: %w", positioned(name, err))
	}
	faults, path, err := decodeFaults(file, data)
	if err != nil {
		return nil, fmt.Errorf("read faults: %w", positioned(name, err))
	}
	c := &checker{name: name, data: data, file: file}
	if len(faults) == 0 {
		c.problem("$", "there are no faults; write one like {match: {operation: key-rotate}, do: drop}")
	}
	for i, f := range faults {
		at := path(i)
		c.walk(at, reflect.ValueOf(f))
		c.fault(at, f)
	}
	if len(c.problems) > 0 {
		return nil, fmt.Errorf("read faults: %w", errors.Join(c.problems...))
	}
	return faults, nil
}

// decodeFaults decodes one of the three forms, and tells where in it the i-th is.
func decodeFaults(file *ast.File, data []byte) (faults []Fault, path func(i int) string, err error) {
	var body ast.Node
	if len(file.Docs) > 0 {
		body = file.Docs[0].Body
	}
	switch {
	case body == nil:
		return nil, nil, nil
	case body.Type() == ast.SequenceType:
		err = yaml.UnmarshalWithOptions(data, &faults, yaml.Strict())
		return faults, func(i int) string { return fmt.Sprintf("$[%d]", i) }, err
	case hasMember(body, "faults"):
		var all struct {
			Faults []Fault `yaml:"faults"`
		}
		err = yaml.UnmarshalWithOptions(data, &all, yaml.Strict())
		return all.Faults, func(i int) string { return fmt.Sprintf("$.faults[%d]", i) }, err
	default:
		var one Fault
		err = yaml.UnmarshalWithOptions(data, &one, yaml.Strict())
		return []Fault{one}, func(int) string { return "$" }, err
	}
}

func hasMember(body ast.Node, name string) bool {
	mapping, ok := body.(*ast.MappingNode)
	return ok && slices.ContainsFunc(mapping.Values, func(v *ast.MappingValueNode) bool {
		return v.Key.GetToken().Value == name
	})
}

// enlist arms a fault. Its After and Until count from a moment.
func (s *Server) enlist(f Fault, from time.Time) error {
	armed, err := arm(f)
	if err != nil {
		return err
	}
	s.armed++
	armed.number, armed.from = s.armed, from
	s.faults = append(s.faults, armed)
	s.note(record{Fault: &recordedFault{Fault: f, From: from}})
	return nil
}

// AddFaults lets things go wrong from now on: After and Until of these faults count
// from now.
func (s *Server) AddFaults(faults []Fault) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	for _, f := range faults {
		if _, err := arm(f); err != nil {
			return err
		}
	}
	for _, f := range faults {
		if err := s.enlist(f, s.now); err != nil {
			return err
		}
	}
	return nil
}

// ClearFault ends the faults of a name, and returns how many there were.
func (s *Server) ClearFault(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	s.note(record{Cleared: &recordedClear{Name: name}})
	return s.clear(name)
}

// clear ends the faults of a name, all for the empty one.
func (s *Server) clear(name string) int {
	before := len(s.faults)
	s.faults = slices.DeleteFunc(slices.Clone(s.faults), func(f *armedFault) bool { return name == "" || f.name() == name })
	return before - len(s.faults)
}

// Faults returns the faults that are armed, in the order in which they are asked.
func (s *Server) Faults() []FaultState {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]FaultState, 0, len(s.faults))
	for _, f := range s.faults {
		state := FaultState{Fault: f.Fault, From: f.from, Seen: f.seen, Hit: f.hit}
		state.Name = f.name()
		out = append(out, state)
	}
	return out
}

// Terms writes what is restricted as NAME=VALUE, by the names that scenarios use.
func (m Match) Terms() []string { return terms(reflect.ValueOf(m)) }

// Terms writes what is restricted as NAME=VALUE, by the names that scenarios use.
func (w When) Terms() []string { return terms(reflect.ValueOf(w)) }

func terms(v reflect.Value) []string {
	out := []string{}
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("yaml"); name != "" && !v.Field(i).IsZero() {
			out = append(out, fmt.Sprintf("%s=%v", name, v.Field(i).Interface()))
		}
	}
	return out
}
