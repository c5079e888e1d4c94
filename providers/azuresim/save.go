package azuresim

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A saved simulation is one line and a gzipped JSON document:
//
//	cmkd-simulation VERSION SHA-256-OF-THE-REST
//
// It holds the scenario's text, with the secrets of its clients, and the journal,
// with the keys that were imported.
const (
	saveMagic   = "cmkd-simulation"
	saveVersion = "1"
)

// Errors of saved simulations.
var (
	ErrForeignSave = errors.New("it is no saved simulation")
	ErrSaveVersion = errors.New("it was saved by another version of cmkd")
	ErrDamagedSave = errors.New("it is damaged")
)

// Save is the state of a simulated Azure at a moment. Read one with [ReadSave].
type Save struct {
	Name     string    `json:"name"` // of the scenario
	Scenario string    `json:"scenario"`
	Now      time.Time `json:"now"`   // simulated
	Speed    float64   `json:"speed"` // of the clock that it was saved from
	Journal  []record  `json:"journal"`
	Counters counters  `json:"counters"`
}

// counters are what reading changes, too: they are saved as they are.
type counters struct {
	Stats    Stats                  `json:"stats"`
	Requests int                    `json:"requests"`
	Barred   map[string]time.Time   `json:"barred"`
	Limits   map[string]savedBucket `json:"limits"`
	Windows  map[string]savedWindow `json:"windows"`
	Audited  []savedAudit           `json:"audited"`
	Faults   []savedCount           `json:"faults"`
	Chance   []byte                 `json:"chance"`
}

type savedBucket struct {
	Size, Refill, Tokens float64
	At                   time.Time
}

type savedWindow struct {
	Limit, Sum int
	At         []time.Time
	Weight     []int
}

type savedAudit struct {
	At                time.Time
	Vault             int // its place among all there ever were
	Operation, Target string
	ID                string
	ObjectID, AppID   string
	Status            int
}

type savedCount struct{ Number, Seen, Hit int }

// Save writes the state of the simulated Azure; speed is that of its clock, for
// whoever loads it. A scenario that was made in Go cannot be saved.
func (s *Server) Save(speed float64) ([]byte, error) {
	again, err := ParseScenario(s.scenario.Name+".yaml", s.scenario.source)
	if err != nil || !reflect.DeepEqual(again, s.scenario) {
		return nil, fmt.Errorf("save %s: its scenario was not read from a text, or was changed since", s.scenario.Name)
	}
	save, err := s.snapshot(speed)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := errors.Join(json.NewEncoder(z).Encode(save), z.Close()); err != nil {
		return nil, fmt.Errorf("encode %s: %w", s.scenario.Name, err)
	}
	sum := sha256.Sum256(b.Bytes())
	return append([]byte(saveMagic+" "+saveVersion+" "+hex.EncodeToString(sum[:])+"\n"), b.Bytes()...), nil
}

// snapshot copies what is to be saved.
func (s *Server) snapshot(speed float64) (*Save, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	c, err := s.counters()
	if err != nil {
		return nil, err
	}
	return &Save{
		Name: s.scenario.Name, Scenario: string(s.scenario.source), Now: s.now, Speed: speed,
		Journal: slices.Clip(s.journal), Counters: c,
	}, nil
}

func (s *Server) counters() (counters, error) {
	chance, err := s.dice.MarshalBinary()
	if err != nil {
		return counters{}, fmt.Errorf("encode the random state: %w", err)
	}
	c := counters{
		Stats: s.stats.copy(), Requests: s.stats.requests, Barred: maps.Clone(s.stats.barred), Chance: chance,
		Limits: map[string]savedBucket{}, Windows: map[string]savedWindow{},
	}
	for name, b := range s.limits {
		c.Limits[name] = savedBucket{b.size, b.refill, b.tokens, b.at}
	}
	for name, w := range s.windows {
		saved := savedWindow{Limit: w.limit, Sum: w.sum}
		for _, one := range w.served {
			saved.At, saved.Weight = append(saved.At, one.at), append(saved.Weight, one.weight)
		}
		c.Windows[name] = saved
	}
	for _, e := range s.audited {
		c.Audited = append(c.Audited, savedAudit{
			e.at, slices.Index(s.made, e.vault), e.operation, e.target, e.id, e.objectID, e.appID, e.status,
		})
	}
	for _, f := range s.faults {
		c.Faults = append(c.Faults, savedCount{f.number, f.seen, f.hit})
	}
	return c, nil
}

// ReadSave reads what [Server.Save] wrote; name is that of the file, for errors.
func ReadSave(name string, data []byte) (*Save, error) {
	line, rest, _ := bytes.Cut(data, []byte("\n"))
	fields := strings.Fields(string(line[:min(len(line), 200)]))
	switch {
	case len(fields) != 3 || fields[0] != saveMagic:
		return nil, fmt.Errorf("load %s: %w", name, ErrForeignSave)
	case fields[1] != saveVersion:
		return nil, fmt.Errorf("load %s: %w: its version is %s, not %s", name, ErrSaveVersion, fields[1], saveVersion)
	}
	if sum := sha256.Sum256(rest); hex.EncodeToString(sum[:]) != fields[2] {
		return nil, fmt.Errorf("load %s: %w: its checksum does not fit", name, ErrDamagedSave)
	}
	z, err := gzip.NewReader(bytes.NewReader(rest))
	if err != nil {
		return nil, fmt.Errorf("load %s: %w: %w", name, ErrDamagedSave, err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w: %w", name, ErrDamagedSave, err)
	}
	var save Save
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // as the bodies of requests are read
	if err := decoder.Decode(&save); err != nil {
		return nil, fmt.Errorf("load %s: %w: %w", name, ErrDamagedSave, err)
	}
	return &save, nil
}

// Restore makes the simulated Azure that was saved: it builds the scenario and lets
// the journal happen again, which takes about a millisecond for each entry at most.
// It shows the saved time until the clock of the options is asked again; nil means a
// clock that stands still there.
func (v *Save) Restore(o Options) (*Server, error) {
	scenario, err := ParseScenario(v.Name+".yaml", []byte(v.Scenario))
	if err != nil {
		return nil, fmt.Errorf("restore %s: %w", v.Name, err)
	}
	s, err := New(scenario, Options{})
	if err != nil {
		return nil, fmt.Errorf("restore %s: %w", v.Name, err)
	}
	s.replaying = true
	for i, r := range v.Journal {
		if err := s.replay(r); err != nil {
			return nil, fmt.Errorf("restore %s: entry %d of its journal: %w", v.Name, i+1, err)
		}
	}
	s.agenda.advance(v.Now)
	s.now = v.Now
	if err := s.setCounters(v.Counters); err != nil {
		return nil, fmt.Errorf("restore %s: %w", v.Name, err)
	}
	s.replaying, s.journal = false, slices.Clone(v.Journal)
	s.clock, s.log = o.Clock, o.Log
	if s.clock == nil {
		s.clock = NewManualClock(v.Now)
	}
	return s, nil
}

// setCounters sets the counters.
func (s *Server) setCounters(c counters) error {
	s.stats = newTally()
	s.stats.Stats, s.stats.requests = c.Stats, c.Requests
	maps.Copy(s.stats.barred, c.Barred)
	s.limits, s.windows, s.audited = map[string]*bucket{}, map[string]*window{}, nil
	for name, b := range c.Limits {
		s.limits[name] = &bucket{b.Size, b.Refill, b.Tokens, b.At}
	}
	for name, saved := range c.Windows {
		w := &window{limit: saved.Limit, sum: saved.Sum}
		for i, at := range saved.At {
			w.served = append(w.served, served{at, saved.Weight[i]})
		}
		s.windows[name] = w
	}
	for _, e := range c.Audited {
		if e.Vault < 0 || e.Vault >= len(s.made) {
			return fmt.Errorf("its audit log names a vault that it does not have, the %d. of %d", e.Vault, len(s.made))
		}
		s.audited = append(s.audited, auditEntry{
			e.At, s.made[e.Vault], e.Operation, e.Target, e.ID, e.ObjectID, e.AppID, e.Status,
		})
	}
	for _, saved := range c.Faults {
		for _, f := range s.faults {
			if f.number == saved.Number {
				f.seen, f.hit = saved.Seen, saved.Hit
			}
		}
	}
	if err := s.dice.UnmarshalBinary(c.Chance); err != nil {
		return fmt.Errorf("read the random state: %w", err)
	}
	return nil
}
