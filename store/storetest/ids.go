package storetest

import (
	"errors"
	"sync"
	"testing"

	"cmkd/rotator"
)

func idChecks() []check {
	return []check{
		{"count from 1, one after the other", idsCount},
		{"are apart for each sequence", idsApart},
		{"are no record's", idsAboveRecords},
		{"do not come again when their record is forgotten", idsForgotten},
		{"come to each caller once", idsConcurrent},
		{"are refused to who asks for none, too many, or of no sequence", idsInvalid},
		{"are not handed out to who is gone", idsCancelled},
	}
}

func ids(t *testing.T, s rotator.Store, seq rotator.Sequence, n int) (first uint64) {
	t.Helper()
	return must[uint64](t)(s.NextIDs(t.Context(), seq, n))
}

func idsCount(t *testing.T, s rotator.Store) {
	next := uint64(1)
	for _, n := range []int{1, 1, 2, 100, 1, 1000, rotator.IDsMost, 1} {
		if got := ids(t, s, rotator.SequenceOperations, n); got != next {
			t.Fatalf("the first of %d ids is %d, want %d", n, got, next)
		}
		next += uint64(n)
	}
}

func idsApart(t *testing.T, s rotator.Store) {
	ids(t, s, rotator.SequenceOperations, 5)
	for _, seq := range rotator.Sequences()[1:] {
		if got := ids(t, s, seq, 1); got != 1 {
			t.Errorf("the first id of %s is %d, want 1", seq, got)
		}
	}
	if got := ids(t, s, rotator.SequenceOperations, 1); got != 6 {
		t.Errorf("the next operation is %d, want 6", got)
	}
}

// idsAboveRecords stores records whose ids nobody was handed out: below those that
// were, next to them, and far above.
func idsAboveRecords(t *testing.T, s rotator.Store) {
	last := ids(t, s, rotator.SequenceOperations, 4)
	for _, id := range []uint64{1, 6, 7, 5000} {
		c := change(rotator.OperationID(id), "payments", 0)
		c.Silences = append(c.Silences, silence(rotator.SequenceSilences.ID(id)), silence("s-0x"), silence("s-099999"), silence("99999"))
		c.Attestations = append(c.Attestations, attestation(rotator.SequenceAttestations.ID(id)), attestation("s-99999"))
		c.Freezes = append(c.Freezes, freeze(rotator.SequenceFreezes.ID(id)), freeze("a-99999"))
		commit(t, s, c)
		for _, seq := range rotator.Sequences() {
			got := ids(t, s, seq, 1)
			if got <= id || seq == rotator.SequenceOperations && got <= last || got > id+10 {
				t.Errorf("the id after %s %d is %d", seq, id, got)
			}
			if seq == rotator.SequenceOperations {
				last = got
			}
		}
	}
}

func idsForgotten(t *testing.T, s rotator.Store) {
	id := ids(t, s, rotator.SequenceSilences, 1)
	name := rotator.SequenceSilences.ID(id)
	commit(t, s, &rotator.Change{Silences: []rotator.Silence{silence(name), silence("s-77")}})
	commit(t, s, &rotator.Change{Forget: rotator.Forget{Silences: []string{name, "s-77"}}})
	if got := ids(t, s, rotator.SequenceSilences, 1); got != 78 {
		t.Errorf("the next silence is %d, want 78", got)
	}
}

func idsConcurrent(t *testing.T, s rotator.Store) {
	const callers, rounds, each = 8, 25, 3
	firsts := make([][]uint64, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for range rounds {
				first, err := s.NextIDs(t.Context(), rotator.SequenceOperations, each)
				if err != nil {
					t.Errorf("ids: %v", err)
					return
				}
				firsts[i] = append(firsts[i], first)
			}
		})
	}
	for i := range rounds { // while others write
		c := &rotator.Change{Events: []rotator.Event{event("x")}, Keys: []rotator.KeyState{key("a")}}
		if err := rotator.Commit(t.Context(), s, c); err != nil {
			t.Errorf("commit %d: %v", i, err)
		}
	}
	wg.Wait()
	seen := map[uint64]bool{}
	for _, all := range firsts {
		for _, first := range all {
			for id := first; id < first+each; id++ {
				if id == 0 || seen[id] {
					t.Fatalf("id %d was handed out twice", id)
				}
				seen[id] = true
			}
		}
	}
}

func idsInvalid(t *testing.T, s rotator.Store) {
	for _, n := range []int{0, -1, rotator.IDsMost + 1} {
		if first, err := s.NextIDs(t.Context(), rotator.SequenceOperations, n); rotator.CodeOf(err) != rotator.CodeInvalid || first != 0 {
			t.Errorf("%d ids: %d, %v, want CodeInvalid", n, first, err)
		}
	}
	for _, seq := range []rotator.Sequence{"", "timings", "Operations"} {
		if _, err := s.NextIDs(t.Context(), seq, 1); rotator.CodeOf(err) != rotator.CodeInvalid {
			t.Errorf("ids of %q: %v, want CodeInvalid", seq, err)
		}
	}
	if got := ids(t, s, rotator.SequenceOperations, 1); got != 1 {
		t.Errorf("the first id is %d, want 1", got)
	}
}

func idsCancelled(t *testing.T, s rotator.Store) {
	for range 2 {
		if _, err := s.NextIDs(cancelled(t), rotator.SequenceOperations, 1); !errors.Is(err, cancelled(t).Err()) {
			t.Errorf("ids: %v, want context.Canceled", err)
		}
		ids(t, s, rotator.SequenceOperations, 1)
	}
}

// reopenIDs hands out ids of which nothing is stored, before a clean end and before a
// crash in turn.
func reopenIDs(t *testing.T, b Backend) {
	dir := t.TempDir()
	s := b.Open(t, dir)
	last := map[rotator.Sequence]uint64{}
	for round := range 6 {
		for i, seq := range rotator.Sequences() {
			n := 1 + 40*(round/2)*i // within what is reserved ahead, and beyond
			first := ids(t, s, seq, n)
			if first <= last[seq] {
				t.Fatalf("round %d: id %d of %s was handed out again", round, first, seq)
			}
			last[seq] = first + uint64(n) - 1
		}
		if round%2 == 0 {
			b.close(t, s)
			s = b.Open(t, dir)
			continue
		}
		s, dir = b.crash(t, s, dir)
	}
	b.close(t, s)
}

// reopenNoGaps: after a clean end no id is left out.
func reopenNoGaps(t *testing.T, b Backend) {
	dir := t.TempDir()
	for want := uint64(1); want < 4; want++ {
		s := b.Open(t, dir)
		got := ids(t, s, rotator.SequenceOperations, 1)
		b.close(t, s)
		if got != want {
			t.Errorf("id %d, want %d", got, want)
		}
	}
}

func (b Backend) crash(t *testing.T, s rotator.Store, dir string) (survivor rotator.Store, in string) {
	t.Helper()
	if b.Crash != nil {
		return b.Crash(t, s, dir)
	}
	b.close(t, s)
	return b.Open(t, dir), dir
}
