package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cmkd/cmd/internal/control"
	"cmkd/cmd/internal/dashboard/dashboardtest"
	"cmkd/cmd/internal/metrics/metricstest"
	"cmkd/providers/azuresim"
	"cmkd/rotator"
)

const stalledAlert = "propagation-stalled/op-1/storage"

// newWatched is an estate whose daemon has receivers and serves its page; the
// storage account never takes a new version, and is stalled after window.
func newWatched(t *testing.T, window, receivers string) (s *estate, page string) {
	t.Helper()
	page = freeAddress(t)
	s = newEstateOf(t, scenario, strings.ReplaceAll(configuration, "window: 30m", "window: "+window)+
		"web: {listen: \""+page+"\"}\n"+receivers)
	s.binary = build(t)
	if err := s.sim.Do(azuresim.Action{Do: "stop-switching", Resource: "contosopayments"}); err != nil {
		t.Fatal(err)
	}
	return s, page
}

func (s *estate) rotate() {
	s.t.Helper()
	if _, err := s.client.Rotate(s.t.Context(), "payments", control.CommandRequest{Reason: "e2e"}); err != nil {
		s.t.Fatal(err)
	}
}

// mend lets the storage account take the version after all.
func (s *estate) mend() {
	s.t.Helper()
	for _, do := range []string{"resume-switching", "switch-now"} {
		if err := s.sim.Do(azuresim.Action{Do: do, Resource: "contosopayments"}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// alert returns the one alert about the key. Others are the machine's own, such as a
// disk that is nearly full.
func (s *estate) alert() (a rotator.AlertStatus, ok bool) {
	s.t.Helper()
	alerts, err := s.client.Alerts(s.t.Context(), control.AlertFilter{Key: "payments"})
	if rotator.CodeOf(err) == rotator.CodeUnavailable {
		return a, false // it is still reading its store
	}
	if err != nil {
		s.t.Fatal(err)
	}
	if len(alerts) > 1 {
		s.t.Fatalf("%d alerts, want at most one: %+v", len(alerts), alerts)
	}
	if len(alerts) == 0 {
		return a, false
	}
	return alerts[0], true
}

// untilAlert waits for the alert.
func (s *estate) untilAlert(what string) (a rotator.AlertStatus) {
	s.t.Helper()
	s.until(what, func() (ok bool) { a, ok = s.alert(); return ok })
	return a
}

func toAlertmanager(am *alertmanager) string {
	return fmt.Sprintf("alerts: {receivers: [{name: on-call, alertmanager: {urls: [%q]}, keys: [payments]}]}\n", am.url())
}

// TestAlertmanager_HearsOfAStall follows one stall from the simulated storage account
// through the real daemon into a real Alertmanager, with a power cut in between.
func TestAlertmanager_HearsOfAStall(t *testing.T) {
	t.Parallel()
	am := startAlertmanager(t)
	s, _ := newWatched(t, "30m", toAlertmanager(am))
	s.start()
	s.rotate()
	am.until("Alertmanager has the alert", func() bool { return len(am.alerts()) == 1 })
	first := am.alerts()[0]
	if first.Labels["alertname"] != "CmkdPropagationStalled" || first.Labels["key"] != "payments" || first.Labels["operation"] != "op-1" ||
		!strings.Contains(first.Annotations["summary"], "contosopayments") || !strings.HasSuffix(first.Annotations["runbook_url"], "#propagation-stalled") ||
		!strings.Contains(first.Annotations["note"], "simulated") {
		t.Errorf("the alert is %+v", first)
	}
	before := s.untilAlert("the daemon shows what it told")
	s.kill()
	s.start()
	if after := s.untilAlert("the alert is still there after a power cut"); !after.Starts.Equal(before.Starts) || after.ID != stalledAlert {
		t.Errorf("after a power cut the alert is %s since %s, was %s since %s", after.ID, after.Starts, before.ID, before.Starts)
	}
	am.until("the webhook was told that it fires", func() bool { return len(am.notified()) == 1 })
	s.mend()
	am.until("the webhook was told that it is over", func() bool { return len(am.notified()) >= 2 })
	if got := strings.Join(am.statuses(), ", "); got != "CmkdPropagationStalled firing, CmkdPropagationStalled resolved" {
		t.Errorf("the webhook was told %s", got)
	}
	last := am.notified()[1]
	if last.Fingerprint != first.Fingerprint || !last.StartsAt.Truncate(time.Millisecond).Equal(first.StartsAt) {
		t.Errorf("what ended is %s since %s, not %s since %s", last.Fingerprint, last.StartsAt, first.Fingerprint, first.StartsAt)
	}
	s.until("the alert is forgotten", func() bool { _, ok := s.alert(); return !ok })
}

// TestAlertmanager_DownForTheWholeStall has nobody to tell while the dependent stalls
// and recovers, and the daemon killed in between. The rotation does not wait for it.
func TestAlertmanager_DownForTheWholeStall(t *testing.T) {
	t.Parallel()
	am := newAlertmanager(t)
	s, _ := newWatched(t, "30m", toAlertmanager(am))
	s.start()
	s.rotate()
	s.until("the alert fires", func() bool { a, ok := s.alert(); return ok && a.Told["on-call"].Failures > 0 })
	s.mend()
	s.until("the rotation is completed", func() bool {
		ops := s.all()
		return len(ops) == 1 && ops[0].State == rotator.StateCompleted
	})
	s.kill()
	s.start()
	s.until("what nobody was told is still kept", func() bool { a, ok := s.alert(); return ok && !a.Firing() })
	am.start()
	am.until("the webhook was told of its beginning and its end", func() bool { return len(am.notified()) >= 2 })
	if got := strings.Join(am.statuses(), ", "); got != "CmkdPropagationStalled firing, CmkdPropagationStalled resolved" {
		t.Errorf("the webhook was told %s", got)
	}
	s.until("the alert is forgotten", func() bool { _, ok := s.alert(); return !ok })
}

// TestPrometheus_ScrapesTheDaemon loads the shipped rules and sees the stall.
func TestPrometheus_ScrapesTheDaemon(t *testing.T) {
	t.Parallel()
	s, page := newWatched(t, "30m", "")
	s.start()
	p := metricstest.StartPrometheus(t, page, "../../../configs/prometheus/cmkd.rules.yml")
	p.Until("the daemon is scraped", func() bool {
		up := p.Query(`up{job="cmkd"}`)
		return len(up) == 1 && up[0].Value == "1"
	})
	s.rotate()
	p.Until("the stall is seen", func() bool {
		stalled := p.Query(`cmkd_alerts{rule="propagation-stalled"}`)
		return len(stalled) == 1 && stalled[0].Value == "1"
	})
	p.Until("the dependent is counted as stalled", func() bool {
		trackers := p.Query(`cmkd_trackers{kind="storage",state="stalled"}`)
		return len(trackers) == 1 && trackers[0].Value == "1"
	})
	s.mend()
	p.Until("the end is seen", func() bool {
		done := p.Query(`cmkd_operations_total{kind="rotation",outcome="completed"}`)
		stalled := p.Query(`cmkd_alerts{rule="propagation-stalled"}`)
		return len(done) == 1 && done[0].Value == "1" && len(stalled) == 1 && stalled[0].Value == "0"
	})
}

// TestDashboard_DuringARotation watches a real rotation in a real browser: bars move,
// one dependent stalls and is first, everything ends.
func TestDashboard_DuringARotation(t *testing.T) {
	t.Parallel()
	s, page := newWatched(t, "2h", "") // twelve seconds, to see it move before it stalls
	base := "http://" + page + "/"
	s.start()
	b := dashboardtest.Start(t)
	b.Emulate(dashboardtest.Looks()[0])
	b.Open(base, "Overview")
	b.Wait("document.querySelector('#state').textContent.startsWith('live')")
	s.rotate()
	b.Wait("document.body.innerText.includes('op-1 rotation')")
	b.Open(base+"#/operations/op-1", "op-1")
	const bar = "document.querySelector('[aria-label=\"storage contosopayments\"]')"
	b.Wait(bar + "?.ariaValueText.startsWith('propagating')")
	width := dashboardtest.Eval[float64](b, bar+".firstChild.getBoundingClientRect().width")
	b.Wait(fmt.Sprintf("%s.firstChild.getBoundingClientRect().width > %f + 5", bar, width))
	b.Shoot("daemon-propagating")
	b.Wait("document.querySelector('[aria-label=\"disk-encryption-set contoso-des\"]').ariaValueText.includes('confirmed')")
	b.Wait("document.querySelector('.dependent [role=progressbar]').ariaValueText.startsWith('stalled')")
	if first := dashboardtest.Eval[string](b, "document.querySelector('.dependent [role=progressbar]').ariaLabel"); first != "storage contosopayments" {
		t.Errorf("first is %q, not the stalled dependent", first)
	}
	b.Shoot("daemon-stalled")
	roles, named := map[string]bool{}, map[string]bool{}
	for _, n := range b.Tree() {
		roles[n.Role] = true
		named[n.Role] = named[n.Role] || n.Name != ""
	}
	if !roles["main"] {
		t.Error("nothing is the main part of the page")
	}
	for _, role := range []string{"progressbar", "navigation", "heading", "link", "table"} {
		if !named[role] {
			t.Errorf("nothing of role %s has a name", role)
		}
	}
	b.Open(base, "Overview")
	b.Wait("document.querySelector('article').ariaLabel.includes('contosopayments')")
	b.Shoot("daemon-overview")
	b.Open(base+"#/operations/op-1", "op-1")
	s.mend()
	b.Wait("document.body.innerText.includes('completed since')")
	b.Shoot("daemon-completed")
	for _, v := range []struct{ path, heading string }{
		{"#/keys", "Keys"}, {"#/keys/payments", "payments"}, {"#/history", "History"}, {"#/events", "Events"}, {"#/alerts", "Alerts"}, {"#/timings", "Timings"},
	} {
		b.Open(base+v.path, v.heading)
		b.Wait("document.querySelector('#state').textContent.startsWith('live')")
		b.Shoot("daemon-" + strings.ToLower(v.heading))
	}
	for _, p := range b.Problems() {
		t.Errorf("problem on a page: %s", p)
	}
	if foreign := b.Foreign(base); len(foreign) > 0 {
		t.Errorf("requests to other hosts: %q", foreign)
	}
}
