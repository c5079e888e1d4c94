// Package systemd is cmkd's side of the service manager: readiness, status and
// watchdog by sd_notify, the credentials that the unit hands over, and the
// units themselves. Outside of systemd everything here does nothing.
package systemd

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

//go:embed cmkd.service cmkd.sysusers cmkd.tmpfiles
var units embed.FS

// Units returns the unit and what belongs to it: cmkd.service, cmkd.sysusers
// and cmkd.tmpfiles.
func Units() fs.FS { return units }

// Notifier tells the service manager how the daemon is doing. Its methods do
// nothing where $NOTIFY_SOCKET is not set; an error means that the manager did
// not hear, which is worth a line in the log and nothing more.
type Notifier struct{}

// Ready says that the daemon serves; also after a reload.
func (Notifier) Ready() error { return notify(daemon.SdNotifyReady) }

// Status sets the line that `systemctl status` shows.
func (Notifier) Status(line string) error {
	// A line break would begin another assignment.
	return notify("STATUS=" + strings.Join(strings.Fields(line), " "))
}

// Reloading says that the configuration is being read again; Ready ends it.
func (Notifier) Reloading() error {
	return notify(daemon.SdNotifyReloading + "\n" + strings.TrimSpace(daemon.SdNotifyMonotonicUsec()))
}

// Stopping says that the daemon is shutting down.
func (Notifier) Stopping() error { return notify(daemon.SdNotifyStopping) }

// Ping keeps the watchdog quiet for another interval.
func (Notifier) Ping() error { return notify(daemon.SdNotifyWatchdog) }

// WatchdogInterval returns within which time the manager wants to hear a Ping,
// or else kills the daemon; ok is false if it does not mind. Ping twice as often.
func (Notifier) WatchdogInterval() (interval time.Duration, ok bool) {
	// An error means variables that this manager did not set for us.
	interval, err := daemon.SdWatchdogEnabled(false)
	return interval, err == nil && interval > 0
}

func notify(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}

var credentialName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$`)

// CredentialPath returns the file of a credential that the unit hands over by
// LoadCredential=. An absolute path is returned as it is. It fails if there is
// no such credential.
func CredentialPath(name string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	if !credentialName.MatchString(name) {
		return "", fmt.Errorf("credential %q: neither a name nor an absolute path", name)
	}
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", fmt.Errorf("credential %s: not started by systemd with credentials; "+
			"add LoadCredential=%[1]s:/path/to/file to the unit, or configure an absolute path", name)
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("credential %s: %w; add LoadCredential=%[1]s:/path/to/file to the unit", name, err)
	}
	return path, nil
}
