package systemd

import (
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// MustListen is the manager's end of the notification socket.
func MustListen(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return conn
}

// MustHear returns the next message; a datagram that was sent is there.
func MustHear(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestNotifier(t *testing.T) {
	conn := MustListen(t)
	var n Notifier
	for _, test := range []struct {
		name string
		send func() error
		want string
	}{
		{"ready", n.Ready, `READY=1`},
		{"status", func() error { return n.Status("2 rotations, 1 stalled") }, `STATUS=2 rotations, 1 stalled`},
		{"status on several lines", func() error { return n.Status("a\nREADY=1\n") }, `STATUS=a READY=1`},
		{"reloading", n.Reloading, "RELOADING=1\nMONOTONIC_USEC=[0-9]+"},
		{"stopping", n.Stopping, `STOPPING=1`},
		{"ping", n.Ping, `WATCHDOG=1`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.send(); err != nil {
				t.Fatal(err)
			}
			if got := MustHear(t, conn); !regexp.MustCompile(`^` + test.want + `$`).MatchString(got) {
				t.Errorf("heard %q, want %q", got, test.want)
			}
		})
	}
}

func TestNotifier_Outside(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	var n Notifier
	for _, send := range []func() error{n.Ready, n.Reloading, n.Stopping, n.Ping} {
		if err := send(); err != nil {
			t.Errorf("without a manager: %v", err)
		}
	}
}

func TestNotifier_ManagerGone(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	if err := (Notifier{}).Ready(); err == nil {
		t.Error("no error although nobody listens")
	}
}

func TestNotifier_WatchdogInterval(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	for _, test := range []struct {
		name, usec, pid string
		want            time.Duration
		ok              bool
	}{
		{"set", "60000000", self, time.Minute, true},
		{"set for any process", "30000000", "", 30 * time.Second, true},
		{"not set", "", "", 0, false},
		{"set for another process", "60000000", "1", 0, false},
		{"nonsense", "soon", self, 0, false},
		{"zero", "0", self, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("WATCHDOG_USEC", test.usec)
			t.Setenv("WATCHDOG_PID", test.pid)
			if got, ok := (Notifier{}).WatchdogInterval(); ok != test.ok || ok && got != test.want {
				t.Errorf("got %v, %v, want %v, %v", got, ok, test.want, test.ok)
			}
		})
	}
}

func TestCredentialPath(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "client.pem"), nil, 0o400); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, dir, credential, want, err string }{
		{"handed over", dir, "client.pem", filepath.Join(dir, "client.pem"), ""},
		{"absolute", "", "/etc/cmkd/client.pem", "/etc/cmkd/client.pem", ""},
		{"not handed over", dir, "other.pem", "", "add LoadCredential=other.pem:"},
		{"no credentials at all", "", "client.pem", "", "not started by systemd"},
		{"out of the directory", dir, "../client.pem", "", "neither a name"},
		{"empty", dir, "", "", "neither a name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("CREDENTIALS_DIRECTORY", test.dir)
			got, err := CredentialPath(test.credential)
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want one with %q", err, test.err)
			}
		})
	}
}

// MustUnit writes the unit to a folder of its own, with a program that exists
// in place of the daemon, and returns its path.
func MustUnit(t *testing.T) string {
	t.Helper()
	data, err := fs.ReadFile(Units(), "cmkd.service")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(data), "/usr/bin/cmkd", "/bin/true")
	// The user is made by cmkd.sysusers, which no test may do to the machine.
	text = strings.NewReplacer("User=cmkd", "User=daemon", "Group=cmkd", "Group=daemon").Replace(text)
	path := filepath.Join(t.TempDir(), "cmkd.service")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs a tool of systemd.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	tool, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(name + " is missing: run make deps")
	}
	out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func TestUnit_Verifies(t *testing.T) {
	t.Parallel()
	if out := run(t, "systemd-analyze", "verify", "--man=no", MustUnit(t)); strings.Contains(out, "cmkd.service") {
		t.Error(out)
	}
}

// mostExposed is what remains of the exposure level: the unit speaks to the
// internet, sees the true uids of its callers and gives its socket to a group.
const mostExposed = 1.5

func TestUnit_Hardened(t *testing.T) {
	t.Parallel()
	out := run(t, "systemd-analyze", "security", "--offline=true", "--no-pager", MustUnit(t))
	level := regexp.MustCompile(`Overall exposure level for cmkd.service: ([0-9.]+)`).FindStringSubmatch(out)
	if level == nil {
		t.Fatal(out)
	}
	if got, err := strconv.ParseFloat(level[1], 64); err != nil || got > mostExposed {
		t.Errorf("exposure level %s, want at most %v:\n%s", level[1], mostExposed, out)
	}
	t.Log(level[0])
}

func TestSysusersAndTmpfiles_Parse(t *testing.T) {
	t.Parallel()
	for file, args := range map[string][]string{
		"cmkd.sysusers": {"systemd-sysusers", "--dry-run"},
		"cmkd.tmpfiles": {"systemd-tmpfiles", "--create"},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			if file == "cmkd.tmpfiles" {
				if os.Getuid() != 0 {
					t.Skip("needs root to set owners")
				}
				MustAccounts(t, root)
			}
			run(t, args[0], append(args[1:], "--root="+root, mustAbs(t, file))...)
			if file == "cmkd.tmpfiles" {
				info, err := os.Stat(filepath.Join(root, "etc/cmkd"))
				if err != nil || info.Mode().Perm() != 0o750 {
					t.Errorf("etc/cmkd: %v, %v", info, err)
				}
			}
		})
	}
}

// MustAccounts writes what cmkd.sysusers would make under root.
func MustAccounts(t *testing.T, root string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for file, line := range map[string]string{
		"passwd": "root:x:0:0::/root:/bin/sh\ncmkd:x:990:990::/:/usr/sbin/nologin\n", "group": "root:x:0:\ncmkd:x:990:\n",
	} {
		if err := os.WriteFile(filepath.Join(root, "etc", file), []byte(line), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func mustAbs(t *testing.T, file string) string {
	t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
