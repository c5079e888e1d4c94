package engine

import (
	"fmt"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

// BenchmarkJudge measures what it takes to judge an operation of 100,000 dependents
// anew, as each commit does in which a troubled one changes.
func BenchmarkJudge(b *testing.B) {
	const n = 100_000
	for _, troubled := range []int{1, n / 2, n} {
		b.Run(fmt.Sprintf("troubled=%d", troubled), func(b *testing.B) {
			op := rotator.Operation{ID: 1, Key: "payments", Kind: rotator.KindRotation, State: rotator.StatePropagating, Trackers: map[rotator.TrackerState]int{rotator.TrackerStalled: troubled}}
			trackers := make([]rotator.Tracker, n)
			for i := range trackers {
				state := rotator.TrackerPropagating
				if i < troubled {
					state = rotator.TrackerStalled
				}
				name := fmt.Sprintf("dependent%d", i)
				trackers[i] = rotator.Tracker{Operation: 1, Number: uint32(i), State: state, Detail: &rotator.TrackerDetail{
					Dependent: rotator.Dependent{ID: "/subscriptions/s/" + name, Kind: "storage", Name: name},
				}}
			}
			for b.Loop() {
				if len(alerting.OfOperation(&op, trackers)) != 1 {
					b.Fatal("want one alert")
				}
			}
		})
	}
}

// BenchmarkPost measures a look at the outbox that has nothing to tell, with 10,000
// alerts that three receivers were told of, and what it takes to publish them.
func BenchmarkPost(b *testing.B) {
	e := New(Options{Alerting: Alerting{Receivers: []rotator.Receiver{{Name: "a"}, {Name: "b"}, {Name: "c"}}}})
	c := e.runner.core
	c.now = time.Unix(1e9, 0)
	for i := range 10_000 {
		told := map[string]rotator.Delivery{}
		for _, r := range c.alarm.outbox.receivers {
			told[r.Name] = rotator.Delivery{Fired: c.now}
		}
		key := fmt.Sprintf("key%d", i)
		c.alarm.put(&rotator.Alert{
			ID: alerting.ID(rotator.RuleKeyUnusable, key, "x"), Rule: rotator.RuleKeyUnusable, Severity: rotator.SeverityCritical, Key: key, Starts: c.now, Told: told,
		})
	}
	for i := range 10 {
		id := fmt.Sprintf("s-%d", i)
		c.alarm.silences[id] = &rotator.Silence{ID: id, Key: "another", Until: c.now.Add(time.Hour)}
	}
	b.Run("post", func(b *testing.B) {
		for b.Loop() {
			posting{c.state}.all()
		}
	})
	b.Run("publish", func(b *testing.B) {
		for b.Loop() {
			c.alarm.published = false
			e.runner.last = e.runner.last.Add(time.Minute)
			e.runner.publishBook()
		}
	})
}
