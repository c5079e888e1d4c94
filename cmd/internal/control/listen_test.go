package control

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cmkd/rotator"
)

func TestListen(t *testing.T) {
	t.Parallel()
	t.Run("is for the owner and the group", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(shortDir(t), "s")
		l, err := Listen(t.Context(), path, "")
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != socketMode {
			t.Errorf("mode is %v (%v)", info.Mode(), err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("the socket stays behind: %v", err)
		}
	})
	t.Run("replaces a socket that was left behind", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(shortDir(t), "s")
		old, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		old.(*net.UnixListener).SetUnlinkOnClose(false) // as kill -9 does
		old.Close()
		l, err := Listen(t.Context(), path, "")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	})
	for name, test := range map[string]struct {
		prepare func(t *testing.T, path string)
		group   string
		path    string
		code    rotator.Code
		says    string
	}{
		"leaves another daemon's alone": {prepare: func(t *testing.T, path string) {
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
		}, code: rotator.CodeConflict, says: "another daemon"},
		"leaves a file alone": {prepare: func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, code: rotator.CodeInvalid, says: "not a socket"},
		"knows how long a path may be": {path: "/tmp/" + strings.Repeat("x", 103), code: rotator.CodeInvalid, says: "107 bytes"},
		"needs its directory":          {path: "/nowhere/at/all", code: rotator.CodeInvalid, says: "/nowhere/at"},
		"needs its group":              {group: "no-such-group", code: rotator.CodeInvalid, says: "no-such-group"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := test.path
			if path == "" {
				path = filepath.Join(shortDir(t), "s")
			}
			if test.prepare != nil {
				test.prepare(t, path)
			}
			l, err := Listen(t.Context(), path, test.group)
			if err == nil {
				l.Close()
				t.Fatal("no error")
			}
			e := rotator.AsError(err)
			if e.Code != test.code || !strings.Contains(e.Error(), test.says) || e.Hint == "" || strings.Contains(e.Error(), "\n") {
				t.Errorf("error is %s: %v (hint %q), want %s with %q", e.Code, e, e.Hint, test.code, test.says)
			}
		})
	}
}

func TestClient_Unreachable(t *testing.T) {
	t.Parallel()
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		_, err := NewClient(filepath.Join(shortDir(t), "s")).Keys(t.Context())
		e := rotator.AsError(err)
		if e.Code != CodeUnreachable || !strings.Contains(e.Hint, "systemctl status cmkd") || !strings.Contains(e.Hint, "cmkd run") {
			t.Errorf("error is %s: %v (hint %q)", e.Code, e, e.Hint)
		}
	})
	t.Run("not for us", func(t *testing.T) {
		t.Parallel()
		e := rotator.AsError(NewClient("/").dialError(t.Context(), os.ErrPermission))
		if e.Code != rotator.CodeForbidden || !strings.Contains(e.Hint, "usermod -aG root") {
			t.Errorf("error is %s: %v (hint %q)", e.Code, e, e.Hint)
		}
	})
	t.Run("not what it seems", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(shortDir(t), "s")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			conn, err := l.Accept()
			if err == nil {
				conn.Close()
			}
		}()
		if _, err := NewClient(path).Keys(t.Context()); rotator.CodeOf(err) != CodeUnreachable {
			t.Errorf("error is %v", err)
		}
	})
}
