package control

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
)

var errEnough = errors.New("enough")

func TestClient_Follow(t *testing.T) {
	t.Parallel()
	engine := &fakeEngine{}
	engine.happened(3)
	client, server := serve(t, engine, nil)
	var seen []uint64
	err := client.Follow(t.Context(), rotator.EventFilter{After: 1, Limit: 1}, func(e rotator.Event) error {
		seen = append(seen, e.Seq)
		if e.Message != "went on\nand on" {
			t.Errorf("event %d says %q", e.Seq, e.Message)
		}
		switch len(seen) {
		case 2:
			engine.happened(2) // committed while the stream waits, or before it does
			server.Committed()
		case 4:
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if want := []uint64{2, 3, 4, 5}; !equal(seen, want) {
		t.Errorf("saw %v, want %v", seen, want)
	}
}

func equal(a, b []uint64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// TestClient_Follow_heartbeat checks that events are found without being told.
func TestClient_Follow_heartbeat(t *testing.T) {
	t.Parallel()
	engine := &fakeEngine{}
	engine.happened(1)
	client, _ := serve(t, engine, func(o *Options) { o.Heartbeat = 2 * time.Millisecond })
	n := 0
	err := client.Follow(t.Context(), rotator.EventFilter{}, func(rotator.Event) error {
		if n++; n == 5 {
			return errEnough
		}
		engine.happened(1)
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
}

func TestServer_Shutdown(t *testing.T) {
	t.Parallel()
	t.Run("ends streams", func(t *testing.T) {
		t.Parallel()
		engine := &fakeEngine{}
		engine.happened(1)
		client, server := serve(t, engine, nil)
		err := client.Follow(t.Context(), rotator.EventFilter{}, func(rotator.Event) error {
			go server.Shutdown(context.Background())
			return nil
		})
		if rotator.CodeOf(err) != CodeUnreachable {
			t.Errorf("the stream ended with %v", err)
		}
	})
	t.Run("waits for commands", func(t *testing.T) {
		t.Parallel()
		engine := &fakeEngine{block: make(chan struct{})}
		began := make(chan struct{})
		client, server := serve(t, engine, nil)
		done := make(chan error, 1)
		go func() {
			close(began)
			_, err := client.Retire(context.Background(), "payments", CommandRequest{})
			done <- err
		}()
		<-began
		close(engine.block)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestServer_LastEventID(t *testing.T) {
	t.Parallel()
	engine := &fakeEngine{}
	engine.happened(9)
	client, _ := serve(t, engine, nil)
	conn := dial(t, client.Socket())
	if _, err := conn.Write([]byte("GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nLast-Event-ID: 8\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(got.String(), "data: ") {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got.Write(buf[:n])
	}
	if !strings.Contains(got.String(), "id: 9\nevent: state-changed\n") || strings.Contains(got.String(), "id: 8\n") {
		t.Errorf("the stream begins with %s", got.String())
	}
}
