package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"cmkd/cmd/internal/control"
	"cmkd/cmd/internal/daemon"
)

const (
	// startPatience is how long a process of the demo may take to be ready.
	startPatience = 15 * time.Second
	startPoll     = 20 * time.Millisecond
)

// process is one of the demo's own.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   string
	ended chan error
}

// startProcess starts this binary once more, with its output in a log file. It
// gets no environment but env: above all no NO_PROXY that would lead it to the
// real Azure.
func startProcess(ctx context.Context, dir, name string, env []string, args ...string) (*process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	p := &process{name: name, log: filepath.Join(dir, name+".log"), ended: make(chan error, 1)}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", name, err)
	}
	defer out.Close() //nolint:errcheck // the process has its own descriptor
	p.cmd = exec.CommandContext(ctx, exe, args...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir}, env...)
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = startPatience
	// Ctrl-C is for the demo, which then stops its processes; if it is killed,
	// they end with it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	return p, nil
}

// stop ends the process and waits for it.
func (p *process) stop() error {
	if err := p.cmd.Cancel(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	select {
	case err := <-p.ended:
		if err != nil {
			return fmt.Errorf("%s ended with %w; its last words:\n%s", p.name, err, p.tail())
		}
		return nil
	case <-time.After(startPatience):
		return errors.Join(fmt.Errorf("%s does not stop", p.name), p.cmd.Process.Kill(), ignore(<-p.ended))
	}
}

func ignore(error) error { return nil } // it was killed, and says so

// until waits for something to become true of the process.
func (p *process) until(ctx context.Context, ready func() bool) error {
	deadline := time.After(startPatience)
	for !ready() {
		select {
		case err := <-p.ended:
			p.ended <- err
			return fmt.Errorf("%s ended at once (%w); its last words:\n%s", p.name, err, p.tail())
		case <-deadline:
			return fmt.Errorf("%s is not ready after %s; its last words:\n%s", p.name, startPatience, p.tail())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(startPoll):
		}
	}
	return nil
}

// tail returns the end of the process's log.
func (p *process) tail() string {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(len(lines)-5, 0):], "\n")
}

// simulated starts the simulated Azure.
func simulated(ctx context.Context, dir, scenario string, speed float64) (*process, daemon.SimulationInfo, error) {
	var info daemon.SimulationInfo
	ready := filepath.Join(dir, "ready.json")
	p, err := startProcess(ctx, dir, "simulate", nil, "simulate", "--scenario", scenario, "--speed", strconv.FormatFloat(speed, 'g', -1, 64),
		"--ca-file", filepath.Join(dir, "ca.pem"), "--ready-file", ready, "--verbose")
	if err != nil {
		return nil, info, err
	}
	var data []byte
	err = p.until(ctx, func() bool { data, err = os.ReadFile(ready); return !errors.Is(err, fs.ErrNotExist) })
	if err == nil {
		err = json.Unmarshal(data, &info)
	}
	return p, info, err
}

// served starts the daemon and waits until it answers.
func served(ctx context.Context, dir string, info *daemon.SimulationInfo) (*process, error) {
	p, err := startProcess(ctx, dir, "daemon", info.Environment, "run",
		"--config", filepath.Join(dir, "cmkd.yaml"), "--simulated-clock", info.SimulatedClock)
	if err != nil {
		return nil, err
	}
	client := control.NewClient(filepath.Join(dir, "cmkd.sock"))
	defer client.Close()
	return p, p.until(ctx, func() bool { _, err := client.Version(ctx); return err == nil })
}
