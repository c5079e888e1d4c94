package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// TestOperation_APageIsTheBeginningOfTheWhole: what is shown of a large operation is
// what would be shown first of all of it.
func TestOperation_APageIsTheBeginningOfTheWhole(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = nil
		for i := range 60 {
			id := fmt.Sprintf("%s-%d", storageID, i)
			r := rotatortest.Resource{ID: id, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: time.Duration(i%3-1) * time.Minute}}
			s.azure.AddResource(r)
			d := rotator.Dependent{ID: id, Kind: "follower"}
			if i%7 == 0 {
				d.Excluded = "is moved by hand"
			}
			s.key.Dependents = append(s.key.Dependents, d)
		}
		s.start()
		op := s.rotate()
		s.pass(2 * time.Hour)
		whole := s.want(op, rotator.StatePropagating)
		if len(whole.Trackers) != 60 || len(whole.Blockers) < 10 {
			t.Fatalf("%d dependents and %d blockers", len(whole.Trackers), len(whole.Blockers))
		}
		for _, limit := range []int{1, 2, 5, 20, 60, 100} {
			page, err := s.engine.Operation(s.t.Context(), op, limit)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(whole.Trackers[:min(limit, 60)], page.Trackers); d != "" || page.Total != 60 {
				t.Errorf("limit %d, of %d (-whole +page):\n%s", limit, page.Total, d)
			}
			if len(page.Blockers) < min(limit, len(whole.Blockers)) {
				t.Errorf("limit %d: %d blockers of %d", limit, len(page.Blockers), len(whole.Blockers))
			}
		}
	})
}
