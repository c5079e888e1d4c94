package notify

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"cmkd/rotator"
)

const (
	// maxMessage is the longest message, in bytes: Telegram and ntfy take 4096.
	maxMessage = 3500
	// defaultSendTimeout is longer than the 10 s that most services give themselves.
	defaultSendTimeout = 30 * time.Second
	// maxHung is how many messages may be on their way at once.
	maxHung = 3
	// unknownService is what messages call a service that is none.
	unknownService = "shoutrrr"
)

// shorter are the services that take less than [maxMessage], by their own
// documentation, in bytes.
var shorter = map[string]int{"pushover": 1000, "pagerduty": 1000, "wecom": 2000, "bark": 3000}

// titled are the services that show a title. With the others the subject is the
// first line of the message: they have no title, or mean something else by it, or
// do not show it (matrix, mattermost).
var titled = []string{
	"bark", "discord", "gotify", "join", "lark", "notifiarr", "ntfy", "opsgenie", "pushbullet", "pushover", "slack", "smtp", "teams",
}

// ShoutrrrOptions says where messages go. Only URLPath is required.
type ShoutrrrOptions struct {
	// URLPath is the file that holds the service's URL, which is a secret. It is
	// read for each message, so that it can be replaced. A relative path is looked
	// up in $CREDENTIALS_DIRECTORY.
	URLPath string
	// Runbook is the page that rules link into; empty for no links.
	Runbook string
	// Note is put before the alerts, for instance that Azure is simulated.
	Note string
	// Timeout is how long one message may take; zero means 30 s.
	Timeout time.Duration
}

// Shoutrrr sends messages through a service of shoutrrr.
type Shoutrrr struct {
	options ShoutrrrOptions
	// underway has a place for each message that is on its way.
	underway chan struct{}
}

// NewShoutrrr makes a notifier. The URL is not read yet.
func NewShoutrrr(o ShoutrrrOptions) (*Shoutrrr, error) {
	if _, err := secretPath("the service's URL", o.URLPath); err != nil {
		return nil, err
	}
	if o.Timeout < 0 {
		return nil, invalid("the timeout %s is negative", o.Timeout)
	}
	o.Timeout = orDefault(o.Timeout, defaultSendTimeout)
	return &Shoutrrr{options: o, underway: make(chan struct{}, maxHung)}, nil
}

// Notify sends one message of all alerts. Shoutrrr cannot be interrupted: when the
// time is up, or ctx ends, Notify returns, and the attempt ends by itself later; it
// may still arrive. While three such attempts hang, Notify sends nothing and says so.
func (s *Shoutrrr) Notify(ctx context.Context, n rotator.Notification) error {
	if len(n.Alerts) == 0 {
		return nil
	}
	raw, err := readSecret("the service's URL", s.options.URLPath)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	select {
	case s.underway <- struct{}{}:
	default:
		return rotator.Errorf(rotator.CodeUnavailable, "send a message: %d earlier ones are still on their way", maxHung).
			WithHint("the server takes connections but does not answer; if it never ends them, restart cmkd")
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-s.underway }()
		done <- s.send(raw, &n)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return &rotator.Error{
			Code: rotator.CodeUnavailable, Message: "send a message by " + scheme(raw), Err: ctx.Err(),
			Hint: "the server did not answer in time; the message may still arrive",
		}
	}
}

// send sends a message and classifies what went wrong, without any secret.
func (s *Shoutrrr) send(raw string, n *rotator.Notification) (err error) {
	scrub, name := newScrubber(raw), scheme(raw)
	// A flaw in one of many services must not end the daemon.
	defer func() {
		if p := recover(); p != nil {
			err = &rotator.Error{Code: rotator.CodeInternal, Message: fmt.Sprintf("send a message by %s: shoutrrr panicked", name),
				Err: errors.New(scrub.text(fmt.Sprint(p))), Hint: "check the URL in the file; if it is right, report this"}
		}
	}()
	service, u, err := locate(raw)
	if err != nil {
		return &rotator.Error{
			Code: rotator.CodeInvalid, Message: "the service's URL for " + name + " is not usable", Err: scrub.error(err),
			Hint: "compare it with https://shoutrrr.nickfedor.com, Services, and write it to the file anew",
		}
	}
	text, params := s.message(u, n)
	if err := service.Send(text, params); err != nil {
		return &rotator.Error{
			Code: rotator.CodeUnavailable, Message: "send a message by " + name, Err: scrub.error(err),
			Hint: "check that the service can be reached and takes the credentials in the URL, then: cmkd alert test",
		}
	}
	return nil
}

// locate makes the service of a URL. It does what shoutrrr's router does, whose
// errors do not say why, and which fails on a bad URL of a custom scheme.
func locate(raw string) (types.Service, *url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, nil, err
	}
	name := service(u)
	if name == "" || name == "logger" {
		// The logger would take alerts and show them to nobody.
		return nil, nil, fmt.Errorf("there is no service named %q that tells anybody", name)
	}
	made, err := (&router.ServiceRouter{}).NewService(name)
	if err != nil {
		return nil, nil, err
	}
	configured := u
	if !strings.EqualFold(u.Scheme, name) {
		custom, ok := made.(types.CustomURLService)
		if !ok {
			return nil, nil, fmt.Errorf("%s takes no custom URL", name)
		}
		if configured, err = custom.GetConfigURLFromCustom(u); err != nil {
			return nil, nil, err
		}
	}
	return made, configured, made.Initialize(configured, nil)
}

// message is the text, and what goes beside it.
func (s *Shoutrrr) message(u *url.URL, n *rotator.Notification) (string, *types.Params) {
	name, params := service(u), types.Params{}
	limit, ok := shorter[name]
	if !ok {
		limit = maxMessage
	}
	if name == "discord" && !hasOption(u, "splitLines") {
		// One message, rather than a box for each line.
		params["splitlines"] = "No"
	}
	title, takesTitle := subject(n), slices.Contains(titled, name)
	if name == "generic" {
		// Its plain form sends the message alone.
		takesTitle = hasOption(u, "template")
	}
	if !takesTitle {
		return title + "\n\n" + body(n, s.options.Runbook, s.options.Note, limit-len(title)-2), &params
	}
	if name == "smtp" {
		// It writes headers as they are, and they are ASCII.
		title = mime.QEncoding.Encode("utf-8", title)
	}
	params.SetTitle(title)
	return body(n, s.options.Runbook, s.options.Note, limit), &params
}

func hasOption(u *url.URL, name string) bool {
	for key, values := range u.Query() {
		if strings.EqualFold(key, name) && len(values) > 0 && values[0] != "" {
			return true
		}
	}
	return false
}

// scheme is the name of the service for messages. What is not a service's name may
// be a secret at the wrong place.
func scheme(raw string) string {
	name, _, _ := strings.Cut(raw, ":")
	name, _, _ = strings.Cut(strings.ToLower(name), "+")
	if _, err := (&router.ServiceRouter{}).NewService(name); err != nil {
		return unknownService
	}
	return name
}
