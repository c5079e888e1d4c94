package engine

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"cmkd/rotator"
)

// gatedStore notes which changes, told by their first event, were staged and
// stored; each commit waits for its outcome to be told.
type gatedStore struct {
	rotator.Store
	staged, stored []string
	outcome        chan error
	refuse         error // of Stage
}

func (s *gatedStore) Stage(c *rotator.Change) (func(context.Context) error, error) {
	name := c.Events[0].Message
	s.staged = append(s.staged, name)
	return func(context.Context) error {
		err := <-s.outcome
		if err == nil {
			s.stored = append(s.stored, name)
		}
		return err
	}, s.refuse
}

func sized(name string, trackers int) *batch {
	return &batch{change: rotator.Change{Events: []rotator.Event{{Message: name}}, Trackers: make([]rotator.Tracker, trackers)}}
}

func inPipeline(t *testing.T, f func(*testing.T, *pipeline, *gatedStore)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &gatedStore{outcome: make(chan error)}
		f(t, newPipeline(s), s)
	})
}

func TestPipeline_PreparesAheadWhatIsWorthIt(t *testing.T) {
	t.Parallel()
	inPipeline(t, func(t *testing.T, p *pipeline, s *gatedStore) {
		if !p.takes(0) {
			t.Error("an idle pipeline takes nothing")
		}
		p.add(t.Context(), sized("first", 300))
		synctest.Wait()
		switch {
		case p.takes(299):
			t.Error("a change smaller than the one under way does not wait and grow")
		case !p.takes(300):
			t.Error("a change as large as the one under way is not taken")
		}
		p.add(t.Context(), sized("second", 300))
		synctest.Wait()
		if p.takes(10_000) {
			t.Error("takes a third")
		}
		if want := []string{"first", "second"}; !slices.Equal(s.staged, want) || len(s.stored) != 0 {
			t.Errorf("staged %v and stored %v while the first is being written", s.staged, s.stored)
		}
		for range 2 {
			s.outcome <- nil
			b := <-p.over
			if b.err != nil {
				t.Error(b.err)
			}
			p.remove(b)
		}
		if want := []string{"first", "second"}; !slices.Equal(s.stored, want) {
			t.Errorf("stored %v, want %v", s.stored, want)
		}
	})
}

func TestPipeline_SmallChangesWaitForOneAnother(t *testing.T) {
	t.Parallel()
	inPipeline(t, func(t *testing.T, p *pipeline, s *gatedStore) {
		p.add(t.Context(), sized("first", 1))
		if p.takes(aheadLeast - 1) {
			t.Error("a small change makes a commit of its own")
		}
		s.outcome <- nil
		p.remove(<-p.over)
		if !p.takes(1) {
			t.Error("it is not taken when the first is over")
		}
	})
}

// TestPipeline_NothingIsStoredAfterAFailure: the second change rests on the first.
func TestPipeline_NothingIsStoredAfterAFailure(t *testing.T) {
	t.Parallel()
	inPipeline(t, func(t *testing.T, p *pipeline, s *gatedStore) {
		p.add(t.Context(), sized("first", 1))
		synctest.Wait()
		p.add(t.Context(), sized("second", 300))
		s.outcome <- rotator.ErrStoreFull
		first, second := <-p.over, <-p.over
		if !errors.Is(first.err, rotator.ErrStoreFull) || !errors.Is(second.err, errNotTried) {
			t.Errorf("outcomes %v and %v", first.err, second.err)
		}
		if len(s.stored) != 0 {
			t.Errorf("stored %v", s.stored)
		}
	})
}

func TestPipeline_AChangeThatCannotBePrepared(t *testing.T) {
	t.Parallel()
	inPipeline(t, func(t *testing.T, p *pipeline, s *gatedStore) {
		s.refuse = rotator.Errorf(rotator.CodeInvalid, "no name")
		p.add(t.Context(), sized("first", 1))
		if b := <-p.over; !errors.Is(b.err, s.refuse) {
			t.Errorf("outcome %v", b.err)
		}
	})
}
