package control

import (
	"encoding/json"
	"fmt"
	"io"
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

// follow reads which events are wanted and sends them.
func (s *Server) follow(w http.ResponseWriter, r *http.Request) error {
	f, err := eventFilter(r)
	if err != nil {
		return err
	}
	return s.stream(w, r, f)
}

// stream sends events as they are committed, as server-sent events whose ids are
// sequence numbers, until the peer leaves or the daemon stops. It begins after
// f.After, or Last-Event-ID; with f.Last, at the newest f.Limit events.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, f rotator.EventFilter) error {
	if id, err := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64); err == nil {
		f.After, f.Last = id, false
	}
	out := http.NewResponseController(w)
	defer out.SetWriteDeadline(time.Time{}) //nolint:errcheck // the connection may be gone
	w.Header().Set("Content-Type", mediaStream)
	w.WriteHeader(http.StatusOK)
	beat := time.NewTicker(s.o.Heartbeat)
	defer beat.Stop()
	for {
		news := s.newsNow() // before reading, so that nothing falls in between
		if err := out.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return nil // the status is sent, and who left needs no answer
		}
		more, err := s.send(w, r, &f)
		if err != nil || out.Flush() != nil {
			return nil
		}
		if more {
			continue
		}
		select {
		case <-news:
		case <-beat.C:
			_, _ = io.WriteString(w, ": still here\n\n") // the flush tells if nobody is there
		case <-s.closing:
			return nil
		case <-r.Context().Done():
			return nil
		}
	}
}

// send writes the events that f selects, moves f behind them, and reports whether
// there may be more. Where there are none of the events wanted, f moves on all the
// same, so that nothing is read again and again.
func (s *Server) send(w io.Writer, r *http.Request, f *rotator.EventFilter) (more bool, err error) {
	head, err := s.o.Engine.Events(r.Context(), rotator.EventFilter{Last: true, Limit: 1})
	if err != nil {
		return false, err
	}
	events, err := s.o.Engine.Events(r.Context(), *f)
	if err != nil {
		return false, err
	}
	for _, e := range events {
		data, err := json.Marshal(e)
		if err != nil {
			return false, fmt.Errorf("encode event %d: %w", e.Seq, err)
		}
		if _, err := fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", e.Seq, e.Type, data); err != nil {
			return false, fmt.Errorf("write event %d: %w", e.Seq, err)
		}
		f.After = e.Seq
	}
	more = !f.Last && len(events) >= f.Limit
	f.Last = false
	if !more && len(head) > 0 {
		f.After = max(f.After, head[0].Seq)
	}
	return more, nil
}
