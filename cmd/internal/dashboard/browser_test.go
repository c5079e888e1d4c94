package dashboard_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"cmkd/cmd/internal/control"
	"cmkd/cmd/internal/dashboard"
	"cmkd/cmd/internal/dashboard/dashboardtest"
	"cmkd/rotator"
)

// view is a page, and what its heading says.
type view struct{ name, path, heading string }

func views() []view {
	return []view{
		{"overview", "#/", "Overview"},
		{"keys", "#/keys", "Keys"},
		{"key", "#/keys/payments", "Key payments"},
		{"operation", "#/operations/op-117", "op-117"},
		{"revocation", "#/operations/op-116", "op-116"},
		{"history", "#/history", "History"},
		{"events", "#/events", "Events"},
		{"alerts", "#/alerts", "Alerts"},
		{"runbook", "#/runbook/propagation-stalled", "does not take the new version"},
		{"timings", "#/timings", "Timings"},
	}
}

// serveEstate serves the page over the real API with an estate behind it.
func serveEstate(t *testing.T, e *estate, change func(*dashboard.Options)) string {
	t.Helper()
	api := control.NewServer(control.Options{
		Engine: e, Clock: e, About: control.Version{Version: "v1.2.3", SimulatedClock: "×60 from 2026-01-12T08:30:00Z"},
	})
	e.news = api.Committed
	o := dashboard.Options{Listen: "127.0.0.1:0", API: api.Public()}
	if change != nil {
		change(&o)
	}
	return start(t, o)
}

// cleanly fails the test for whatever must not be on a page.
func cleanly(t *testing.T, b *dashboardtest.Browser, base string) {
	t.Helper()
	for _, p := range b.Problems() {
		t.Errorf("problem on the page: %s", p)
	}
	if foreign := b.Foreign(base); len(foreign) > 0 {
		t.Errorf("requests to other hosts: %q", foreign)
	}
}

func TestDashboard_EveryPageOnEveryScreen(t *testing.T) {
	base := serveEstate(t, newEstate(), nil)
	b := dashboardtest.Start(t)
	for _, look := range dashboardtest.Looks() {
		b.Emulate(look)
		for _, v := range views() {
			b.Open(base+v.path, v.heading)
			b.Wait("document.querySelector('#state').textContent.startsWith('live')")
			if wide := dashboardtest.Eval[int](b, "document.documentElement.scrollWidth"); wide > int(look.Width) {
				t.Errorf("%s is %d px wide on a screen of %d", v.name, wide, look.Width)
			}
			if bad := dashboardtest.Eval[[]string](b, contrasts); len(bad) > 0 {
				t.Errorf("%s %s: too little contrast: %q", v.name, look.Name, bad)
			}
			if strings.Contains(b.Text("body"), "NaN") || strings.Contains(b.Text("body"), "undefined") {
				t.Errorf("%s shows what is no value:\n%s", v.name, b.Text("body"))
			}
			b.Shoot(v.name + "-" + look.Name)
			if v.name == "operation" {
				dashboardtest.Eval[any](b, "document.querySelectorAll('details').forEach((d) => d.open = true)")
				b.Shoot("operation-evidence-" + look.Name)
			}
		}
	}
	cleanly(t, b, base)
}

func TestDashboard_WhatNeedsSomebodyIsFirst(t *testing.T) {
	base := serveEstate(t, newEstate(), nil)
	b := dashboardtest.Start(t)
	b.Open(base, "Overview")
	cards := dashboardtest.Eval[[]string](b, "[...document.querySelectorAll('article')].map((a) => a.ariaLabel)")
	want := []string{"critical: Version 1c9f0e6b", "warning: 1 storage account", "op-117 rotation of payments", "op-116 revocation of hr-records"}
	if len(cards) != len(want) {
		t.Fatalf("cards are %q", cards)
	}
	for i := range want {
		if !strings.HasPrefix(cards[i], want[i]) {
			t.Errorf("card %d is %q, not %q", i, cards[i], want[i])
		}
	}
	for _, s := range []string{"SIMULATED CLOCK", "cmkd events --key hr-records", "warehouse", "connection refused", "v1.2.3"} {
		if !strings.Contains(b.Text("body"), s) {
			t.Errorf("the overview does not show %q", s)
		}
	}
	cleanly(t, b, base)
}

func TestDashboard_OperationMovesAsItHappens(t *testing.T) {
	e := newEstate()
	base := serveEstate(t, e, nil)
	b := dashboardtest.Start(t)
	b.Emulate(dashboardtest.Looks()[0]) // without transitions, which move by themselves
	b.Open(base+"#/operations/op-117", "op-117")
	const bar = "document.querySelector('[aria-label=\"disk-encryption-set vm-prod-des\"]')"
	first := dashboardtest.Eval[string](b, "document.querySelector('.dependent [role=progressbar]').ariaValueText")
	if !strings.HasPrefix(first, "stalled") {
		t.Errorf("the first dependent is %q, not the stalled one", first)
	}
	b.Wait("document.querySelector('#state').textContent.startsWith('live')")

	// By the clock alone; a look that is due anyway may fall in between, but not always.
	requests := 0
	for range 3 {
		width := dashboardtest.Eval[float64](b, bar+".firstChild.getBoundingClientRect().width")
		before := b.Requests()
		b.Wait(fmt.Sprintf("%s.firstChild.getBoundingClientRect().width > %f + 1", bar, width))
		if requests = b.Requests() - before; requests == 0 {
			break
		}
	}
	if requests != 0 {
		t.Errorf("%d requests were made to move a bar", requests)
	}
	// An open disclosure stays open, and the keyboard where it is.
	dashboardtest.Eval[any](b, "void (document.querySelector('[data-key=t3] details').open = true); document.querySelector('[data-key=t3] summary').focus()")

	// By an event.
	e.happen(func() {
		op := &e.ops[0]
		op.Trackers = slices.Clone(op.Trackers)
		i := slices.IndexFunc(op.Trackers, func(t rotator.TrackerStatus) bool { return t.Number == 3 })
		done := tracker(3, "disk-encryption-set", "Microsoft.Compute/diskEncryptionSets", "vm-prod-des", rotator.TrackerDone, rotator.EvidenceConfirmed)
		op.Trackers = append(slices.Delete(op.Trackers, i, i+1), done)
		op.Operation.Trackers = map[rotator.TrackerState]int{rotator.TrackerStalled: 1, rotator.TrackerPropagating: 1, rotator.TrackerDone: 4}
	}, rotator.Event{Type: rotator.EventTrackerChanged, Key: "payments", Operation: 117, Message: "disk-encryption-set vm-prod-des: done, confirmed"})
	b.Wait(bar + ".ariaValueText.startsWith('done, confirmed')")
	if said := b.Text("#said"); !strings.Contains(said, "vm-prod-des: done, confirmed") {
		t.Errorf("said %q", said)
	}
	if !dashboardtest.Eval[bool](b, "document.querySelector('[data-key=t3] details').open && document.activeElement === document.querySelector('[data-key=t3] summary')") {
		t.Error("the disclosure closed, or the focus was lost")
	}
	if text := b.Text("[data-key=t3]"); !strings.Contains(text, "currentVersionedKeyIdentifier") {
		t.Errorf("the raw fact is not shown: %s", text)
	}
	if table := b.Text("[aria-labelledby=h-time] table"); !strings.Contains(table, "vm-prod-des: done, confirmed") {
		t.Error("the timeline does not have the event")
	}

	// However many events come, it is not read more than once a second.
	began := time.Now()
	for i := range 4 {
		e.happen(func() {}, rotator.Event{Type: rotator.EventTrackerChanged, Key: "payments", Operation: 117, Message: fmt.Sprintf("look %d", i)})
		b.Wait(fmt.Sprintf("document.querySelector('[aria-labelledby=h-time]').textContent.includes('look %d')", i))
	}
	if took := time.Since(began); took < 3*time.Second {
		t.Errorf("4 events were read one by one within %s", took)
	}
	cleanly(t, b, base)
}

func TestDashboard_InferredIsNotGreen(t *testing.T) {
	base := serveEstate(t, newEstate(), nil)
	b := dashboardtest.Start(t)
	b.Open(base+"#/operations/op-117", "op-117")
	look := func(name string) string {
		return dashboardtest.Eval[string](b, fmt.Sprintf(`(() => {
			const bar = document.querySelector('[aria-label$=%q]'), fill = getComputedStyle(bar.firstChild);
			return [fill.backgroundColor, fill.backgroundImage, getComputedStyle(bar).borderStyle].join(' ');
		})()`, " "+name))
	}
	seen := map[string]string{}
	for name, word := range map[string]string{"features-db": "confirmed", "ingest": "observed", "mlimages": "inferred", "coldcopies": "waiting"} {
		l := look(name)
		if other, ok := seen[l]; ok {
			t.Errorf("%s looks like %s: %s", name, other, l)
		}
		seen[l] = name
		row := dashboardtest.Eval[string](b, fmt.Sprintf("document.querySelector('[aria-label$=%q]').closest('li').innerText", " "+name))
		if !strings.Contains(row, word) {
			t.Errorf("%s does not say %q: %s", name, word, row)
		}
	}
	const green = "23, 105, 58"
	if !strings.Contains(look("features-db"), green) {
		t.Errorf("what is confirmed is not green: %s", look("features-db"))
	}
	for _, name := range []string{"ingest", "mlimages", "coldcopies", "vm-prod-des"} {
		if strings.Contains(look(name), green) {
			t.Errorf("%s is green: %s", name, look(name))
		}
	}
	cleanly(t, b, base)
}

// What nobody sees is said where its state is, and whose word stands in for it; a freeze is
// on every page.
func TestDashboard_SaysWhatIsNotSeen(t *testing.T) {
	e := newEstate()
	e.keys[slices.IndexFunc(e.keys, func(k rotator.KeyStatus) bool { return k.Name == "payments" })].Ahead = []rotator.Problem{{Code: rotator.ReasonInventoryIncomplete, Message: "one subscription was not searched"}}
	base := serveEstate(t, e, nil)
	b := dashboardtest.Start(t)
	for _, v := range views() {
		b.Open(base+v.path, v.heading)
		if said := b.Text("#banners"); !strings.Contains(said, "Frozen: key warehouse, by anna until somebody ends it (f-4): year end, CHG-4730") {
			t.Errorf("%s does not say what is frozen: %s", v.name, said)
		}
	}
	for path, want := range map[string][]string{ // the heading first
		"#/operations/op-117": {"op-117", "Not seen: backups; no attestation holds", "Not seen: replicas; attested by boris until"},
		"#/keys/payments":     {"Key payments", "one subscription was not searched", "CHG-4720", "no more: mlimages was bound in another way"},
	} {
		b.Open(base+path, want[0])
		for _, s := range want {
			if !strings.Contains(b.Text("main"), s) {
				t.Errorf("%s does not say %q", path, s)
			}
		}
	}
	cleanly(t, b, base)
}

func TestDashboard_TextIsNeverMarkup(t *testing.T) {
	e := newEstate()
	e.ops[0].Waiting.For, e.ops[0].Reason = hostile, hostile
	e.events[0].Message, e.keys[2].Schedule, e.alerts[0].Summary, e.summary.Blocked = hostile, hostile, hostile, hostile
	base := serveEstate(t, e, nil)
	b := dashboardtest.Start(t)
	for _, v := range views() {
		b.Open(base+v.path, v.heading)
		if n := dashboardtest.Eval[int](b, "document.querySelectorAll('main script, main img, #banners script, #banners img').length"); n != 0 {
			t.Errorf("%s made %d elements of a text", v.name, n)
		}
		if !strings.Contains(b.Text("body"), hostile) {
			t.Errorf("%s does not show the text as it is", v.name)
		}
	}
	cleanly(t, b, base)
}

func TestDashboard_ScreenReader(t *testing.T) {
	base := serveEstate(t, newEstate(), nil)
	b := dashboardtest.Start(t)
	for _, look := range []dashboardtest.Look{dashboardtest.Looks()[0], dashboardtest.Looks()[2]} {
		b.Emulate(look)
		for _, v := range views() {
			b.Open(base+v.path, v.heading)
			roles := map[string]int{}
			for _, n := range b.Tree() {
				roles[n.Role]++
				named := []string{"button", "link", "progressbar", "table", "navigation", "textbox", "searchbox", "article", "image"}
				if slices.Contains(named, n.Role) && strings.TrimSpace(n.Name) == "" {
					t.Errorf("%s %s: a %s has no name", v.name, look.Name, n.Role)
				}
				if n.Role == "progressbar" && n.Value == "" {
					t.Errorf("%s: progress bar %q has no value", v.name, n.Name)
				}
			}
			for _, role := range []string{"banner", "main", "navigation", "contentinfo", "heading"} {
				if roles[role] == 0 {
					t.Errorf("%s has no %s", v.name, role)
				}
			}
			bars := map[string]int{"overview": 2, "operation": 11, "revocation": 2}[v.name]
			if roles["progressbar"] != bars {
				t.Errorf("%s %s has %d progress bars, not %d", v.name, look.Name, roles["progressbar"], bars)
			}
			if v.name != "runbook" && (roles["table"] == 0 || roles["row"] == 0 || roles["rowheader"] == 0) {
				t.Errorf("%s %s has no table with rows and headers: %v", v.name, look.Name, roles)
			}
			if n := dashboardtest.Eval[int](b, "document.querySelectorAll('h1').length"); n != 1 {
				t.Errorf("%s has %d headings of the first level", v.name, n)
			}
		}
	}
	cleanly(t, b, base)
}

func TestDashboard_Keyboard(t *testing.T) {
	base := serveEstate(t, newEstate(), nil)
	b := dashboardtest.Start(t)
	for _, v := range views() {
		b.Open(base+v.path, v.heading)
		b.Wait("document.querySelector('#state').textContent.startsWith('live')")
		const focusable = "[...document.querySelectorAll('a[href], button, input, summary')].filter((e) => e.checkVisibility())"
		count := dashboardtest.Eval[int](b, "window.walked = new Set(), "+focusable+".length")
		dashboardtest.Eval[any](b, "document.activeElement.blur(), getSelection().removeAllRanges(), scrollTo(0, 0)")
		for range count + 5 {
			b.Press(kb.Tab)
			outline := dashboardtest.Eval[string](b, `(() => {
				const e = document.activeElement;
				if (e === document.body) return 'body';
				walked.add(e);
				return getComputedStyle(e).outlineStyle;
			})()`)
			if outline == "none" {
				t.Errorf("%s: no visible focus on %s", v.name, dashboardtest.Eval[string](b, "document.activeElement.outerHTML"))
			}
		}
		if missed := dashboardtest.Eval[[]string](b, focusable+".filter((e) => !walked.has(e)).map((e) => e.outerHTML)"); len(missed) > 0 {
			t.Errorf("%s: the keyboard does not reach %q", v.name, missed)
		}
	}
	b.Open(base, "Overview")
	b.Press(kb.Tab)
	b.Press(kb.Enter)
	if id := dashboardtest.Eval[string](b, "document.activeElement.id"); id != "main" {
		t.Errorf("the skip link leads to %q", id)
	}
	cleanly(t, b, base)
}

func TestDashboard_TenThousandKeys(t *testing.T) {
	e := newEstate()
	template := e.keys[3]
	for i := range 10_000 {
		k := template
		k.Name = fmt.Sprintf("tenant-%05d", i)
		k.NextRotation = epoch().Add(time.Duration(10_000-i) * time.Minute)
		e.keys = append(e.keys, k)
	}
	base := serveEstate(t, e, nil)
	b := dashboardtest.Start(t)
	b.Open(base+"#/keys", "Keys")
	const rows = "document.querySelectorAll('tbody tr').length"
	if n := dashboardtest.Eval[int](b, rows); n != 200 {
		t.Errorf("%d rows are drawn at first", n)
	}
	dashboardtest.Eval[any](b, "scrollTo(0, document.body.scrollHeight)")
	b.Wait(rows + " === 400")
	b.Do(chromedp.SendKeys(chromedp.CSS("#filter"), "09987"))
	b.Wait(rows + " === 1 && document.querySelector('tbody').textContent.includes('tenant-09987')")
	if address := dashboardtest.Eval[string](b, "location.hash"); address != "#/keys?q=09987" {
		t.Errorf("the address is %s", address)
	}
	b.Open(base+"?again#/keys?q=tenant&sort=next", "Keys")
	b.Wait("document.querySelector('tbody th').textContent === 'tenant-09999'")
	took := dashboardtest.Eval[float64](b, `(() => {
		const began = performance.now();
		document.querySelector('[data-value=next]').click();
		return performance.now() - began;
	})()`)
	if took > 1000 {
		t.Errorf("sorting took %.0f ms", took)
	}
	t.Logf("10,000 keys: sorting and drawing took %.0f ms", took)
	if first := b.Text("tbody th"); first != "tenant-00000" {
		t.Errorf("sorted the other way, %s is first", first)
	}
	cleanly(t, b, base)
}

func TestDashboard_EventsComeIn(t *testing.T) {
	e := newEstate()
	base := serveEstate(t, e, nil)
	b := dashboardtest.Start(t)
	b.Open(base+"#/events?key=payments", "Events")
	b.Wait("document.querySelector('#state').textContent.startsWith('live')")
	e.happen(func() {}, rotator.Event{Type: rotator.EventApproved, Key: "warehouse", Message: "of another key"})
	e.happen(func() {}, rotator.Event{Type: rotator.EventApproved, Key: "payments", Message: "approved by carla"})
	b.Wait("document.querySelector('tbody tr').textContent.includes('approved by carla')")
	if strings.Contains(b.Text("main"), "of another key") {
		t.Error("the filter lets events of another key through")
	}
	b.Do(chromedp.Click(chromedp.CSS("[data-act=pause]")))
	e.happen(func() {}, rotator.Event{Type: rotator.EventApproved, Key: "payments", Message: "while paused"})
	b.Wait("document.querySelector('[data-act=pause]').textContent === 'Paused, 1 new'")
	if strings.Contains(b.Text("main"), "while paused") {
		t.Error("a paused list grows")
	}
	b.Do(chromedp.Click(chromedp.CSS("[data-act=pause]")))
	b.Wait("document.querySelector('tbody tr').textContent.includes('while paused')")
	cleanly(t, b, base)
}

func TestDashboard_History(t *testing.T) {
	base := serveEstate(t, newEstate(), nil)
	b := dashboardtest.Start(t)
	b.Open(base+"#/history", "History")
	const first = "document.querySelector('tbody th').textContent"
	b.Wait(first + " === 'op-117'")
	b.Do(chromedp.Click(chromedp.CSS(".pager a")))
	b.Wait(first + " === 'op-67'")
	if id := dashboardtest.Eval[string](b, "document.activeElement.tagName"); id != "H1" {
		t.Errorf("after following a link the focus is on %s", id)
	}
	b.Do(chromedp.NavigateBack())
	b.Wait(first + " === 'op-117'")
	cleanly(t, b, base)
}

func TestDashboard_WhatIsNotThere(t *testing.T) {
	base := serveEstate(t, newEstate(), nil)
	b := dashboardtest.Start(t)
	b.Open(base+"#/keys/nosuch", "Key nosuch")
	if text := b.Text("main"); !strings.Contains(text, "there is no key nosuch") || !strings.Contains(text, "cmkd status lists the keys") {
		t.Errorf("says %s", text)
	}
	b.Open(base+"?again#/nosuch", "no such page")
	for _, p := range b.Problems() {
		if !strings.Contains(p, "404") {
			t.Errorf("problem on the page: %s", p)
		}
	}
}

func TestDashboard_ConnectionLost(t *testing.T) {
	e := newEstate()
	gate := &gate{next: control.NewServer(control.Options{Engine: e, Clock: e}).Public()}
	base := start(t, dashboard.Options{Listen: "127.0.0.1:0", API: gate})
	b := dashboardtest.Start(t)
	b.Open(base, "Overview")
	b.Wait("document.querySelector('#state').textContent.startsWith('live')")
	gate.shut(true)
	b.Wait("document.querySelector('#banners').textContent.includes('No connection to the daemon')")
	if !strings.Contains(b.Text("main"), "op-117") {
		t.Error("what was known is gone")
	}
	gate.shut(false)
	b.Wait("!document.querySelector('[data-key=lost]') && document.querySelector('#state').textContent.startsWith('live')")
	if foreign := b.Foreign(base); len(foreign) > 0 {
		t.Errorf("requests to other hosts: %q", foreign)
	}
}

func TestDashboard_Login(t *testing.T) {
	base := serveEstate(t, newEstate(), func(o *dashboard.Options) { o.TokenPath = tokenFile(t, token) })
	b := dashboardtest.Start(t)
	b.Open(base+"#/operations/op-117", "Log in")
	for _, look := range dashboardtest.Looks() {
		b.Emulate(look)
		b.Shoot("login-" + look.Name)
	}
	b.Do(chromedp.SendKeys(chromedp.CSS("#token"), "wrong"+kb.Enter))
	b.Wait("document.querySelector('[role=alert]').textContent.includes('this is not the token')")
	dashboardtest.Eval[any](b, "document.querySelector('#token').value = ''")
	b.Do(chromedp.SendKeys(chromedp.CSS("#token"), token+kb.Enter))
	b.Wait("document.querySelector('h1').textContent.includes('op-117')")
	if cookies := dashboardtest.Eval[string](b, "document.cookie"); cookies != "" {
		t.Errorf("scripts see the cookie: %s", cookies)
	}
	b.Open(base+"?again#/keys", "Keys")
	for _, p := range b.Problems() {
		if !strings.Contains(p, "401") { // the browser notes each answer that asks for the token
			t.Errorf("problem on the page: %s", p)
		}
	}
}

// contrasts finds texts that stand out too little from what is behind them.
const contrasts = `(() => {
	const parse = (c) => (c.match(/[\d.]+/g) ?? []).map(Number);
	const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const c = parse(getComputedStyle(e).backgroundColor);
			if (c.length && c[3] !== 0) return c;
		}
		return [255, 255, 255];
	};
	const bad = [];
	for (const e of document.querySelectorAll('body *')) {
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility()) continue;
		const a = light(parse(getComputedStyle(e).color)), b = light(behind(e));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) bad.push(e.tagName + '.' + e.className + ' ' + ratio.toFixed(2) + ' ' + e.textContent.slice(0, 30));
	}
	return bad;
})()`

var _ http.Handler = (*gate)(nil)
