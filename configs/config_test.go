package configs

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		want time.Duration
		show string
	}{
		{"0", 0, "0s"}, {"0s", 0, "0s"}, {"90s", 90 * time.Second, "1m30s"}, {"1h30m", 90 * time.Minute, "1h30m"},
		{"1d12h", 36 * time.Hour, "1d12h"}, {"36h", 36 * time.Hour, "1d12h"}, {"2d", 48 * time.Hour, "2d"}, {"30m", 30 * time.Minute, "30m"},
		{"10s", 10 * time.Second, "10s"}, {"1d1s", 24*time.Hour + time.Second, "1d1s"}, {"1d0s", 24 * time.Hour, "1d"},
		{"1h0m5s", time.Hour + 5*time.Second, "1h0m5s"}, {"1.5h", 90 * time.Minute, "1h30m"}, {"250ms", 250 * time.Millisecond, "250ms"},
		{"106751d", 106751 * day, "106751d"},
	} {
		got, err := ParseDuration(test.text)
		if err != nil || time.Duration(got) != test.want || got.String() != test.show {
			t.Errorf("%s: got %v, %v, want %s", test.text, got, err, test.show)
		}
		if again, err := ParseDuration(got.String()); err != nil || again != got {
			t.Errorf("%s: %s reads back as %v, %v", test.text, got, again, err)
		}
	}
	for _, text := range []string{"", "d", "1", "1.5d", "-1h", "-1d", "1d-1h", "1w", "1h1d", "106752d", "106751d24h", "1d1d", "99999999999d", " 1h", "1e3s"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func TestDuration_JSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(Duration(36 * time.Hour))
	if err != nil || string(text) != `"1d12h"` {
		t.Errorf("%s, %v", text, err)
	}
	var back Duration
	if err := json.Unmarshal(text, &back); err != nil || back != Duration(36*time.Hour) {
		t.Errorf("%v, %v", back, err)
	}
}

// TestParse_Inherits shows from where a dependent has its values: itself, its
// key, the file's defaults, the kind.
func TestParse_Inherits(t *testing.T) {
	t.Parallel()
	const storage = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/"
	const cosmos = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.DocumentDB/databaseAccounts/"
	const disks = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.Compute/diskEncryptionSets/"
	c := MustParse(t, `
defaults: {soak: 3h, nudge: when-stalled, timezone: Europe/Berlin, discover: [11111111-2222-3333-4444-555555555555]}
windows: {storage: 20h}
keys:
  - name: a
    uri: https://contoso.vault.azure.net/keys/a
    windows: {cosmosdb: 26h}
    dependents:
      - id: `+storage+`one
      - {id: `+storage+`two, nudge: always, window: 5h}
      - id: `+cosmos+`three
      - id: `+disks+`four
  - name: b
    uri: https://contoso.vault.azure.net/keys/b
    soak: 0s
    nudge: never
    timezone: UTC
    discover: []
    dependents:
      - id: `+storage+`five
`)
	for i, want := range []string{"3h0m0s Europe/Berlin 1", "0s UTC 0"} {
		k := c.Keys[i]
		if got := fmt.Sprintf("%v %s %d", time.Duration(k.Soak), k.Timezone, len(k.Discover.In)); got != want {
			t.Errorf("key %s: got %s, want %s", k.Name, got, want)
		}
	}
	want := []string{
		"storage when-stalled 20h", "storage always 5h", "cosmosdb never 1d2h", "disk-encryption-set when-stalled 0s", "storage never 20h", // 0s: nobody said, its kind says
	}
	for i, d := range append(c.Keys[0].Dependents, c.Keys[1].Dependents...) {
		if got := fmt.Sprintf("%s %s %s", d.Kind, d.Nudge, d.Window); got != want[i] {
			t.Errorf("dependent %s: got %s, want %s", d.label(), got, want[i])
		}
	}
}

// TestParse_Receivers shows from where a receiver has what it leaves out, and
// that absent sections have the documented defaults.
func TestParse_Receivers(t *testing.T) {
	t.Parallel()
	c := MustParse(t, `
alerts:
  repeat: 6h
  preflight_ahead: 0s
  runbook: /usr/share/doc/cmkd/alerts.md
  receivers:
    - name: a
      alertmanager: {urls: ["http://127.0.0.1:9093", "https://b.example.com/prefix"], credential: /run/token, ca: /etc/ca.pem}
    - {name: b, severity: critical, repeat: 0s, shoutrrr: {credential: b-url}}
    - {name: c, repeat: 31d, exec: {command: [/bin/page, "", "-x"]}}
    - {name: d, exec: {command: [/bin/page], timeout: 1s}}
`)
	want := []string{
		"a info 6h [http://127.0.0.1:9093 https://b.example.com/prefix] /run/token /etc/ca.pem",
		"b critical 0s b-url", `c info 31d ["/bin/page" "" "-x"] 30s`, `d info 6h ["/bin/page"] 1s`,
	}
	for i, r := range c.Alerts.Receivers {
		got := fmt.Sprintf("%s %s %s", r.Name, r.Severity, r.Repeat)
		switch {
		case r.Alertmanager != nil:
			got += fmt.Sprintf(" %v %s %s", r.Alertmanager.URLs, r.Alertmanager.Credential, r.Alertmanager.CA)
		case r.Shoutrrr != nil:
			got += " " + r.Shoutrrr.Credential
		case r.Exec != nil:
			got += fmt.Sprintf(" %q %s", r.Exec.Command, r.Exec.Timeout)
		}
		if got != want[i] {
			t.Errorf("got  %s\nwant %s", got, want[i])
		}
	}
	a := c.Alerts
	if got := fmt.Sprintf("%s %s %s", a.PreflightAhead, a.ExpiryAhead, a.Runbook); got != "0s 30d /usr/share/doc/cmkd/alerts.md" {
		t.Errorf("got %s", got)
	}
	d := MustParse(t, "alerts:\nweb:\n")
	if got := fmt.Sprintf("%s %s %s %d %q", d.Alerts.Repeat, d.Alerts.PreflightAhead, d.Alerts.ExpiryAhead, len(d.Alerts.Receivers), d.Web.Listen); got != `4h 1d 30d 0 ""` {
		t.Errorf("by default %s", got)
	}
}

// TestParse_Listen holds what may be listened on without more, and what takes a
// certificate and a credential: whatever others can reach.
func TestParse_Listen(t *testing.T) {
	t.Parallel()
	const guarded = ", certificate: web.pem, credential: web-token, hosts: [cmkd.example.com, LOCAL, 10.0.0.5, '::1']"
	for listen, exposed := range map[string]bool{
		"": false, "127.0.0.1:9808": false, "127.9.9.9:65535": false, "[::1]:9808": false, "[::ffff:127.0.0.1]:9808": false,
		"unix:/run/cmkd/web.sock": false, "0.0.0.0:9808": true, "[::]:9808": true, "10.0.0.5:9808": true,
		"[fe80::1%eth0]:9808": true, "[::ffff:10.0.0.5]:9808": true,
	} {
		c, err := Parse("cmkd.yaml", fmt.Appendf(nil, "web: {listen: %q}", listen), kinds())
		if exposed != (err != nil) {
			t.Errorf("%s alone: %v", listen, err)
		}
		if err == nil && c.Web.Listen != listen {
			t.Errorf("%s is read as %s", listen, c.Web.Listen)
		}
		_, err = Parse("cmkd.yaml", fmt.Appendf(nil, "web: {listen: %q%s}", listen, guarded), kinds())
		if socket := strings.HasPrefix(listen, "unix:"); socket != (err != nil) {
			t.Errorf("%s, guarded: %v", listen, err)
		}
	}
}

// TestParse_WithoutChecks shows that nothing is asked of hooks that are not
// there.
func TestParse_WithoutChecks(t *testing.T) {
	t.Parallel()
	c, err := Parse("cmkd.yaml", []byte(Example()))
	if err != nil {
		t.Fatal(err)
	}
	if d := c.Keys[0].Dependents[1]; d.Kind != "" || d.Window != 0 {
		t.Errorf("kind %q and window %s out of nowhere", d.Kind, d.Window)
	}
}

func TestGapOf(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]time.Duration{
		"* * * * *": time.Minute, "@every 36h": 36 * time.Hour, "@daily": day, "0 3 1 */3 *": 90 * day, "@yearly": 365 * day,
		"0,5 4 * * *": 5 * time.Minute, "0 0 29 2 *": 1461 * day, "0 3 * * 1,5": 3 * day,
	} {
		if got := gapOf(spec); got.message != "" || got.least != want {
			t.Errorf("%s: got %v %s, want %v", spec, got.least, got.message, want)
		}
	}
}

func TestSuggest(t *testing.T) {
	t.Parallel()
	words := []string{"schedule", "soak", "jitter", "retire", "require"}
	for written, want := range map[string]string{
		"shedule": "schedule", "Schedule": "schedule", "sokA": "soak", "jiter": "jitter", "retrie": "retire", "zzz": "", "": "", "x": "",
	} {
		got := suggest(written, words)
		if want != "" {
			want = fmt.Sprintf("did you mean %q?", want)
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", written, got, want)
		}
	}
}

func TestProblem_String(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]Problem{
		"f.yaml:3:5: keys[0]: wrong (mend it)": {"f.yaml", 3, 5, "keys[0]", "wrong", "mend it"},
		"f.yaml: gone":                         {File: "f.yaml", Message: "gone"},
	} {
		if got := p.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestDiscover: a key searches everywhere unless it or the defaults say otherwise, and is
// written as it is read.
func TestDiscover(t *testing.T) {
	t.Parallel()
	const id = "11111111-2222-3333-4444-555555555555"
	for _, tt := range []struct{ defaults, key, want string }{
		{"", "", "false []"},
		{"", "discover: []", "false []"},
		{"", "discover: off", "true []"},
		{"discover: off", "", "true []"},
		{"discover: off", "discover: []", "false []"},
		{"discover: off", "discover: [" + id + "]", "false [" + id + "]"},
		{"discover: [" + id + "]", "", "false [" + id + "]"},
		{"discover: [" + id + "]", "discover: off", "true []"},
	} {
		c := MustParse(t, "defaults: {"+tt.defaults+"}\nkeys:\n  - {name: a, uri: 'https://contoso.vault.azure.net/keys/a', "+tt.key+"}\n")
		text, err := Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []*Config{c, MustParse(t, string(text))} {
			if got := fmt.Sprint(c.Keys[0].Discover.Off, c.Keys[0].Discover.In); got != tt.want {
				t.Errorf("defaults %q, key %q: got %s, want %s", tt.defaults, tt.key, got, tt.want)
			}
		}
	}
}
