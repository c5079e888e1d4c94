package engine

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"cmkd/rotator"
)

const (
	// timingMost is the longest time that is told apart.
	timingMost = 31 * 24 * time.Hour
	// timingDigits is the precision: to one part in a hundred.
	timingDigits = 2
	// learnedFrom is how many dependents must have been seen before what they took
	// is expected of others, suggestedFrom before a window is suggested.
	learnedFrom, suggestedFrom = 5, 20
)

type timingKey struct {
	kind, region string
	change       rotator.OperationKind
}

// timing is a [rotator.Timing] at work.
type timing struct {
	timingKey
	histogram *hdrhistogram.Histogram
	changed   bool
	// last is the status as it was made last: to make it takes a walk over the
	// histogram, and most have not changed when they are asked for.
	last rotator.TimingStatus
}

func newTiming(key timingKey) *timing {
	return &timing{timingKey: key, histogram: hdrhistogram.New(1, int64(timingMost/time.Second), timingDigits)}
}

func restoreTiming(t *rotator.Timing) (*timing, error) {
	h, err := hdrhistogram.Decode(t.Histogram)
	if err != nil {
		return nil, fmt.Errorf("timing of %s in %s: %w", t.Kind, t.Region, err)
	}
	return &timing{timingKey: timingKey{t.Kind, t.Region, t.Change}, histogram: h}, nil
}

func (t *timing) record(took time.Duration) {
	seconds := int64(min(max(took, time.Second), timingMost) / time.Second)
	if t.histogram.RecordValue(seconds) == nil { // it is within the bounds
		t.changed = true
	}
}

func (t *timing) encode() (rotator.Timing, error) {
	b, err := t.histogram.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return rotator.Timing{}, fmt.Errorf("timing of %s in %s: %w", t.kind, t.region, err)
	}
	return rotator.Timing{Kind: t.kind, Region: t.region, Change: t.change, Histogram: b}, nil
}

func (t *timing) status(traits rotator.Traits) rotator.TimingStatus {
	if n := t.histogram.TotalCount(); n > 0 && n == t.last.Count {
		return t.last
	}
	at := func(percentile float64) time.Duration {
		return time.Duration(t.histogram.ValueAtQuantile(percentile)) * time.Second
	}
	s := rotator.TimingStatus{
		Kind: t.kind, Region: t.region, Change: t.change, Count: t.histogram.TotalCount(),
		P50: at(50), P90: at(90), P99: at(99), Max: time.Duration(t.histogram.Max()) * time.Second,
		Documented: windowOf(&rotator.TrackerDetail{}, traits),
	}
	if t.change != rotator.KindRotation {
		s.Documented = accessWindow(&rotator.TrackerDetail{}, traits)
	}
	if s.Count >= suggestedFrom {
		s.Suggested = roundUp(2*s.P99, 5*time.Minute)
	}
	t.last = s
	return s
}

func roundUp(d, to time.Duration) time.Duration { return (d + to - 1) / to * to }

// learn notes how long a dependent took, if it was seen to get there now.
func (c alerts) learn(l *live, t *rotator.Tracker) {
	d := t.Detail
	if !t.Evidence.AtLeast(rotator.EvidenceObserved) || d.Problem != nil || d.Last == nil {
		return
	}
	start := l.op.Effect
	if l.op.Kind == rotator.KindRotation {
		start = l.op.Target.Created
		if d.AppliedVersion == l.op.Target.ID {
			start = later(start, d.Applied)
		}
	}
	end := d.DoneAt
	if at := d.Last.Switched(l.op.KeyID); l.op.Kind == rotator.KindRotation && at.After(start) && at.Before(end) {
		end = at // the service itself says when
	}
	if start.IsZero() || !end.After(start) {
		return
	}
	c.alarm.timing(timingKey{d.Dependent.Kind, d.Region, l.op.Kind}).record(end.Sub(start))
	if c.took != nil {
		c.took(d.Dependent.Kind, l.op.Kind, end.Sub(start))
	}
}

// timing returns the timing of a key, made if there is none yet. Neighbours are
// mostly of one kind and place.
func (a *alarm) timing(key timingKey) *timing {
	if a.recent != nil && a.recent.timingKey == key {
		return a.recent
	}
	t := a.timings[key]
	if t == nil {
		t = newTiming(key)
		a.timings[key] = t
	}
	a.recent = t
	return t
}

// keepTimings lets the next commit take what was learned since the last time: to
// lose a minute of it is no harm, and to encode it with every commit would cost
// more than it is worth.
func (c alerts) keepTimings() {
	for _, t := range c.alarm.timings {
		if !t.changed {
			continue
		}
		encoded, err := t.encode()
		if err != nil {
			continue // impossible: it encodes what it recorded
		}
		t.changed = false
		c.draft.learned(encoded)
		c.alarm.published = false
		c.draft.soon()
	}
}
