package notify

import (
	"strings"
	"time"

	"cmkd/rotator"
)

// outlives is how many intervals of sending an alert lives without being sent.
const outlives = 3

// postableAlert is the definition of that name in Alertmanager's api/v2/openapi.yaml,
// https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml. cmkd has
// no page for an alert, so that generatorURL, which is optional, is left out.
type postableAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

func (m *Alertmanager) postable(a *rotator.Alert, n *rotator.Notification) postableAlert {
	starts, ends := m.options.WallTime(a.Starts).UTC(), m.options.WallTime(a.Ends).UTC()
	if a.Firing() {
		ends = m.options.WallTime(n.Now).UTC().Add(outlives * m.options.Resend)
	}
	// Alertmanager refuses what ends before it starts; a clock may be set back.
	if ends.Before(starts) {
		ends = starts
		if a.Firing() {
			ends = starts.Add(outlives * m.options.Resend)
		}
	}
	return postableAlert{Labels: labels(a, n), Annotations: m.annotations(a, n), StartsAt: starts, EndsAt: ends}
}

// labels are what makes the alert the same alert, now and later.
func labels(a *rotator.Alert, n *rotator.Notification) map[string]string {
	l := map[string]string{
		"alertname": alertName(a.Rule), "id": a.ID, "rule": string(a.Rule), "severity": string(a.Severity),
		"key": a.Key, "cause": a.Cause, "instance": n.Instance,
	}
	if a.Operation != 0 {
		l["operation"] = a.Operation.String()
	}
	if n.Test {
		l["test"] = "true"
	}
	return present(l)
}

func (m *Alertmanager) annotations(a *rotator.Alert, n *rotator.Notification) map[string]string {
	summary, description := a.Summary, ""
	if n.Test {
		summary, description = "TEST "+summary, testLine
	}
	if text := affected(a, rotator.AffectedMost); text != "" {
		description = strings.TrimSpace(description + "\nAffected: " + text + ".")
	}
	return present(map[string]string{
		"summary": summary, "description": description, "hint": a.Hint, "next": a.Next,
		"runbook_url": runbookURL(m.options.Runbook, a.Rule), "note": m.options.Note,
	})
}

// present drops what is empty, which Alertmanager does not keep either.
func present(m map[string]string) map[string]string {
	for k, v := range m {
		if v == "" {
			delete(m, k)
		} else {
			m[k] = strings.ToValidUTF8(v, "?")
		}
	}
	return m
}

// alertName is the rule in the spelling of Prometheus: propagation-stalled is
// CmkdPropagationStalled.
func alertName(rule rotator.Rule) string {
	var b strings.Builder
	b.WriteString("Cmkd")
	for word := range strings.SplitSeq(string(rule), "-") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}
