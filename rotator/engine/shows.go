package engine

import (
	"hash/maphash"
	"slices"
	"strconv"

	"cmkd/rotator"
)

// changedFrom reports whether the large part of the tracker differs from the
// one before in anything but the last look, see [shows].
func changedFrom(t, old *rotator.Tracker) bool {
	a, b := t.Detail, old.Detail
	if t.Evidence != old.Evidence || a.Version != b.Version || !slices.Equal(a.Via, b.Via) || a.Binding != b.Binding || a.Region != b.Region ||
		a.Before != b.Before || a.BoundBefore != b.BoundBefore || a.Window != b.Window || !slices.Equal(a.Blind, b.Blind) || len(a.Known) != len(b.Known) || len(a.KnownBefore) != len(b.KnownBefore) || len(a.AppliedTo) != len(b.AppliedTo) || a.AppliedVersion != b.AppliedVersion || a.AppliedAction != b.AppliedAction || !a.Applied.Equal(b.Applied) ||
		!a.DoneAt.Equal(b.DoneAt) || a.Allowed != b.Allowed || !slices.Equal(a.Others, b.Others) || !slices.Equal(a.NeedsYet, b.NeedsYet) || a.Refused != b.Refused || !slices.Equal(a.Needs, b.Needs) {
		return true
	}
	return !sameProblem(a.Problem, b.Problem) || !sameProblem(a.Refusal, b.Refusal)
}

func sameProblem(a, b *rotator.Problem) bool {
	return a == b || a != nil && b != nil && *a == *b
}

var shownSeed = maphash.MakeSeed()

// shows is what an observation shows, its uses and blind spots, as a number to compare
// it by: there is no room in memory for the observation of each dependent.
func shows(o *rotator.Observation) uint64 {
	var h maphash.Hash
	h.SetSeed(shownSeed)
	write := func(fields ...string) {
		for _, s := range fields {
			_, _ = h.WriteString(s)
			_ = h.WriteByte(0)
		}
	}
	for i := range o.Uses {
		u := &o.Uses[i]
		write("use", u.Path, string(u.Key), strconv.FormatBool(u.Microsoft), string(u.Binding), u.Version, u.Via, strconv.FormatInt(u.RotatedAt.UnixNano(), 10), u.ByHand)
		if u.Unknown != nil {
			write("unknown", string(u.Unknown.Code), u.Unknown.Message)
		}
		for _, held := range u.Held {
			write("held", string(held.Key), held.Version)
		}
	}
	write("access", string(o.Access))
	for _, b := range o.BlindSpots {
		write("blind spot", b.What, b.Why)
	}
	return h.Sum64()
}
