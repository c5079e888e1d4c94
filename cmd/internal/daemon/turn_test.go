package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cmkd/configs"
	"cmkd/rotator"

	"github.com/rs/zerolog"
)

// lines are the log in short: level, replica, message.
func lines(t *testing.T, log string) (all []string) {
	t.Helper()
	for text := range strings.Lines(log) {
		var line struct{ Level, Receiver, Replica, Hint, Message string }
		if err := json.Unmarshal([]byte(text), &line); err != nil || line.Receiver != "on-call" {
			t.Errorf("log line %s (%v)", text, err)
		}
		all = append(all, strings.Join(strings.Fields(fmt.Sprint(line.Level, " ", line.Replica, " ", line.Message, " ", line.Hint)), " "))
	}
	return all
}

// script is a notifier that answers what is next.
type script []error

func (s *script) Notify(context.Context, rotator.Notification) error {
	next := (*s)[0]
	*s = (*s)[1:]
	return next
}

// TestReported holds that the log says when a receiver can no longer be told and
// when it can again, once each.
func TestReported(t *testing.T) {
	t.Parallel()
	refused := rotator.Errorf(rotator.CodeUnavailable, "refused").WithHint("start it")
	answers := script{nil, refused, refused, context.Canceled, refused, nil, nil, context.Canceled, errors.New("gone")}
	want := slices.Clone(answers)
	var log strings.Builder
	r := &reported{Notifier: &answers, turn: turn{log: zerolog.New(&log).With().Str("receiver", "on-call").Logger()}}
	for i := range want {
		if err := r.Notify(t.Context(), rotator.Notification{}); err != want[i] { //nolint:errorlint // the very error
			t.Errorf("attempt %d: %v, want %v", i, err, want[i])
		}
	}
	if got := strings.Join(lines(t, log.String()), "; "); got != "warn receiver cannot be told start it; info receiver can be told again; warn receiver cannot be told" {
		t.Errorf("the log says: %s", got)
	}
}

// TestReplicas holds the same of each replica, where there are several.
func TestReplicas(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	d := &daemon{log: zerolog.New(&log)}
	at := func(urls ...string) func(string, error) {
		return d.replicas(&configs.Receiver{Name: "on-call", Alertmanager: &configs.Alertmanager{URLs: urls}})
	}
	if at("a") != nil {
		t.Error("a single replica is logged beside its receiver")
	}
	told := at("a", "b")
	for range 3 {
		told("a", errors.New("refused"))
		told("b", nil)
	}
	told("a", nil)
	if got := strings.Join(lines(t, log.String()), "; "); got != "warn a receiver cannot be told; info a receiver can be told again" {
		t.Errorf("the log says: %s", got)
	}
}
