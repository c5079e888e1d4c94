package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cmkd/configs"
	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

var update = flag.Bool("update", false, "write docs/alerts.md and docs/reasons.md anew")

// TestDocs holds that docs/alerts.md says what the rules say, and docs/reasons.md what
// the reasons say.
func TestDocs(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"alerts.md": runbook(alerting.Rules()), "reasons.md": glossary(rotator.Reasons())} {
		path := filepath.Join("..", "..", "docs", name)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("docs/%s differs from what it is made of: go test ./cmd/cmkd -run TestDocs -update", name)
		}
	}
}

// TestDocs_commands checks that what a person is told to type can be typed.
func TestDocs_commands(t *testing.T) {
	t.Parallel()
	text := runbook(alerting.Rules()) + glossary(rotator.Reasons())
	n := 0
	for _, command := range regexp.MustCompile("`cmkd ([^`]+)`").FindAllStringSubmatch(text, -1) {
		root := newRoot(newApp(strings.NewReader(""), io.Discard, io.Discard, func(string) string { return "" }))
		args := strings.Fields(command[1])
		c, rest, err := root.Find(args)
		if err != nil || c == root {
			t.Errorf("there is no cmkd %s (%v)", command[1], err)
			continue
		}
		if err := c.ParseFlags(rest); err != nil {
			t.Errorf("cmkd %s: %v", command[1], err)
		} else if err := c.ValidateArgs(c.Flags().Args()); err != nil {
			t.Errorf("cmkd %s: %v", command[1], err)
		}
		n++
	}
	if n < 30 {
		t.Errorf("only %d commands were found", n)
	}
}

// TestDocs_example checks that the example is a configuration.
func TestDocs_example(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, r := range alerting.Rules() {
		known[string(r.Rule)] = true
	}
	_, after, _ := strings.Cut(runbook(nil), "```yaml\n")
	example, _, found := strings.Cut(after, "```")
	if !found {
		t.Fatal("there is no example")
	}
	config, err := configs.Parse("alerts.md", []byte(example), configs.Checks{CheckRule: func(rule string) bool { return known[rule] }})
	if err != nil {
		t.Fatal(err)
	}
	var ways []string
	for _, r := range config.Alerts.Receivers {
		ways = append(ways, fmt.Sprintf("%s %v %v %v", r.Name, r.Alertmanager != nil, r.Shoutrrr != nil, r.Exec != nil))
	}
	if got := strings.Join(ways, ", "); got != "on-call true false false, chat false true false, pager false false true" {
		t.Errorf("the example has %s", got)
	}
}

const runbookIntro = `# Alerts

Made from the rules (` + "`go test ./cmd/cmkd -run TestDocs -update`" + `); a test keeps it equal.

cmkd raises an alert when something needs somebody, and takes it back when that is over. However many
dependents one cause affects within one operation, it is one alert. Its id is made of what it is about,
such as ` + "`propagation-stalled/op-17/storage`" + `, and is the same after a restart.

- ` + "`cmkd alert list`" + ` shows what fires, worst first; with ` + "`--check`" + ` the exit code is 3 if one is not silenced.
- ` + "`cmkd alert show ALERT`" + ` shows all about one, also who was told.
- ` + "`cmkd alert rules`" + ` explains the rules, ` + "`cmkd events`" + ` shows when which alert began and ended.

## Severities

| severity | who should look |
|---|---|
| critical | somebody, now: data may be readable that should not be, or about to become unreadable |
| warning | somebody, during working hours: nothing is lost, but it does not get on by itself |
| info | nobody has to: it explains what is seen elsewhere |

The severity of a rule's alerts is always the one below.

## Silences

A silence keeps alerts from being delivered for a while; they are still listed. It is for one alert, or
for all of a rule, of a key, or of both. What fires when it ends is delivered then.
Alertmanager goes on being told of what it was told before the silence began, or it would take the alert
to be over: silence it there, too, if it repeats its notifications.

    cmkd silence propagation-stalled/op-17/storage --for 2h --reason "INC-4711"
    cmkd silence --key payments --for 1d --reason "is being moved"
    cmkd silence list
    cmkd silence end s-1

## Receivers

Whoever is told of alerts is a receiver. What one could not be told is kept in the store and tried again,
also after a restart, and never delays a rotation. ` + "`cmkd alert test`" + ` sends each of them an alert that says
that it is only a test.

` + "```yaml" + `
alerts:
  repeat: 4h            # tell again of what goes on; a receiver can have its own
  preflight_ahead: 24h  # how long before a rotation to look whether it could begin
  expiry_ahead: 30d     # how long before a version expires to say so
  runbook: https://wiki.example.com/cmkd/alerts
  receivers:
    # Prometheus Alertmanager; name every replica.
    - name: on-call
      alertmanager:
        urls: [https://alertmanager-1.example.com, https://alertmanager-2.example.com]
        credential: cmkd-alertmanager-token   # a bearer token; optional
    # Mail, Slack, Teams, Discord, a webhook and what else shoutrrr offers. Its URL
    # holds secrets, so it is a credential:
    # LoadCredential=cmkd-chat-url:/etc/cmkd/chat-url in the unit.
    - name: chat
      shoutrrr:
        credential: cmkd-chat-url
      severity: warning   # the least severity that it is told of
      rules: [propagation-stalled, needs-action, retirement-blocked]
    # A program that reads the alerts as JSON on its standard input, and ends with
    # 0 once it has taken them.
    - name: pager
      exec:
        command: [/usr/local/bin/page, --now]
        timeout: 30s
      severity: critical
` + "```" + `

After a change: ` + "`systemctl reload cmkd`" + `, then ` + "`cmkd alert test`" + `.

## What is sent

**Alertmanager** gets each alert with the labels ` + "`alertname`" + ` (such as ` + "`CmkdPropagationStalled`" + `), ` + "`id`" + `, ` + "`rule`" + `,
` + "`severity`" + `, ` + "`key`" + `, ` + "`operation`" + `, ` + "`cause`" + ` and ` + "`instance`" + `, and ` + "`test=\"true\"`" + ` for a test; what does not apply is
left out. Its annotations are ` + "`summary`" + `, ` + "`description`" + `, ` + "`hint`" + `, ` + "`next`" + ` (a command to type), ` + "`runbook_url`" + ` and
` + "`note`" + ` (that Azure is simulated). It is told of what goes on every two minutes, and takes an alert to be over
when it was not told for six; how often people are told again is its own ` + "`repeat_interval`" + `.

**shoutrrr** sends one message for all that is new. Its services are, for chat: discord, googlechat, lark,
matrix, mattermost, rocketchat, signal, slack, teams, telegram, wecom, zulip; mail: smtp; phones and desktops:
bark, gotify, ifttt, join, ntfy, pushbullet, pushover; webhooks: generic, notifiarr; on call: opsgenie,
pagerduty, which learn of an end by one more alert: there Alertmanager serves better. The URL of each is
described at https://shoutrrr.nickfedor.com, under Services.

**exec** gives the program one JSON document:

| field | what it is |
|---|---|
| ` + "`version`" + ` | 1; fields may be added to it |
| ` + "`instance`" + `, ` + "`now`" + ` | which daemon, and when |
| ` + "`test`" + ` | true if somebody only tries it out; ` + "`CMKD_TEST=1`" + ` is set then |
| ` + "`note`" + ` | that Azure is simulated; left out otherwise |
| ` + "`alerts`" + ` | worst first, each with the fields below |
| ` + "`id`" + `, ` + "`rule`" + `, ` + "`severity`" + ` | as above |
| ` + "`status`" + ` | ` + "`firing`" + ` or ` + "`resolved`" + ` |
| ` + "`key`" + `, ` + "`operation`" + `, ` + "`cause`" + ` | what it is about; empty where it does not apply |
| ` + "`summary`" + `, ` + "`hint`" + `, ` + "`next`" + `, ` + "`runbook`" + ` | what is wrong, what to do, a command to type, a link |
| ` + "`affected`" + `, ` + "`count`" + ` | at most 20 dependents with ` + "`id`" + `, ` + "`kind`" + ` and ` + "`name`" + `; how many there are |
| ` + "`starts`" + `, ` + "`ends`" + ` | when; without ` + "`ends`" + ` as long as it fires |

It runs in / with PATH alone in its environment. If it does not end with 0 it is run again later, with the same
alerts; the last line of its standard error is shown as the reason.

## Links

An alert that is delivered links to its section below: ` + "`alerts.runbook`, `#`" + ` and the rule, such as
` + "`https://wiki.example.com/cmkd/alerts#propagation-stalled`" + `. Publish this file there; the headings of the
rules are their names, so that the links meet them. By default it is the copy that is installed with cmkd.

# Rules

In commands, KEY is the name of a key and OPERATION an id such as op-17; the alert names both, and
` + "`cmkd alert show ALERT`" + ` the next command to type.

| rule | severity | what is the case |
|---|---|---|
`

// runbook renders the rules.
func runbook(rules []alerting.RuleInfo) string {
	var b strings.Builder
	b.WriteString(runbookIntro)
	for _, r := range rules {
		fmt.Fprintf(&b, "| [%s](#%[1]s) | %s | %s |\n", r.Rule, r.Severity, r.Title)
	}
	for _, r := range rules {
		fmt.Fprintf(&b, "\n## %s\n\n**%s** (%s). %s\n\nLikely causes:\n\n", r.Rule, r.Title, r.Severity, r.Meaning)
		for _, cause := range r.Causes {
			fmt.Fprintf(&b, "- %s\n", cause)
		}
		b.WriteString("\nWhat to do:\n\n")
		for i, step := range r.Steps {
			fmt.Fprintf(&b, "%d. %s\n", i+1, step)
		}
		fmt.Fprintf(&b, "\nIt ends by itself when %s.\n", r.Resolves)
	}
	return b.String()
}

const glossaryIntro = `# Reasons

Made from the reasons (` + "`go test ./cmd/cmkd -run TestDocs -update`" + `); a test keeps it equal.

Whatever stands in the way of an operation, is wrong with a dependent or a key, or made a call fail has a code:
` + "`code`" + ` of a problem, ` + "`check`" + ` of an objection and ` + "`reason`" + ` of an error in the API, the last part of an alert's id.
One condition has one code, wherever it is met. Codes in small letters with hyphens are cmkd's own and stand below;
` + "`cmkd reasons CODE`" + ` shows one of them. All others are Azure's, such as ` + "`ForbiddenByRbac`" + `, and go through as they are:
the hint beside them says what to do.

In commands, KEY is the short name of a key, OPERATION an id such as op-17 and DEPENDENT a resource id.

`

// glossary renders the reasons.
func glossary(reasons []rotator.ReasonInfo) string {
	var b strings.Builder
	b.WriteString(glossaryIntro)
	b.WriteString("| code | what is the case |\n|---|---|\n")
	for _, r := range reasons {
		fmt.Fprintf(&b, "| [%s](#%s) | %s |\n", r.Reason, strings.ToLower(string(r.Reason)), r.Sentence)
	}
	for _, r := range reasons {
		fmt.Fprintf(&b, "\n## %s\n\n**%s**\n\nWhy: %s\n\nWhat to do: %s\n", r.Reason, r.Sentence, r.Cause, r.Next)
	}
	return b.String()
}
