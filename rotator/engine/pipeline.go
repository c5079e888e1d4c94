package engine

import (
	"context"
	"errors"

	"cmkd/rotator"
)

// batch is a change with what rests on it.
type batch struct {
	change  rotator.Change
	tasks   []task
	replies []func(error)

	written chan struct{} // closed when err is final
	err     error
}

// pipeline makes changes durable, in the order in which they were decided. One is
// written at a time; another may be prepared meanwhile if it is worth it. A change
// is tried only if the one before it was stored.
type pipeline struct {
	store rotator.Store
	under []*batch
	// over delivers each batch once its outcome is known, in order.
	over chan *batch
}

const (
	pipelineDepth = 2
	// aheadLeast is the number of trackers from which on a change is worth being
	// prepared ahead: smaller ones would make more commits, not faster ones.
	aheadLeast = 256
)

// errNotTried is the outcome of a change after one that could not be stored.
var errNotTried = errors.New("the change before it was not stored")

func newPipeline(store rotator.Store) *pipeline {
	return &pipeline{store: store, over: make(chan *batch, pipelineDepth)}
}

func (p *pipeline) idle() bool { return len(p.under) == 0 }

// takes reports whether a change with so many trackers is to be committed now,
// rather than to grow until the one under way is stored.
func (p *pipeline) takes(trackers int) bool {
	return p.idle() || len(p.under) < pipelineDepth && trackers >= max(aheadLeast, len(p.under[0].change.Trackers))
}

// add begins to commit a batch.
func (p *pipeline) add(ctx context.Context, b *batch) {
	var before *batch
	if !p.idle() {
		before = p.under[len(p.under)-1]
	}
	b.written = make(chan struct{})
	p.under = append(p.under, b)
	go func() {
		b.err = p.commit(ctx, b, before)
		p.over <- b
		close(b.written)
	}()
}

func (p *pipeline) commit(ctx context.Context, b, before *batch) error {
	commit, err := p.store.Stage(&b.change)
	if before != nil {
		<-before.written
		if before.err != nil {
			return errNotTried
		}
	}
	if err != nil {
		return err
	}
	return commit(ctx)
}

// remove takes out a batch that is over, which is always the first.
func (p *pipeline) remove(b *batch) {
	if p.under[0] != b {
		panic("commits ended out of order")
	}
	p.under = p.under[1:]
}
