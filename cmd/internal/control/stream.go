package control

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cmkd/rotator"
)

const (
	mediaStream = "text/event-stream"
	// writeTimeout is how long a follower may leave its end unread.
	writeTimeout = 30 * time.Second
)

func wantsStream(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), mediaStream)
}

// stream sends events as they are committed, as server-sent events whose ids are
// sequence numbers, until the peer leaves or the daemon stops. It begins after
// f.After, or Last-Event-ID; with f.Last, at the newest f.Limit events.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, f rotator.EventFilter) error {
	if id, err := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64); err == nil {
		f.After, f.Last = id, false
	}
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", mediaStream)
	w.WriteHeader(http.StatusOK)
	beat := time.NewTicker(s.o.Heartbeat)
	defer beat.Stop()
	for {
		news := s.newsNow() // before reading, so that nothing falls in between
		last, more, err := s.send(w, r, f)
		if err != nil || out.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil || out.Flush() != nil {
			return nil // the status is sent, and who left needs no answer
		}
		f.After, f.Last = max(f.After, last), false
		if more {
			continue
		}
		select {
		case <-news:
		case <-beat.C:
			if _, err := fmt.Fprint(w, ": still here\n\n"); err != nil {
				return nil
			}
		case <-s.closing:
			return nil
		case <-r.Context().Done():
			return nil
		}
	}
}

// send writes the events that f selects and returns the number of the last, and
// whether there may be more.
func (s *Server) send(w http.ResponseWriter, r *http.Request, f rotator.EventFilter) (last uint64, more bool, err error) {
	events, err := s.o.Engine.Events(r.Context(), f)
	if err != nil {
		return 0, false, err
	}
	for _, e := range events {
		data, err := json.Marshal(e)
		if err != nil {
			return 0, false, fmt.Errorf("encode event %d: %w", e.Seq, err)
		}
		if _, err := fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", e.Seq, e.Type, data); err != nil {
			return 0, false, fmt.Errorf("write event %d: %w", e.Seq, err)
		}
		last = e.Seq
	}
	return last, len(events) >= f.Limit, nil
}
