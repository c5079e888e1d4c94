package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"cmkd/rotator"
)

const (
	defaultExecTimeout = 30 * time.Second
	// execGrace is how long a command's leftovers may keep its output open.
	execGrace = time.Second
	// maxStderr is how much of the end of stderr is kept; maxStderrLine is how much
	// of its last line is shown.
	maxStderr     = 4 << 10
	maxStderrLine = 256
	defaultPath   = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// ExecOptions says what to run. Only Command is required.
type ExecOptions struct {
	// Command is the program and its arguments. No shell is involved. A name
	// without a slash is looked up in PATH.
	Command []string
	// Timeout is how long it may take; zero means 30 s. Then its process group is
	// killed.
	Timeout time.Duration
	// Runbook is the page that rules link into; empty for no links.
	Runbook string
	// Note goes along, for instance that Azure is simulated.
	Note string
}

// Exec runs a command for each notification.
//
// The command runs in / with PATH alone in its environment, and CMKD_TEST=1 if
// somebody only tries it out. Its standard input is one JSON document, an
// [ExecInput]; it need not read it. Its standard output is dropped. Exit status 0
// means that it has taken all alerts; otherwise it is run again later, and the last
// line of its standard error is the reason that cmkd shows.
type Exec struct{ options ExecOptions }

// ExecInput is what a command reads. Fields may be added; those that are there keep
// their name and meaning as long as Version is 1.
type ExecInput struct {
	Version  int         `json:"version"`
	Instance string      `json:"instance"`
	Now      time.Time   `json:"now"`
	Test     bool        `json:"test"`
	Note     string      `json:"note,omitempty"`
	Alerts   []ExecAlert `json:"alerts"` // worst first
}

// ExecAlert is one alert of an [ExecInput]. What does not apply is empty; Ends is
// left out while the alert is firing.
type ExecAlert struct {
	ID        string             `json:"id"`
	Rule      rotator.Rule       `json:"rule"`
	Severity  rotator.Severity   `json:"severity"`
	Status    string             `json:"status"` // firing or resolved
	Key       string             `json:"key"`
	Operation string             `json:"operation"` // for instance op-17
	Cause     string             `json:"cause"`
	Summary   string             `json:"summary"`
	Affected  []rotator.Affected `json:"affected"` // at most 20
	Count     int                `json:"count"`    // how many are affected
	Hint      string             `json:"hint"`
	Next      string             `json:"next"`    // a command to type
	Runbook   string             `json:"runbook"` // a URL
	Starts    time.Time          `json:"starts"`
	Ends      time.Time          `json:"ends,omitzero"`
}

// NewExec makes a notifier. Whether the command exists shows when it is run.
func NewExec(o ExecOptions) (*Exec, error) {
	if len(o.Command) == 0 || o.Command[0] == "" {
		return nil, invalid("the exec hook has no command").WithHint("name a program and its arguments")
	}
	if o.Timeout < 0 {
		return nil, invalid("the timeout %s is negative", o.Timeout)
	}
	o.Timeout = orDefault(o.Timeout, defaultExecTimeout)
	return &Exec{options: o}, nil
}

// Notify runs the command and waits for its end.
func (e *Exec) Notify(ctx context.Context, n rotator.Notification) error {
	if len(n.Alerts) == 0 {
		return nil
	}
	input, err := json.Marshal(e.input(&n))
	if err != nil {
		return fmt.Errorf("encode the alerts: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	stderr := &tail{}
	cmd := exec.CommandContext(limited, e.options.Command[0], e.options.Command[1:]...) //nolint:gosec // what to run is the administrator's choice
	cmd.Dir, cmd.Env = "/", environment(n.Test)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(append(input, '\n')), stderr
	// A group of its own, so that what it starts is killed with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	cmd.WaitDelay = execGrace
	err = cmd.Run()
	return e.failure(ctx, limited.Err(), err, stderr)
}

// killGroup ends a command and what it started.
func killGroup(pid int) error {
	err := syscall.Kill(-pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

func environment(test bool) []string {
	path := os.Getenv("PATH")
	if path == "" {
		path = defaultPath
	}
	env := []string{"PATH=" + path}
	if test {
		env = append(env, "CMKD_TEST=1")
	}
	return env
}

func (e *Exec) input(n *rotator.Notification) ExecInput {
	in := ExecInput{Version: 1, Instance: n.Instance, Now: n.Now.UTC(), Test: n.Test, Note: e.options.Note, Alerts: make([]ExecAlert, 0, len(n.Alerts))}
	for i := range n.Alerts {
		a := &n.Alerts[i]
		out := ExecAlert{
			ID: a.ID, Rule: a.Rule, Severity: a.Severity, Status: status(a), Key: a.Key, Cause: a.Cause, Summary: a.Summary,
			Affected: append([]rotator.Affected{}, a.Affected...), Count: max(a.Count, len(a.Affected)), Hint: a.Hint, Next: a.Next,
			Runbook: runbookURL(e.options.Runbook, a.Rule), Starts: a.Starts.UTC(),
		}
		if a.Operation != 0 {
			out.Operation = a.Operation.String()
		}
		if !a.Firing() {
			out.Ends = a.Ends.UTC()
		}
		in.Alerts = append(in.Alerts, out)
	}
	return in
}

// failure says what the end of the command means.
func (e *Exec) failure(ctx context.Context, late, err error, stderr *tail) error {
	name := e.options.Command[0]
	fail := rotator.Errorf(rotator.CodeUnavailable, "run %s", name)
	exit, exited := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		// It left something behind that keeps its output open, and ended well.
		return nil
	case ctx.Err() != nil:
		fail.Err = ctx.Err()
		return fail
	case late != nil:
		fail.Message = fmt.Sprintf("run %s: it was killed after %s%s", name, e.options.Timeout, stderr.reason())
		return fail.WithHint("let it hand the work over and end, or raise its timeout")
	case exited && exit.Exited():
		fail.Message = fmt.Sprintf("run %s: exit status %d%s", name, exit.ExitCode(), stderr.reason())
		fail.Reason = rotator.ReasonOfExit(exit.ExitCode())
		return fail.WithHint("exit status 0 means that the alerts were taken; try it: cmkd alert test")
	case exited:
		fail.Message = fmt.Sprintf("run %s: %s%s", name, exit, stderr.reason())
		return fail
	case errors.Is(err, fs.ErrPermission):
		fail.Code, fail.Err = rotator.CodeForbidden, err
		return fail.WithHint("make it executable for the daemon's user: chmod a+rx %s; a mount with noexec forbids it too", name)
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		fail.Code, fail.Err = rotator.CodeNotFound, err
		return fail.WithHint("give the absolute path of a program that exists; a script needs a first line that names its interpreter")
	}
	fail.Err = err
	return fail
}

// tail keeps the end of what is written to it.
type tail struct{ end []byte }

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.end = append(t.end, p[max(0, len(p)-maxStderr):]...)
	t.end = t.end[max(0, len(t.end)-maxStderr):]
	return len(p), nil
}

// reason is the last line that says something, ready to be appended.
func (t *tail) reason() string {
	lines := strings.Split(strings.TrimSpace(string(t.end)), "\n")
	last := oneLine(lines[len(lines)-1], maxStderrLine)
	if last == "" {
		return ""
	}
	return ": " + last
}
