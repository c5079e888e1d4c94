package azuresim

import (
	"fmt"
	"reflect"
	"slices"
	"time"
)

// FaultState is a fault with what came of it so far.
type FaultState struct {
	Fault
	// From is when its After and Until begin to count.
	From time.Time
	// Seen is how many requests matched while it was on, Hit how many of them it struck.
	Seen, Hit int
}

// ParseFaults reads faults as a scenario has them under faults; see [parseList].
func ParseFaults(name string, data []byte) ([]Fault, error) {
	return parseList(name, data, "faults", "{match: {operation: key-rotate}, do: drop}", (*checker).fault)
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
