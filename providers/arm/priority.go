package arm

import "context"

// Priority says who goes first when calls are scarce.
type Priority int

// The priorities. The zero value is [Normal].
const (
	Low    Priority = iota - 1 // the polling grid
	Normal                     // what a person waits for
	High                       // revocation
)

type priorityKey struct{}

// WithPriority makes the calls under ctx go by a priority.
func WithPriority(ctx context.Context, p Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, p)
}

func priorityOf(ctx context.Context) Priority {
	p, _ := ctx.Value(priorityKey{}).(Priority)
	return p
}

// reserve is the part of a bucket that a priority leaves to the higher ones.
func (p Priority) reserve() float64 {
	switch {
	case p >= High:
		return 0
	case p == Normal:
		return 0.1
	}
	return 0.25
}
