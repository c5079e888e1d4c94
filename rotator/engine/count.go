package engine

import "cmkd/rotator"

// kindCounts counts trackers by kind of dependent and state. It is asked for each
// change of a tracker, so the states are no map.
type kindCounts struct {
	byKind map[string]*stateCounts
	// recent is the kind asked for last: neighbours are mostly of one kind.
	recent string
	counts *stateCounts
}

type stateCounts [9]int

func newKindCounts() kindCounts { return kindCounts{byKind: map[string]*stateCounts{}} }

func (k *kindCounts) of(kind string) *stateCounts {
	if k.counts != nil && k.recent == kind {
		return k.counts
	}
	counts := k.byKind[kind]
	if counts == nil {
		counts = &stateCounts{}
		k.byKind[kind] = counts
	}
	k.recent, k.counts = kind, counts
	return counts
}

func (k *kindCounts) count(t *rotator.Tracker, by int) {
	k.of(t.Detail.Dependent.Kind)[stateIndex(t.State)] += by
}

// summary returns the counts that are not zero.
func (k *kindCounts) summary() map[string]map[rotator.TrackerState]int {
	all := make(map[string]map[rotator.TrackerState]int, len(k.byKind))
	for kind, counts := range k.byKind {
		states := map[rotator.TrackerState]int{}
		for i, s := range rotator.TrackerStates() {
			if counts[i] != 0 {
				states[s] = counts[i]
			}
		}
		all[kind] = states
	}
	return all
}

// stateIndex is a state's place among [rotator.TrackerStates].
func stateIndex(s rotator.TrackerState) int {
	switch s {
	case rotator.TrackerStalled:
		return 0
	case rotator.TrackerNeedsAction:
		return 1
	case rotator.TrackerUnreachable:
		return 2
	case rotator.TrackerApplying:
		return 3
	case rotator.TrackerPropagating:
		return 4
	case rotator.TrackerWaiting:
		return 5
	case rotator.TrackerDone:
		return 6
	case rotator.TrackerLeft:
		return 7
	default:
		return 8 // excluded
	}
}
