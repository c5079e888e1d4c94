package daemon

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"cmkd/configs"
	"cmkd/providers/arm"
	"cmkd/rotator"

	"github.com/rs/zerolog"
)

func TestParseSimulatedClock(t *testing.T) {
	c, err := ParseSimulatedClock("2026-01-05T08:00:00Z,2026-11-24T20:00:00.123456789Z,600")
	if err != nil {
		t.Fatal(err)
	}
	if l := c.Timeline(); l.Speed != 600 || l.Anchor.Nanosecond() != 123456789 || c.String() != "×600 from 2026-01-05T08:00:00Z" {
		t.Errorf("read %+v, written %s", c, c)
	}
	if again, err := ParseSimulatedClock(c.Flag()); err != nil || again.Timeline() != c.Timeline() {
		t.Errorf("written as %s, read back as %+v (%v)", c.Flag(), again, err)
	}
	for _, bad := range []string{
		"", "now", "2026-01-05T08:00:00Z,2026-11-24T20:00:00Z", "x,2026-11-24T20:00:00Z,1", "2026-01-05T08:00:00Z,x,1",
		"2026-01-05T08:00:00Z,2026-11-24T20:00:00Z,0", "2026-01-05T08:00:00Z,2026-11-24T20:00:00Z,-1",
		"2026-01-05T08:00:00Z,2026-11-24T20:00:00Z,NaN", "2026-01-05T08:00:00Z,2026-11-24T20:00:00Z,1e9",
	} {
		if _, err := ParseSimulatedClock(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestSimulatedClock(t *testing.T) {
	c := NewSimulatedClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Now(), 1e6)
	before := c.Now()
	at := <-c.After(time.Hour) // 3.6 ms
	if passed := c.Now().Sub(before); passed < time.Hour || at.IsZero() {
		t.Errorf("%s passed while an hour did", passed)
	}
	if got := (Timeline{Speed: 3}).real(10); got != 4 {
		t.Errorf("a timer of 3.3 ns is one of %d ns", got)
	}
}

func TestKeysOf(t *testing.T) {
	config, err := configs.Parse("cmkd.yaml", []byte(`
windows: {storage: 20h, disk-encryption-set: 2h}
roles: {operators: ['user:alice'], approvers: ['user:bob']}
defaults: {soak: 3h, jitter: 10m}
keys:
  - name: payments
    uri: https://Contoso.vault.azure.net/keys/payments
    schedule: "@monthly"
    retire: auto
    require: inferred
    two_person: true
    discover: [11111111-2222-3333-4444-555555555555]
    windows: {storage: 21h}
    dependents:
      - id: /subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/a/providers/Microsoft.Storage/storageAccounts/own
        window: 22h
        poll: 9m
        nudge: always
        settings: {probe_container: ledger}
      - id: /subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/a/providers/Microsoft.Storage/storageAccounts/keys
      - id: /subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/a/providers/Microsoft.Compute/diskEncryptionSets/all
      - id: /subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/a/providers/Microsoft.DocumentDB/databaseAccounts/kind
        exclude: old
  - name: archive
    uri: https://contoso.vault.azure.net/keys/archive
`), Checks())
	if err != nil {
		t.Fatal(err)
	}
	keys, err := keysOf(config)
	if err != nil {
		t.Fatal(err)
	}
	k := keys[0]
	if k.ID != "https://contoso.vault.azure.net/keys/payments" || k.Retire != rotator.RetireAuto || k.Soak != 3*time.Hour ||
		k.Require != rotator.EvidenceInferred || !k.TwoPerson || len(k.Discover) != 1 || k.Schedule.IsZero() {
		t.Errorf("key is %+v", k)
	}
	for i, want := range []struct {
		kind   string
		window time.Duration
	}{{"storage", 22 * time.Hour}, {"storage", 21 * time.Hour}, {"disk-encryption-set", 2 * time.Hour}, {"cosmosdb", 0}} {
		if d := k.Dependents[i]; d.Kind != want.kind || d.Window != want.window {
			t.Errorf("dependent %d is %s with window %s, want %s with %s", i, d.Kind, d.Window, want.kind, want.window)
		}
	}
	d := k.Dependents[0]
	if d.Poll != 9*time.Minute || d.Nudge != rotator.NudgeAlways || d.Settings["probe_container"] != "ledger" || k.Dependents[3].Excluded != "old" {
		t.Errorf("dependents are %+v", k.Dependents)
	}
	if !keys[1].Schedule.IsZero() || keys[1].Retire != rotator.RetireManual || keys[1].Method != rotator.MethodAuto {
		t.Errorf("a key with defaults is %+v", keys[1])
	}
}

// TestChecks_examples checks that what is shown to people passes the daemon's own
// checks, without a warning.
func TestChecks_examples(t *testing.T) {
	for name, text := range map[string]string{"example": configs.Example(), "minimal": configs.Minimal()} {
		config, err := configs.Parse(name, []byte(text), Checks())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if w := config.Warnings(); len(w) > 0 {
			t.Errorf("%s: %v", name, w)
		}
		if _, err := keysOf(config); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStatusLine(t *testing.T) {
	for want, s := range map[string]rotator.Summary{
		"nothing in flight, 1 key":                  {Keys: 1},
		"nothing can be stored: disk full":          {Blocked: "disk full"},
		"1 rotation in flight":                      {Live: map[rotator.OperationKind]int{rotator.KindRotation: 1}},
		"3 rotations in flight, 1 stalled":          {Live: map[rotator.OperationKind]int{rotator.KindRotation: 3}, Trackers: map[rotator.TrackerState]int{rotator.TrackerStalled: 1, rotator.TrackerDone: 4}},
		"2 revocations in flight, 1 needs somebody": {Live: map[rotator.OperationKind]int{rotator.KindRevocation: 2}, NeedsAction: 1},
	} {
		if got := statusLine(s); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// still is an engine that makes a step when told to.
type still struct{ beat time.Time }

func (s *still) Summary() rotator.Summary { return rotator.Summary{Keys: 1} }
func (s *still) Heartbeat() time.Time     { return s.beat }

// at is a clock that shows what it is set to.
type at struct{ now time.Time }

func (c *at) Now() time.Time                       { return c.now }
func (c *at) After(time.Duration) <-chan time.Time { return nil }

func TestManager_Watchdog(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock, engine, told := &at{start}, &still{start}, &recorder{every: 20 * time.Second}
	m := newManager(told, clock, engine)
	pings := func() (n int) {
		for _, line := range told.told() {
			if line == "PING" {
				n++
			}
		}
		return n
	}
	for _, step := range []struct {
		after time.Duration // since the start
		beats bool
		want  int
		why   string
	}{
		{0, true, 1, "at once"},
		{2 * time.Second, true, 1, "not too often"},
		{9 * time.Second, true, 2, "in time"},
		{19 * time.Second, false, 3, "a pause is no standstill"},
		{40 * time.Second, false, 3, "a standstill is"},
		{60 * time.Second, false, 3, "and stays one"},
		{70 * time.Second, true, 4, "until the engine goes on"},
	} {
		clock.now = start.Add(step.after)
		if step.beats {
			engine.beat = clock.now
		}
		if err := m.report(clock.now); err != nil {
			t.Fatal(err)
		}
		if got := pings(); got != step.want {
			t.Errorf("after %s: %d pings, want %d: %s", step.after, got, step.want, step.why)
		}
	}
	if told.told()[0] != "STATUS nothing in flight, 1 key" {
		t.Errorf("told %q", told.told())
	}
}

func TestLogEvent(t *testing.T) {
	var out bytes.Buffer
	log := newLogger(&out, configs.Log{Level: "info", Format: "json"})
	logEvent(log, &rotator.Event{Seq: 3, Type: rotator.EventTrackerChanged, Key: "payments", Operation: 17, Message: "storage x: stalled", Data: map[string]string{"to": "stalled"}})
	logCall(log, callOf(200))
	got := out.String()
	for _, want := range []string{`"level":"warn"`, `"key":"payments"`, `"operation":"op-17"`, `"message":"tracker-changed"`, `"detail":"storage x: stalled"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %s", got, want)
		}
	}
	if strings.Count(got, "\n") != 1 {
		t.Errorf("one event is %q", got)
	}
	for event, want := range map[rotator.EventType]zerolog.Level{
		rotator.EventStoreBlocked: zerolog.ErrorLevel, rotator.EventRetirementHeld: zerolog.WarnLevel, rotator.EventVersionCreated: zerolog.InfoLevel,
	} {
		if got := levelOf(&rotator.Event{Type: event}); got != want {
			t.Errorf("%s is logged as %s, want %s", event, got, want)
		}
	}
}

func callOf(status int) arm.Call { return arm.Call{Method: "GET", Status: status} }
