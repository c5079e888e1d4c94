package daemon

import (
	"context"
	"errors"
	"sync"

	"cmkd/configs"
	"cmkd/rotator"

	"github.com/rs/zerolog"
)

// turn logs when somebody can no longer be told, and when that is over: not each of
// the attempts between, of which there is one a minute.
type turn struct {
	log zerolog.Logger

	mu   sync.Mutex
	down bool
}

// told takes in how an attempt went.
func (t *turn) told(err error) {
	if errors.Is(err, context.Canceled) {
		return // the daemon stops, which says nothing of the other side
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err != nil && !t.down:
		t.log.Warn().Err(err).Str("hint", rotator.AsError(err).Hint).Msg("receiver cannot be told")
	case err == nil && t.down:
		t.log.Info().Msg("receiver can be told again")
	}
	t.down = err != nil
}

// reported is a notifier whose turns are logged.
type reported struct {
	rotator.Notifier
	turn turn
}

// Notify implements [rotator.Notifier].
func (r *reported) Notify(ctx context.Context, n rotator.Notification) error {
	err := r.Notifier.Notify(ctx, n)
	r.turn.told(err)
	return err
}

// replicas logs the turns of each replica of an Alertmanager; nil if there is but
// one, which is the receiver itself.
func (d *daemon) replicas(r *configs.Receiver) func(url string, err error) {
	if len(r.Alertmanager.URLs) < 2 {
		return nil
	}
	var mu sync.Mutex
	turns := map[string]*turn{}
	return func(url string, err error) {
		mu.Lock()
		defer mu.Unlock()
		if turns[url] == nil {
			turns[url] = &turn{log: d.log.With().Str("receiver", r.Name).Str("replica", url).Logger()}
		}
		turns[url].told(err)
	}
}
