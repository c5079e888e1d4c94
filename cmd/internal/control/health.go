package control

import (
	"fmt"
	"net/http"
	"time"

	"cmkd/rotator"
)

const (
	// HeartbeatPause is longer than the engine ever waits without a step, by its
	// clock.
	HeartbeatPause = 30 * time.Second
	// heartbeatGrace is how long an engine that seems to stand still is watched, in
	// real time: on a simulated clock the pause passes within a moment.
	heartbeatGrace = 250 * time.Millisecond
	heartbeatLook  = 10 * time.Millisecond
)

// Pulse is what can be seen of an engine's life.
type Pulse interface {
	Summary() rotator.Summary
	// Heartbeat returns when the engine last began a step.
	Heartbeat() time.Time
}

// Health says whether the daemon works.
type Health struct {
	// Live is false if the engine stands still: only a restart helps.
	Live bool `json:"live"`
	// Ready is true if the engine does what it is there for: it lives, has read the
	// store and can write it.
	Ready bool `json:"ready"`
	// Problems say in sentences what is wrong, if anything is.
	Problems []string `json:"problems"`
}

// HealthOf says whether an engine that runs on clock works. It takes a moment
// only if the engine seems to stand still.
func HealthOf(e Pulse, clock rotator.Clock) Health {
	h := Health{Live: beats(e, clock), Problems: []string{}}
	s := e.Summary()
	switch beat := e.Heartbeat(); {
	case h.Live:
	case beat.IsZero():
		h.Problems = append(h.Problems, "the engine has not begun")
	default:
		h.Problems = append(h.Problems, fmt.Sprintf("the engine has made no step for %s", clock.Now().Sub(beat).Round(time.Second)))
	}
	switch {
	case s.Blocked != "":
		h.Problems = append(h.Problems, "nothing can be stored: "+s.Blocked)
	case s.Live == nil:
		h.Problems = append(h.Problems, "the store is still being read")
	}
	h.Ready = len(h.Problems) == 0
	return h
}

// beats reports whether the engine made a step not long ago, or makes one now.
func beats(e Pulse, clock rotator.Clock) bool {
	beat := e.Heartbeat()
	if !beat.IsZero() && clock.Now().Sub(beat) < HeartbeatPause {
		return true
	}
	for range heartbeatGrace / heartbeatLook {
		time.Sleep(heartbeatLook)
		if !e.Heartbeat().Equal(beat) {
			return true
		}
	}
	return false
}

// Status is the HTTP status that goes with it.
func (h *Health) Status() int {
	if !h.Ready {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

func (s *Server) health(*http.Request) (*Health, error) {
	h := HealthOf(s.o.Engine, s.o.Clock)
	return &h, nil
}
