package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"cmkd/rotator"
)

const (
	// maxSocketPath is what a unix socket's address has room for.
	maxSocketPath = 107
	// socketMode lets the owner and the group connect; what they may do then is
	// for the policy to say.
	socketMode = 0o660
	// probeTimeout is how long a daemon may take to accept a connection before
	// its socket counts as left behind.
	probeTimeout = time.Second
)

// Listen makes the socket at path, owned by group if that is not empty. A socket
// that nobody listens on is removed; one of a running daemon, or a file that is
// no socket, is left alone and is an error.
func Listen(ctx context.Context, path, group string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, rotator.Errorf(rotator.CodeInvalid, "socket path %s is longer than %d bytes", path, maxSocketPath).
			WithHint("choose a shorter one with socket: in the configuration")
	}
	if err := clearSocket(ctx, path); err != nil {
		return nil, err
	}
	// The socket must not be open to others between bind and chmod.
	old := syscall.Umask(0o177)
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, listenError(path, err)
	}
	if err := open(path, group); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// clearSocket removes a socket that a daemon left behind.
func clearSocket(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return listenError(path, err)
	case info.Mode().Type() != fs.ModeSocket:
		return rotator.Errorf(rotator.CodeInvalid, "%s exists and is not a socket", path).
			WithHint("remove it, or choose another path with socket: in the configuration")
	}
	conn, err := (&net.Dialer{Timeout: probeTimeout}).DialContext(ctx, "unix", path)
	if err == nil {
		return errors.Join(rotator.Errorf(rotator.CodeConflict, "another daemon listens on %s", path).
			WithHint("cmkd status asks it; systemctl stop cmkd stops it"), conn.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return listenError(path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return listenError(path, err)
	}
	return nil
}

// open lets the group connect.
func open(path, group string) error {
	if group != "" {
		gid, err := groupID(group)
		if err != nil {
			return err
		}
		if err := os.Chown(path, -1, gid); err != nil {
			return rotator.Errorf(rotator.CodeForbidden, "the socket cannot be given to group %s", group).
				WithHint("add SupplementaryGroups=%s to the unit, or set socket_group to a group of the daemon", group)
		}
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return listenError(path, err)
	}
	return nil
}

func groupID(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, rotator.Errorf(rotator.CodeInvalid, "there is no group %s, which socket_group names", name).
			WithHint("groupadd --system %s", name)
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		return 0, fmt.Errorf("group %s has id %s: %w", name, g.Gid, err)
	}
	return gid, nil
}

func listenError(path string, err error) error {
	dir := filepath.Dir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return rotator.Errorf(rotator.CodeInvalid, "directory %s of the socket does not exist", dir).
			WithHint("mkdir %s; under systemd, RuntimeDirectory=cmkd makes it", dir)
	case errors.Is(err, fs.ErrPermission):
		return rotator.Errorf(rotator.CodeForbidden, "the socket %s cannot be made: permission denied", path).
			WithHint("run cmkd as the owner of %s, or choose another path with socket: in the configuration", dir)
	default:
		return fmt.Errorf("listen on %s: %w", path, err)
	}
}
