package notify

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	maxProblem = 300 // longest error text passed on, in bytes
	redacted   = "[secret]"
	// minPart is the shortest part of a URL that is taken for a secret: shorter
	// ones are "yes", "no" and port numbers. A password may have any length.
	minPart = 4
)

// addressed are the services whose URL has the server's name for a host. With the
// others the host is a token, or half of one.
var addressed = []string{
	"bark", "generic", "gotify", "lark", "matrix", "mattermost", "ntfy", "opsgenie", "rocketchat", "signal", "smtp", "zulip",
}

var (
	anyURL = regexp.MustCompile(`(?i)\b([a-z][a-z0-9+.-]*)://[^\s"'<>]+`)
	// longWord is what no message in words has: a token, or something encoded.
	longWord  = regexp.MustCompile(`[A-Za-z0-9+/_=-]{24,}`)
	separator = regexp.MustCompile(`[^\pL\pN_]+`)
)

// scrubber takes the secrets of one service URL out of texts.
type scrubber struct{ secrets *regexp.Regexp }

// newScrubber makes one for a service URL. What cannot be told to be harmless is
// secret: users, passwords, tokens in the host's place, paths, values of the query.
func newScrubber(raw string) scrubber {
	forms := map[string]bool{}
	for _, part := range secretParts(raw) {
		for _, form := range spellings(part) {
			if form != "" {
				forms[regexp.QuoteMeta(strings.ToValidUTF8(form, "?"))] = true
			}
		}
	}
	all := make([]string, 0, len(forms))
	for form := range forms {
		all = append(all, form)
	}
	// The longest first, so that no rest of it is left.
	slices.SortFunc(all, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	if len(all) == 0 {
		return scrubber{}
	}
	secrets, err := regexp.Compile("(?i:" + strings.Join(all, "|") + ")")
	if err != nil {
		// It cannot be, all are quoted; if it were, nothing may be shown.
		secrets = regexp.MustCompile(`(?s).+`)
	}
	return scrubber{secrets: secrets}
}

// text returns text without secrets, on one line and bounded.
func (s scrubber) text(text string) string {
	text = strings.ToValidUTF8(text, "?")
	if s.secrets != nil {
		text = s.secrets.ReplaceAllString(text, redacted)
	}
	text = anyURL.ReplaceAllString(text, "$1://"+redacted)
	text = longWord.ReplaceAllString(text, redacted)
	return oneLine(text, maxProblem)
}

// error returns an error that says the same without secrets. It wraps nothing, for
// what it wrapped might hold them.
func (s scrubber) error(err error) error { return errors.New(s.text(err.Error())) }

// secretParts are the parts of a service URL that may be secret.
func secretParts(raw string) []string {
	u, err := url.Parse(raw)
	if err != nil {
		_, rest, _ := strings.Cut(raw, "://")
		return append(long(separator.Split(rest, -1), ""), raw, rest)
	}
	parts := []string{raw}
	if scheme(raw) == unknownService {
		parts = append(parts, u.Scheme)
	}
	if password, ok := u.User.Password(); ok {
		user := u.User.Username()
		// As SMTP's PLAIN and HTTP's Basic send them, encoded.
		parts = append(parts, password, "\x00"+user+"\x00"+password, user+":"+password)
	}
	host := u.Hostname()
	tokens := []string{u.User.Username(), u.Path, u.Opaque, u.Fragment, u.User.String(), u.EscapedPath(), u.EscapedFragment()}
	if !slices.Contains(addressed, service(u)) {
		tokens, host = append(tokens, u.Host, host), ""
	}
	for _, t := range append(tokens, queryParts(u.RawQuery)...) {
		// Some services put a token together anew from its pieces, or cut it where
		// it has a # or a question mark.
		parts = append(parts, long(append(separator.Split(t, -1), t), host)...)
	}
	return parts
}

// queryParts are the values of a query, as they are written and as they are meant. A
// name without a value is one: somebody forgot what it is the value of.
func queryParts(query string) []string {
	parts := []string{query}
	for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(pair, "=")
		if value == "" {
			value = name
		}
		meant, _ := url.QueryUnescape(value)
		parts = append(parts, value, meant)
	}
	return parts
}

// long returns the parts that may be secret: not too short, and not part of what
// may be shown.
func long(parts []string, shown string) []string {
	return slices.DeleteFunc(slices.Clone(parts), func(p string) bool {
		return len(p) < minPart || shown != "" && strings.Contains(shown, p)
	})
}

// spellings are the forms in which libraries and servers repeat a secret.
func spellings(secret string) []string {
	quoted := strings.Trim(strconv.Quote(secret), `"`)
	inJSON, _ := json.Marshal(secret)
	return []string{
		secret, quoted, strings.Trim(string(inJSON), `"`),
		url.PathEscape(secret), url.QueryEscape(secret), url.UserPassword("", secret).String()[1:], (&url.URL{Path: secret}).EscapedPath(),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
	}
}

// service is the name of the service in a URL: generic of generic+https://…
func service(u *url.URL) string {
	name, _, _ := strings.Cut(strings.ToLower(u.Scheme), "+")
	return name
}
