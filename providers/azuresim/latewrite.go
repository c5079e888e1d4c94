package azuresim

import (
	"cmp"
	"time"
)

// lateWrite is how most providers take a write: with an answer at once, and with an
// operation at whose end the document is another.
type lateWrite struct {
	made, changed int // statuses of the answers to a creation and to a change
	style         func() operationStyle
	// creating and updating are what the provisioningState says meanwhile.
	creating, updating string
	// rested is what it says of one that rests, empty for Succeeded.
	rested string
	// answer is sent at once, nil for the document that was.
	answer func(c *call) doc
	// rest completes what was asked by what the provider adds.
	rest func(s *Server, d doc, made time.Time)
	// kept are read-only properties, which a PUT of the rest leaves as they are.
	kept []string
	// whole objects are replaced by a change, and not merged.
	whole []string
}

// write answers a PUT or a PATCH.
func (w lateWrite) write(s *Server, c *call, r *resource, body doc, patch bool) *answer {
	status, state, made := w.changed, w.updating, r == nil
	if made {
		status, state = w.made, w.creating
		r = s.newResource(c)
		r.doc = common(r.id, r.kind.typ, regionName(text(body, "location")), nil)
		w.rest(s, r.doc, c.now)
	}
	next := w.asked(s, r, body, patch)
	stateAt := cmp.Or(r.kind.stateAt, provisioningState)
	put(r.doc, stateAt, state)
	shown := clone(r.doc)
	if w.answer != nil {
		shown = w.answer(c)
	}
	if made {
		s.add(r)
		s.watch(r, c.now.Add(r.pace.FirstCheck.Duration))
	}
	a := reply(status, shown)
	s.begin(c, r, w.style(), a, func(now time.Time) doc {
		put(next, stateAt, cmp.Or(w.rested, "Succeeded"))
		s.change(r, next)
		if r.pace.Unnudged && r.link.pinned == "" {
			s.settle(r, now)
		} else {
			s.reread(r, now)
		}
		return nil
	})
	return a
}

// asked is the document that a write asks for.
func (w lateWrite) asked(s *Server, r *resource, body doc, patch bool) doc {
	for _, name := range []string{"id", "name", "type", "location"} {
		delete(body, name)
	}
	next := clone(r.doc)
	if !patch { // it is the whole
		delete(next, "properties")
		next["tags"] = doc{}
	}
	for _, path := range w.whole {
		if at(body, path) != nil {
			put(next, path, nil)
		}
	}
	merge(next, body)
	for _, path := range w.kept {
		if value := at(r.doc, path); value != nil && at(next, path) == nil {
			put(next, path, value)
		}
	}
	w.rest(s, next, r.made)
	s.identify(next)
	return next
}

// reread takes the pinned or the newest version into use, if the service can read it. It
// counts as a switch even when the version stays [recording storage.customer-managed-key].
func (s *Server) reread(r *resource, now time.Time) {
	id := s.pick(r, now)
	if k := s.keyOf(r); id == "" || k == nil || s.shutOut(r, k) || k.state.find(id) == nil {
		s.settle(r, now)
		return
	}
	s.use(r, id, now)
}

// statusStyle is an operation that says nothing but its status.
func statusStyle(collection, running string) operationStyle {
	return operationStyle{
		collection: collection, running: running, result: "-",
		document: func(_ *call, o *operation, status string) doc { return withError(doc{"status": status}, o) },
	}
}

// upsertStyle is that of PostgreSQL and MySQL [recordings postgresql.flexible-server-cmk,
// mysql.flexible-server-cmk].
func upsertStyle() operationStyle {
	return operationStyle{
		collection: "azureAsyncOperation", running: "InProgress", result: "operationResults",
		document: func(_ *call, o *operation, status string) doc {
			return withError(doc{"name": o.id, "status": status, "startTime": stampZ(o.start)}, o)
		},
	}
}
