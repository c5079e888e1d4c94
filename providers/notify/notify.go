// Package notify tells people and programs of alerts. It implements
// [rotator.Notifier] three times:
//
//   - [Alertmanager] posts to the v2 API of Prometheus's Alertmanager;
//   - [Shoutrrr] sends a message through github.com/nicholas-fedor/shoutrrr;
//   - [Exec] runs a command with JSON on its standard input.
//
// None of them retries, keeps a queue or remembers what it sent: the engine's
// outbox does. All may be called again with the same alerts. No error of theirs
// holds a secret.
//
// # Services of shoutrrr
//
// Chat: discord, googlechat (hangouts), lark, matrix, mattermost, rocketchat,
// signal, slack, teams, telegram, wecom, zulip. Mail: smtp. Phones and desktops:
// bark, gotify, ifttt, join, ntfy, pushbullet, pushover. Others: generic (a
// webhook, plain or JSON), notifiarr. On call: opsgenie, pagerduty; these two
// know no end of an alert through shoutrrr, which sends "resolved" as one more
// alert, so that Alertmanager's own integrations serve better.
//
// The URL of each is described in shoutrrr's documentation,
// https://shoutrrr.nickfedor.com, under Services.
package notify

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"cmkd/rotator"
)

// maxSecret is the longest secret read, in bytes: a token or a URL.
const maxSecret = 16 << 10

// readSecret reads a secret of one line from a file. A relative path is looked
// up in the credentials directory of systemd, $CREDENTIALS_DIRECTORY. Its errors
// name the file, never what is in it.
func readSecret(what, path string) (string, error) {
	path, err := secretPath(what, path)
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		hint := "check the path"
		if errors.Is(err, fs.ErrPermission) {
			hint = "let the daemon's user read it, or hand it over with LoadCredential= in the unit"
		}
		return "", invalid("read %s: %s", what, err).WithHint("%s", hint)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", invalid("read %s: %s", what, err).WithHint("check the path")
	}
	secret := strings.TrimSpace(string(data))
	switch {
	case secret == "":
		return "", invalid("%s: %s is empty", what, path).WithHint("write it there, on one line")
	case len(data) > maxSecret, strings.ContainsFunc(secret, unicode.IsControl):
		return "", invalid("%s: %s holds more than one line of text", what, path).WithHint("write it there alone, on one line")
	}
	return secret, nil
}

func secretPath(what, path string) (string, error) {
	if path == "" {
		return "", invalid("%s: no file is named", what).WithHint("name the file that holds it")
	}
	if filepath.IsAbs(path) {
		return path, nil
	}
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", invalid("%s: the path %q is relative, and there is no credentials directory", what, path).
			WithHint("give an absolute path, or LoadCredential=%s:/path/to/file in the unit", path)
	}
	if !filepath.IsLocal(path) {
		return "", invalid("%s: the path %q leads out of the credentials directory", what, path).
			WithHint("give an absolute path, or a plain name")
	}
	return filepath.Join(dir, path), nil
}

func invalid(format string, args ...any) *rotator.Error {
	return rotator.Errorf(rotator.CodeInvalid, format, args...)
}

// oneLine makes text fit for one line of a message: no control characters, no
// runs of white space, at most limit bytes.
func oneLine(text string, limit int) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	return cut(text, limit)
}

// cut returns at most limit bytes of text, whole characters, with a mark where
// it was cut.
func cut(text string, limit int) string {
	const mark = "…"
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:max(0, limit-len(mark))], "") + mark
}

// runbookURL is where the runbook has the section of a rule; empty without one.
func runbookURL(runbook string, rule rotator.Rule) string {
	if runbook == "" {
		return ""
	}
	return runbook + "#" + string(rule)
}

// status says in one word whether the alert goes on, as Alertmanager does.
func status(a *rotator.Alert) string {
	if a.Firing() {
		return "firing"
	}
	return "resolved"
}

// orDefault returns d, or fallback if it is zero.
func orDefault(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}
