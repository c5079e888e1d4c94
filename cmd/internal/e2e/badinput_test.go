package e2e

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"cmkd/providers/azuresim"
	"cmkd/rotator"
	"cmkd/store/bolt"
)

// TestBadInput holds that whatever is wrong is said in one line that names it and
// the next step, with a non-zero exit code, and that nothing is lost by it.
func TestBadInput(t *testing.T) {
	t.Parallel()
	binary := build(t)
	tests := []struct {
		name  string
		spoil func(s *estate)
		// args is the command; without one the daemon itself is started.
		args []string
		exit int
		says []string
	}{
		{
			name: "malformed configuration", exit: 1, says: []string{"cmkd.yaml:4:", "did you mean"},
			spoil: func(s *estate) { s.replace("cmkd.yaml", "azure:", "azura:") },
		},
		{
			name: "unknown key", args: []string{"rotate", "paymemts"}, exit: 4, says: []string{`"paymemts"`, "cmkd status"},
		},
		{
			name: "permission to rotate and to create missing in Key Vault", args: []string{"rotate", "payments", "--wait"}, exit: 1,
			spoil: func(s *estate) {
				s.deny("Microsoft.KeyVault/vaults/keys/rotate/action")
				s.deny("Microsoft.KeyVault/vaults/keys/create/action")
			},
			says: []string{"403", "keys/create/action", "Key Vault Crypto Officer"},
		},
		{
			name: "permission to read the vault missing", args: []string{"rotate", "payments", "--wait"}, exit: 1,
			spoil: func(s *estate) { s.deny("Microsoft.KeyVault/*") },
			says:  []string{"403", "Key Vault Crypto Officer"},
		},
		{
			name: "permission to read a dependent missing", args: []string{"rotate", "payments", "--wait"}, exit: 1,
			spoil: func(s *estate) { s.deny("Microsoft.Storage/*") },
			says:  []string{"403", "contosopayments", "Reader"},
		},
		{
			name: "deleted key", args: []string{"rotate", "payments", "--wait"}, exit: 1,
			spoil: func(s *estate) { s.do(azuresim.Action{Do: "delete-key", Key: "contoso-prod/payments"}) },
			says:  []string{"deleted", "recover"},
		},
		{
			name: "deleted dependent", args: []string{"rotate", "payments", "--wait"}, exit: 1,
			spoil: func(s *estate) { s.do(azuresim.Action{Do: "delete-resource", Resource: "contosopayments"}) },
			says:  []string{"404", "contosopayments"},
		},
		{
			name: "damaged database", exit: 1, says: []string{"cmkd.db", "damaged", "backup"},
			spoil: func(s *estate) { s.write("cmkd.db", strings.Repeat("not a database", 1000)) },
		},
		{
			name: "database of another daemon", exit: 1, says: []string{"in use", "stop process"},
			spoil: func(s *estate) {
				store, err := bolt.Open(filepath.Join(s.dir, "cmkd.db"), bolt.Options{})
				if err != nil {
					s.t.Fatal(err)
				}
				s.t.Cleanup(func() { _ = store.Close() })
			},
		},
		{
			name: "no directory for the database", exit: 1, says: []string{"nowhere", "directory"},
			spoil: func(s *estate) { s.replace("cmkd.yaml", "store: "+s.dir, "store: "+s.dir+"/nowhere") },
		},
		{
			name: "no daemon", args: []string{"status", "--socket", "/nonexistent/cmkd.sock"}, exit: 6, says: []string{"/nonexistent/cmkd.sock", "cmkd run"},
		},
		{
			name: "wrong secret", args: []string{"rotate", "payments", "--wait"}, exit: 1,
			spoil: func(s *estate) { s.env = append(s.env, "AZURE_CLIENT_SECRET=wrong") },
			says:  []string{"AADSTS7000215"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newEstateOf(t, scenario, configuration)
			s.binary = binary
			if tt.spoil != nil {
				tt.spoil(s)
			}
			args := append(tt.args, "--socket", filepath.Join(s.dir, "cmkd.sock"))
			if tt.args == nil {
				args = []string{"run", "--config", filepath.Join(s.dir, "cmkd.yaml"), "--simulated-clock", s.clock.Flag()}
			} else {
				s.start()
			}
			if tt.exit == 6 {
				args = tt.args
			}
			code, stderr := s.run(args...)
			if code != tt.exit {
				t.Errorf("exit code %d, want %d", code, tt.exit)
			}
			wantOneLine(t, stderr, tt.says)
			if n := len(s.sim.Versions("contoso-prod", "payments")); n > 1 {
				t.Errorf("the key has %d versions now", n)
			}
		})
	}
}

// wantOneLine checks that one line of error says everything, and at most hints
// follow.
func wantOneLine(t *testing.T, stderr string, says []string) {
	t.Helper()
	var errs int
	for line := range strings.Lines(stderr) {
		if strings.HasPrefix(line, "cmkd: ") {
			errs++
		}
	}
	if errs != 1 {
		t.Errorf("%d lines of error, want 1:\n%s", errs, stderr)
	}
	for _, want := range says {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q is not mentioned:\n%s", want, stderr)
		}
	}
	if strings.Contains(stderr, "crash-secret") || strings.Contains(stderr, "goroutine ") {
		t.Errorf("unfit for people:\n%s", stderr)
	}
}

// TestBadInput_FullDisk fills the disk under a running daemon: commands are
// refused with the reason, nothing is done in Azure, and all goes on once there
// is room.
func TestBadInput_FullDisk(t *testing.T) {
	t.Parallel()
	s := newEstateOf(t, scenario, configuration)
	s.binary = build(t)
	small := filepath.Join(s.dir, "small")
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=20m"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(small, syscall.MNT_DETACH) })
	s.replace("cmkd.yaml", "store: "+s.dir, "store: "+small)
	s.start()
	filler := filepath.Join(small, "filler")
	_ = os.WriteFile(filler, bytes.Repeat([]byte{1}, 20<<20), 0o600) // as much as there is room for
	// The store's file has some room left; using it up takes some events.
	made := len(s.sim.Versions("contoso-prod", "payments"))
	var code int
	var stderr string
	for range 500 {
		code, stderr = s.run("rotate", "payments", "--socket", filepath.Join(s.dir, "cmkd.sock"))
		if op, ok := s.live(); ok && code == 0 {
			code, stderr = s.run("cancel", op.ID.String(), "--socket", filepath.Join(s.dir, "cmkd.sock"))
		}
		if strings.Contains(stderr, "full") {
			break
		}
		made = len(s.sim.Versions("contoso-prod", "payments"))
	}
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	wantOneLine(t, stderr, []string{"full"})
	if n := len(s.sim.Versions("contoso-prod", "payments")); n > made+1 {
		t.Errorf("%d versions were made although nothing could be committed", n-made)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s.until("a rotation is accepted", func() bool {
		if op, ok := s.live(); ok && op.State != rotator.StateCompleted {
			return true
		}
		code, _ := s.run("rotate", "payments", "--socket", filepath.Join(s.dir, "cmkd.sock"))
		return code == 0
	})
	s.until("it ends", func() bool { _, ok := s.live(); return !ok })
}

// TestBadInput_SocketPermission asks as a user who may not use the socket.
func TestBadInput_SocketPermission(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	s := newEstate(t)
	s.start()
	open(t, s.dir)
	cmd := exec.CommandContext(t.Context(), s.binary, "status", "--socket", filepath.Join(s.dir, "cmkd.sock"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("%v, want exit code 1", err)
	}
	wantOneLine(t, stderr.String(), []string{"cmkd.sock", "group"})
}

// open lets everybody enter the folders above a file.
func open(t *testing.T, dir string) {
	t.Helper()
	for ; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs a command and returns its exit code and what it said on stderr.
func (s *estate) run(args ...string) (int, string) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), s.binary, args...)
	var stderr bytes.Buffer
	cmd.Env, cmd.Stderr = s.env, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), stderr.String()
}

func (s *estate) replace(name, old, with string) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil || !strings.Contains(string(text), old) {
		s.t.Fatalf("%s has no %q: %v", name, old, err)
	}
	s.write(name, strings.Replace(string(text), old, with, 1))
}

func (s *estate) do(a azuresim.Action) {
	s.t.Helper()
	if err := s.sim.Do(a); err != nil {
		s.t.Fatal(err)
	}
}

func (s *estate) deny(permission string) {
	s.t.Helper()
	s.do(azuresim.Action{Do: "deny", Client: "cmkd", Permission: permission, Scope: ""})
}
