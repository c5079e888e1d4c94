package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cmkd/providers/notify"
	"cmkd/rotator"
)

// script writes a shell script and returns its path.
func script(t *testing.T, text string) string {
	t.Helper()
	path := file(t, "hook", "#!/bin/sh\n"+text+"\n")
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func newExec(t *testing.T, o notify.ExecOptions) *notify.Exec {
	t.Helper()
	e, err := notify.NewExec(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestExec_Input(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	hook := script(t, `cat >"$1"; pwd >>"$1"; env | sed 's/^PATH=.*/PATH/' | grep -v -e ^PWD= -e ^SHLVL= -e ^_= | sort >>"$1"`)
	t.Setenv("AZURE_CLIENT_SECRET", "hunter2")
	for name, test := range map[string]bool{"input.json": false, "input-test.json": true} {
		t.Run(name, func(t *testing.T) {
			n := notification(stalled(), ended())
			n.Test = test
			if err := newExec(t, notify.ExecOptions{Command: []string{hook, out}, Runbook: runbook}).Notify(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			document, rest, _ := strings.Cut(string(got), "\n")
			golden(t, name, indent(t, document)+rest)
		})
	}
}

func indent(t *testing.T, document string) string {
	t.Helper()
	raw := json.RawMessage(document)
	text, err := json.MarshalIndent(raw, "", "  ")
	if err != nil {
		t.Fatalf("%v: %s", err, document)
	}
	return string(text) + "\n"
}

func TestExec_Ends(t *testing.T) {
	large := notification(many(2000)...)
	for name, c := range map[string]struct {
		script string
		code   rotator.Code // empty: no error
		says   string
	}{
		"status 0 is success":                    {"cat >/dev/null", "", ""},
		"input that is not read is no failure":   {"exit 0", "", ""},
		"nor if stdin is closed at once":         {"exec <&-; exit 0", "", ""},
		"its output is dropped":                  {"cat /dev/zero | head -c 1000000; exit 0", "", ""},
		"something left behind is no failure":    {"sleep 20 & exit 0", "", ""},
		"another status is a failure":            {"exit 3", rotator.CodeUnavailable, "exit status 3"},
		"with the last line of stderr":           {"echo first >&2; printf 'no route to pager\\n\\n' >&2; exit 1", rotator.CodeUnavailable, "exit status 1: no route to pager"},
		"which is bounded":                       {"head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1", rotator.CodeUnavailable, "xxx…"},
		"and printable":                          {"printf 'a\\001\\033[31mb\\377' >&2; exit 1", rotator.CodeUnavailable, ": a [31mb?"},
		"a signal is a failure":                  {"kill -9 $$", rotator.CodeUnavailable, "signal: killed"},
		"success is not taken from what it says": {"echo error >&2", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := newExec(t, notify.ExecOptions{Command: []string{script(t, c.script)}}).Notify(t.Context(), large)
			if c.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if e := wantError(t, err, c.code); !strings.Contains(e.Error(), c.says) || len(e.Error()) > 512 {
				t.Errorf("it says %q, want %q", e.Error(), c.says)
			}
		})
	}
}

func TestExec_CannotRun(t *testing.T) {
	for name, c := range map[string]struct {
		command string
		code    rotator.Code
		hint    string
	}{
		"no such path":        {"/nonexistent/hook", rotator.CodeNotFound, "absolute path"},
		"not in PATH":         {"cmkd-no-such-hook", rotator.CodeNotFound, "absolute path"},
		"no such interpreter": {"interpreter", rotator.CodeNotFound, "interpreter"},
		"not executable":      {"plain", rotator.CodeForbidden, "chmod a+rx"},
		"a folder":            {"/tmp", rotator.CodeForbidden, "chmod"},
	} {
		t.Run(name, func(t *testing.T) {
			command := c.command
			switch command {
			case "plain":
				command = file(t, "hook", "#!/bin/sh\n")
			case "interpreter":
				command = file(t, "hook", "#!/nonexistent/sh\n")
				if err := os.Chmod(command, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			e := wantError(t, newExec(t, notify.ExecOptions{Command: []string{command}}).Notify(t.Context(), notification(stalled())), c.code)
			if !strings.Contains(e.Hint, c.hint) || !strings.Contains(e.Error(), command) {
				t.Errorf("hint %q, error: %v", e.Hint, e)
			}
		})
	}
	for _, o := range []notify.ExecOptions{{}, {Command: []string{""}}, {Command: []string{"/bin/true"}, Timeout: -1}} {
		_, err := notify.NewExec(o)
		wantError(t, err, rotator.CodeInvalid)
	}
}

// stubborn ignores SIGTERM, and so does its child. Both keep the pipe open that is
// its argument.
const stubborn = `trap '' TERM
exec 9>"$1"
echo started >&9
sh -c 'trap "" TERM; while :; do sleep 1000; done' &
echo working >&2
wait`

// pipe makes a named pipe and returns its path and its end for reading.
func pipe(t *testing.T) (string, *os.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	// Without waiting for somebody who writes.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return path, f
}

// allGone waits until nobody holds the pipe any more, and reports whether anybody
// did.
func allGone(t *testing.T, f *os.File) (started bool) {
	t.Helper()
	if err := f.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(f)
	if err != nil {
		t.Fatalf("something is still running: %v", err)
	}
	return string(got) == "started\n"
}

func TestExec_KillsTheWholeGroupWhenTimeIsUp(t *testing.T) {
	t.Parallel()
	// A slow machine may need longer to start the script than the first timeout.
	for timeout := 300 * time.Millisecond; ; timeout *= 4 {
		path, f := pipe(t)
		err := newExec(t, notify.ExecOptions{Command: []string{script(t, stubborn), path}, Timeout: timeout}).Notify(t.Context(), notification(stalled()))
		e := wantError(t, err, rotator.CodeUnavailable)
		if !allGone(t, f) && timeout < 10*time.Second {
			continue
		}
		if !strings.Contains(e.Error(), "killed after "+timeout.String()+": working") || e.Hint == "" {
			t.Errorf("hint %q, error: %v", e.Hint, e)
		}
		return
	}
}

func TestExec_KillsTheWholeGroupWhenCancelled(t *testing.T) {
	t.Parallel()
	path, f := pipe(t)
	// It is held open, so that reading waits for the script.
	w, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- newExec(t, notify.ExecOptions{Command: []string{script(t, stubborn), path}}).Notify(ctx, notification(stalled()))
	}()
	if _, err := f.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want it to say that it was cancelled", err)
	}
	w.Close()
	allGone(t, f)
}
