package configs

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

const (
	listenHint = "for instance 127.0.0.1:9808, [::1]:9808 or unix:/run/cmkd/web.sock"
	hostHint   = "a name such as cmkd.example.com, without scheme and port"
)

// plainURL reads an http or https URL, and says what is wrong with it. No
// message repeats the text: it may hold a password.
func plainURL(text string) (u *url.URL, message, hint string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "" || !isHost(u.Hostname()) && !isAddress(u.Hostname()):
		return nil, "is not a URL with a host", "for instance https://host.example.com/path"
	case u.User != nil:
		return nil, "holds a user name or a password", "a configuration holds no secrets: take them out"
	case u.Fragment != "" || strings.HasSuffix(text, "#"):
		return nil, "has a part after #", "drop it"
	case u.Port() != "" && !isPort(u.Port()):
		return nil, "names a port that is none", "from 1 to 65535"
	}
	return u, "", ""
}

func checkAlertmanager(text string) (string, string) {
	u, message, hint := plainURL(text)
	switch {
	case message != "":
		return message, hint
	case u.RawQuery != "" || u.ForceQuery:
		return "has a part after ?", "drop it"
	case strings.Contains(u.Path, "/api/v"):
		return "names the API itself", "drop /api/ and what follows: cmkd adds it"
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return "would be sent to another machine unencrypted", "use https; http is for this machine only"
	}
	return "", ""
}

func checkRunbook(text string) (string, string) {
	if strings.HasPrefix(text, "/") {
		return checkPath(text)
	}
	_, message, hint := plainURL(text)
	return message, hint
}

// checkArgument refuses --token=… and the like.
func checkArgument(text string) (string, string) {
	name, _, given := strings.Cut(text, "=")
	name = strings.ReplaceAll(strings.TrimLeft(name, "-"), "-", "_")
	if given && secretNames.MatchString(name) {
		return "looks like a secret", "let the program read it from a file: everybody can see the arguments of a program"
	}
	return "", ""
}

func checkListen(text string) (string, string) {
	if text == "" {
		return "", ""
	}
	if file, ok := strings.CutPrefix(text, "unix:"); ok {
		return checkPath(file)
	}
	host, port, err := net.SplitHostPort(text)
	switch {
	case err != nil:
		return "is not an address with a port", listenHint
	case !isAddress(host):
		return "does not begin with an address", listenHint
	case !isPort(port):
		return "names a port that is none", "from 1 to 65535"
	}
	return "", ""
}

func checkHost(text string) (string, string) {
	if isHost(text) || isAddress(text) {
		return "", ""
	}
	return "is not a host name", hostHint
}

var hostPattern = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

func isHost(text string) bool { return len(text) <= 253 && hostPattern.MatchString(text) }

func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// isLoopback reports whether a host is this machine whoever resolves it.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}
