package rotator_test

import (
	"testing"
	"time"

	"cmkd/rotator"
)

func TestSchedule_Next(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, spec, zone string
		from             string
		want             []string
	}{
		{"fires at each time in order", "0 3 1 * *", "", "2026-01-01T02:59:00Z", []string{"2026-01-01T03:00:00Z", "2026-02-01T03:00:00Z"}},
		{"a time itself is not after itself", "0 3 * * *", "", "2026-01-01T03:00:00Z", []string{"2026-01-02T03:00:00Z"}},
		{"reads the expression in its zone", "0 3 * * *", "Europe/Berlin", "2026-01-01T00:00:00Z", []string{"2026-01-01T02:00:00Z"}},
		{"serves a skipped local time as much later", "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"}},
		{"serves a repeated local time once", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"serves a skipped time in the southern hemisphere", "15 2 * * *", "Australia/Sydney", "2026-10-03T00:00:00Z", []string{"2026-10-03T16:15:00Z", "2026-10-04T15:15:00Z"}},
		{"knows the 29th of February", "0 0 29 2 *", "", "2026-01-01T00:00:00Z", []string{"2028-02-29T00:00:00Z"}},
		{"knows descriptors", "@monthly", "", "2026-01-15T00:00:00Z", []string{"2026-02-01T00:00:00Z"}},
		{"knows intervals", "@every 90m", "", "2026-01-15T00:00:00Z", []string{"2026-01-15T01:30:00Z"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := rotator.ParseSchedule(tt.spec, tt.zone, 0, rotator.MisfireCatchUp, "k")
			if err != nil {
				t.Fatal(err)
			}
			at := mustTime(t, tt.from)
			for _, want := range tt.want {
				at = s.Next(at)
				if got := at.Format(time.RFC3339); got != want {
					t.Fatalf("next = %s, want %s", got, want)
				}
			}
		})
	}
}

func TestSchedule_Jitter(t *testing.T) {
	t.Parallel()
	base := mustTime(t, "2026-01-01T00:00:00Z")
	distinct := map[time.Time]bool{}
	for _, key := range []string{"a", "b", "c", "d"} {
		s, err := rotator.ParseSchedule("0 3 * * *", "", time.Hour, "", key)
		if err != nil {
			t.Fatal(err)
		}
		first, second := s.Next(base), s.Next(s.Next(base))
		if d := first.Sub(base) - 3*time.Hour; d < 0 || d >= time.Hour {
			t.Errorf("key %s is delayed by %s, want less than an hour", key, d)
		}
		if second.Sub(first) != 24*time.Hour {
			t.Errorf("key %s fires %s apart, want a day", key, second.Sub(first))
		}
		distinct[first] = true
	}
	if len(distinct) < 2 {
		t.Error("all keys fire at once")
	}
}

func TestParseSchedule_Refuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, spec, zone string }{
		{"a malformed expression", "0 3 *", ""},
		{"a field out of range", "61 3 * * *", ""},
		{"a date that never comes", "0 0 30 2 *", ""},
		{"an unknown zone", "0 3 * * *", "Mars/Olympus"},
		{"a zone inside the expression", "CRON_TZ=UTC 0 3 * * *", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := rotator.ParseSchedule(tt.spec, tt.zone, 0, "", "k"); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func mustTime(tb testing.TB, s string) time.Time {
	tb.Helper()
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}
