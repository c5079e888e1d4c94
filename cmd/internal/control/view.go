package control

import (
	"cmp"
	"math"
	"net/http"
	"strconv"
	"time"

	"cmkd/rotator"
)

const (
	defaultLimit = 100
	// maxLimit bounds what one answer holds; paging gets the rest.
	maxLimit = 10_000
	// maxTrackers is no limit: who asks for none gets all dependents.
	maxTrackers = math.MaxInt
)

func (s *Server) summary(*http.Request) (Summary, error) {
	sum := s.o.Engine.Summary()
	sum.Live, sum.Trackers, sum.Alerts = counts(sum.Live), counts(sum.Trackers), counts(sum.Alerts)
	return Summary{
		Summary: sum, Now: s.o.Clock.Now().UTC(),
		Version: s.o.About.Version, SimulatedClock: s.o.About.SimulatedClock,
	}, nil
}

// counts makes empty counts of none, which JSON would write as null.
func counts[K comparable](m map[K]int) map[K]int {
	if m == nil {
		return map[K]int{}
	}
	return m
}

func (s *Server) version(*http.Request) (Version, error) { return s.o.About, nil }

func (s *Server) keys(r *http.Request) ([]rotator.KeyStatus, error) {
	q := query{r: r}
	f := rotator.KeyQuery{After: q.text("after")}
	if q.text("limit") != "" {
		f.Limit = q.limit()
	}
	if q.err != nil {
		return nil, q.err
	}
	keys, err := s.o.Engine.Keys(r.Context(), f)
	for i := range keys {
		keys[i].Dependents = some(keys[i].Dependents)
	}
	return some(keys), err
}

// some makes an empty list of none, which JSON would write as null.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (s *Server) key(r *http.Request) (rotator.KeyStatus, error) {
	key, err := s.o.Engine.Key(r.Context(), r.PathValue("name"))
	key.Dependents = some(key.Dependents)
	return key, err
}

func (s *Server) operations(r *http.Request) ([]rotator.Operation, error) {
	q := query{r: r}
	f := rotator.OperationQuery{
		Key: q.text("key"), Live: q.flag("live"), Before: q.operation("before"), Limit: q.limit(),
	}
	if q.err != nil {
		return nil, q.err
	}
	ops, err := s.o.Engine.Operations(r.Context(), f)
	return some(ops), err
}

func (s *Server) operation(r *http.Request) (op rotator.OperationStatus, err error) {
	id, err := operationID(r.PathValue("id"))
	if err != nil {
		return op, err
	}
	q := query{r: r}
	limit := maxTrackers
	if q.text("limit") != "" {
		limit = q.limit()
	}
	if q.err != nil {
		return op, q.err
	}
	op, err = s.o.Engine.Operation(r.Context(), id, limit)
	op.Trackers = some(op.Trackers)
	return op, err
}

// eventFilter reads which events are wanted.
func eventFilter(r *http.Request) (rotator.EventFilter, error) {
	q := query{r: r}
	f := rotator.EventFilter{
		After: q.number("after"), Key: q.text("key"), Operation: q.operation("operation"),
		Since: q.time("since"), Last: q.flag("last"), Limit: q.limit(),
	}
	return f, q.err
}

func (s *Server) events(r *http.Request) ([]rotator.Event, error) {
	f, err := eventFilter(r)
	if err != nil {
		return nil, err
	}
	events, err := s.o.Engine.Events(r.Context(), f)
	return some(events), err
}

func (s *Server) verify(r *http.Request) (LogReport, error) {
	if s.o.Verify == nil {
		return LogReport{}, cannot("verify the audit trail")
	}
	return s.o.Verify(r.Context())
}

func cannot(what string) error {
	return rotator.Errorf(rotator.CodeUnavailable, "this daemon cannot %s", what)
}

// worded says in the JSON of keys and operations what programs that read no Go would else
// have to work out.
func worded(v any) any {
	switch v := v.(type) {
	case rotator.Operation:
		word(&v)
		return v
	case rotator.OperationStatus:
		word(&v.Operation)
		return v
	case rotator.KeyStatus:
		return wordedKey(v)
	case []rotator.Operation:
		for i := range v {
			word(&v[i])
		}
	case []rotator.KeyStatus:
		for i := range v {
			v[i] = wordedKey(v[i])
		}
	}
	return v
}

func wordedKey(key rotator.KeyStatus) rotator.KeyStatus {
	if key.Last != nil {
		last := *key.Last
		word(&last)
		key.Last = &last
	}
	key.Needs = key.NeedsYou()
	return key
}

func word(op *rotator.Operation) { op.Waiting.Text, op.Needs = op.WaitingText(), op.NeedsYou() }

// operationID reads op-17, or 17.
func operationID(text string) (rotator.OperationID, error) {
	if n, err := strconv.ParseUint(text, 10, 64); err == nil && n > 0 {
		return rotator.OperationID(n), nil
	}
	id, err := rotator.ParseOperationID(text)
	if err != nil {
		return 0, rotator.Errorf(rotator.CodeInvalid, "%v", err).WithHint("cmkd history lists the operations")
	}
	return id, nil
}

// query reads parameters and remembers the first that is wrong.
type query struct {
	r   *http.Request
	err error
}

func (q *query) text(name string) string { return q.r.URL.Query().Get(name) }

func (q *query) wrong(name, form string) {
	q.err = cmp.Or(q.err, error(rotator.Errorf(rotator.CodeInvalid, "parameter %s=%s is not %s", name, q.text(name), form)))
}

func (q *query) flag(name string) bool {
	switch q.text(name) {
	case "", "false", "0":
		return false
	case "true", "1":
		return true
	default:
		q.wrong(name, "true or false")
		return false
	}
}

func (q *query) number(name string) uint64 {
	if q.text(name) == "" {
		return 0
	}
	n, err := strconv.ParseUint(q.text(name), 10, 64)
	if err != nil {
		q.wrong(name, "a number")
	}
	return n
}

func (q *query) limit() int {
	n := cmp.Or(q.number("limit"), defaultLimit)
	if n > maxLimit {
		q.wrong("limit", "at most "+strconv.Itoa(maxLimit))
	}
	return int(min(n, maxLimit))
}

func (q *query) operation(name string) rotator.OperationID {
	if q.text(name) == "" {
		return 0
	}
	id, err := operationID(q.text(name))
	if err != nil {
		q.wrong(name, "an operation id like op-17")
	}
	return id
}

func (q *query) time(name string) time.Time {
	if q.text(name) == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, q.text(name))
	if err != nil {
		q.wrong(name, "a time like 2026-01-31T08:00:00Z")
	}
	return t
}
