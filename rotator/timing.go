package rotator

import "time"

// Timing is how long one kind of dependent in one region took for one kind of
// change, from what was seen. What was only inferred does not count.
type Timing struct {
	Kind   string        `json:"kind"`
	Region string        `json:"region,omitempty"`
	Change OperationKind `json:"change"`
	// Histogram is in the encoding of HdrHistogram, in seconds.
	Histogram []byte `json:"histogram"`
}

// TimingStatus is what was learned of a kind in a region.
type TimingStatus struct {
	Kind   string        `json:"kind"`
	Region string        `json:"region,omitempty"`
	Change OperationKind `json:"change"`
	// Count is the number of dependents seen; the others are zero without any.
	Count int64         `json:"count"`
	P50   time.Duration `json:"p50"`
	P90   time.Duration `json:"p90"`
	P99   time.Duration `json:"p99"`
	Max   time.Duration `json:"max"`
	// Documented is the kind's own window, Suggested the one that what was seen
	// suggests; zero while too little was seen.
	Documented time.Duration `json:"documented"`
	Suggested  time.Duration `json:"suggested,omitempty"`
}
