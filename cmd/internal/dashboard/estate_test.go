package dashboard_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

// epoch is when the estate is looked at; its clock then runs ×60.
func epoch() time.Time { return time.Date(2026, 1, 12, 8, 30, 0, 0, time.UTC) }

const (
	speed     = 60
	oldID     = "1c9f0e6b7a5d4c3b8e2f1a0d9c8b7a60"
	newID     = "8d41f2a0c7b94e5d9a3c2f6e1b0d8c74"
	hostile   = `<script>document.title='owned'</script><img src=x onerror=alert(1)>`
	scope     = "/subscriptions/0a1b2c3d-0000-4000-8000-000000000001/resourceGroups/rg-ml-prod/providers/"
	paymentID = rotator.KeyID("https://contoso-prod.vault.azure.net/keys/payments")
)

// estate is an engine that shows what it is told to. Whatever commands it has nobody
// may call: they are nil.
type estate struct {
	control.Engine
	anchor time.Time

	mu       sync.Mutex
	summary  rotator.Summary
	keys     []rotator.KeyStatus
	ops      []rotator.OperationStatus // newest first
	events   []rotator.Event
	alerts   []rotator.AlertStatus
	silences []rotator.Silence
	news     func()
}

// After implements [rotator.Clock]; nothing here waits.
func (e *estate) After(time.Duration) <-chan time.Time { return nil }

// Now implements [rotator.Clock].
func (e *estate) Now() time.Time { return epoch().Add(time.Since(e.anchor) * speed) }

func (e *estate) locked(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

func (e *estate) Summary() (s rotator.Summary) {
	e.locked(func() { s = e.summary })
	return s
}

func (e *estate) Heartbeat() time.Time { return e.Now() }

func (e *estate) Keys(context.Context, rotator.KeyQuery) (keys []rotator.KeyStatus, err error) {
	e.locked(func() { keys = slices.Clone(e.keys) })
	return keys, nil
}

func (e *estate) Key(_ context.Context, name string) (key rotator.KeyStatus, err error) {
	err = rotator.Errorf(rotator.CodeNotFound, "there is no key %s", name).WithHint("cmkd status lists the keys")
	e.locked(func() {
		for _, k := range e.keys {
			if k.Name == name {
				key, err = k, nil
			}
		}
	})
	return key, err
}

func (e *estate) Operations(_ context.Context, f rotator.OperationQuery) (ops []rotator.Operation, err error) {
	e.locked(func() {
		for _, op := range e.ops {
			if (f.Key == "" || f.Key == op.Key) && (!f.Live || !op.State.Final()) && (f.Before == 0 || op.ID < f.Before) && len(ops) < f.Limit {
				ops = append(ops, op.Operation)
			}
		}
	})
	return ops, nil
}

func (e *estate) Operation(_ context.Context, id rotator.OperationID, _ int) (status rotator.OperationStatus, err error) {
	err = rotator.Errorf(rotator.CodeNotFound, "there is no operation %s", id).WithHint("cmkd history lists the operations")
	e.locked(func() {
		for _, op := range e.ops {
			if op.ID == id {
				status, err = op, nil
				status.Trackers = slices.Clone(op.Trackers)
			}
		}
	})
	return status, err
}

func (e *estate) Events(_ context.Context, f rotator.EventFilter) (events []rotator.Event, err error) {
	e.locked(func() {
		for _, v := range e.events {
			if v.Seq > f.After && (f.Key == "" || f.Key == v.Key) && (f.Operation == 0 || f.Operation == v.Operation) {
				events = append(events, v)
			}
		}
	})
	if n := len(events) - f.Limit; n > 0 && f.Limit > 0 {
		if f.Last {
			return events[n:], nil
		}
		return events[:f.Limit], nil
	}
	return events, nil
}

func (e *estate) Alerts(context.Context) (alerts []rotator.AlertStatus, err error) {
	e.locked(func() { alerts = slices.Clone(e.alerts) })
	return alerts, nil
}

func (e *estate) Silences(context.Context) (silences []rotator.Silence, err error) {
	e.locked(func() { silences = slices.Clone(e.silences) })
	return silences, nil
}

func (e *estate) Receivers() []rotator.ReceiverStatus {
	return []rotator.ReceiverStatus{
		{Name: "alertmanager", Kind: "alertmanager", Last: epoch().Add(-2 * time.Minute)},
		{Name: "ops-mail", Kind: "smtp", Pending: 1, Failures: 4, Problem: "connect to mail.contoso.com:587: connection refused"},
	}
}

func (e *estate) Timings(context.Context) ([]rotator.TimingStatus, error) {
	h, m := time.Hour, time.Minute
	return []rotator.TimingStatus{
		{Kind: "cosmosdb", Region: "westeurope", Change: rotator.KindRotation, Count: 48, P50: 12 * m, P90: 31 * m, P99: 55 * m, Max: 58 * m, Documented: h, Suggested: 70 * m},
		{Kind: "disk-encryption-set", Region: "westeurope", Change: rotator.KindRotation, Count: 112, P50: 9 * m, P90: 41 * m, P99: 58 * m, Max: 64 * m, Documented: h, Suggested: 77 * m},
		{Kind: "storage", Region: "northeurope", Change: rotator.KindRevocation, Documented: h},
		{Kind: "storage", Region: "westeurope", Change: rotator.KindRotation, Count: 1204, P50: 11 * h, P90: 21*h + 30*m, P99: 23*h + 40*m, Max: 24*h + 12*m, Documented: 24 * h, Suggested: 29 * h},
	}, nil
}

// attested is the word of a person for one whose backups nobody can see.
func attested() rotator.Attestation {
	return rotator.Attestation{
		ID: "a-3", KeyID: paymentID, Key: "payments", Dependent: scope + "Microsoft.ContainerRegistry/registries/mlimages", Versions: []string{oldID},
		BlindSpots: []string{"replicas"}, Actor: "boris", Reason: "pulled from each region, CHG-4720", Made: epoch().Add(-time.Hour), Until: epoch().Add(24 * time.Hour),
	}
}

func (e *estate) Attestations(context.Context, string) ([]rotator.Attestation, error) {
	void := attested()
	void.ID, void.Actor, void.Void = "a-2", "carol", &rotator.Problem{Code: rotator.ReasonBindingChanged, Message: "mlimages was bound in another way"}
	return []rotator.Attestation{void, attested()}, nil
}

// happen changes the estate and tells those who follow it.
func (e *estate) happen(change func(), event rotator.Event) {
	e.locked(func() {
		change()
		event.Seq, event.At = uint64(len(e.events)+1), e.Now().UTC()
		if event.Actor == "" {
			event.Actor = "cmkd"
		}
		e.events = append(e.events, event)
	})
	if e.news != nil {
		e.news()
	}
}

// newEstate makes an estate in which a rotation is on its way, with a dependent that
// is stalled and one of every other state and evidence.
func newEstate() *estate {
	e := &estate{anchor: time.Now()}
	e.ops = []rotator.OperationStatus{rotation(), revocation()}
	for i := range 60 {
		e.ops = append(e.ops, finished(rotator.OperationID(115-i), i))
	}
	e.keys = estateKeys(&e.ops[0].Operation, &e.ops[1].Operation)
	e.alerts, e.silences = estateAlerts(), []rotator.Silence{{
		ID: "s-1", Rule: rotator.RuleVersionExpiring, Actor: "anna", Reason: "renewed on Friday, CHG-4711",
		Created: epoch().Add(-26 * time.Hour), Until: epoch().Add(70 * time.Hour),
	}}
	e.summary = rotator.Summary{
		Keys: len(e.keys), Live: map[rotator.OperationKind]int{rotator.KindRotation: 1, rotator.KindRevocation: 1},
		Trackers: map[rotator.TrackerState]int{rotator.TrackerStalled: 1, rotator.TrackerDone: 7}, NeedsAction: 1,
		Next: epoch().Add(90 * time.Minute), NextKey: "warehouse",
		Alerts: map[rotator.Severity]int{rotator.SeverityCritical: 1, rotator.SeverityWarning: 1}, Silenced: 1,
		Freezes: []rotator.Freeze{{ID: "f-4", KeyID: "https://contoso-prod.vault.azure.net/keys/warehouse", Key: "warehouse", Actor: "anna", Reason: "year end, CHG-4730", Made: epoch()}},
	}
	e.tell()
	return e
}

// tell writes the audit trail of the rotation.
func (e *estate) tell() {
	began := epoch().Add(-25 * time.Hour)
	at := func(d time.Duration, kind rotator.EventType, message string, data map[string]string) {
		e.events = append(e.events, rotator.Event{
			Seq: uint64(len(e.events) + 1), At: began.Add(d), Type: kind, Key: "payments", Operation: 117, Actor: "cmkd", Message: message, Data: data,
		})
	}
	to := func(s rotator.OperationState) map[string]string { return map[string]string{"to": string(s)} }
	at(0, rotator.EventOperationCreated, "rotation of payments begins: schedule", nil)
	at(40*time.Second, rotator.EventStateChanged, "rotation payments: creating", to(rotator.StateCreating))
	at(41*time.Second, rotator.EventVersionIntended, "a new version is about to be made (attempt 1)", nil)
	at(43*time.Second, rotator.EventVersionCreated, "version "+newID+" was made", nil)
	at(43*time.Second, rotator.EventStateChanged, "rotation payments: propagating", to(rotator.StatePropagating))
	at(12*time.Minute, rotator.EventTrackerChanged, "cosmosdb features-db: done", map[string]string{"to": "done", "evidence": "confirmed"})
	at(time.Hour, rotator.EventTrackerChanged, "container-registry mlimages: done", map[string]string{"to": "done", "evidence": "inferred"})
	at(24*time.Hour, rotator.EventTrackerChanged, "storage "+hostile+": stalled", map[string]string{"to": "stalled"})
	at(24*time.Hour, rotator.EventAlertFiring, "propagation stalled: storage ledgerarchive of payments", nil)
	e.events = append(e.events, rotator.Event{
		Seq: uint64(len(e.events) + 1), At: epoch().Add(-4 * time.Minute), Type: rotator.EventVersionReenabled, Key: "hr-records", Operation: 116,
		Actor: "cmkd", Message: "version " + oldID + " was enabled again by someone else",
	})
}

func estateKeys(rotation, revocation *rotator.Operation) []rotator.KeyStatus {
	key := func(name, vault, schedule string, age, next time.Duration) rotator.KeyStatus {
		k := rotator.KeyStatus{Schedule: schedule, Retire: rotator.RetireManual}
		k.Name, k.ID = name, rotator.KeyID("https://"+vault+".vault.azure.net/keys/"+name)
		k.Current = rotator.Version{ID: strings.Repeat(fmt.Sprintf("%04x", len(name)*2654%65536), 8), Created: epoch().Add(-age), Enabled: true}
		k.Seen = epoch().Add(-40 * time.Second)
		if next != 0 {
			k.NextRotation = epoch().Add(next)
		}
		k.Dependents = []rotator.Dependent{{ID: scope + "Microsoft.Storage/storageAccounts/" + name + "data", Kind: "storage"}}
		return k
	}
	day := 24 * time.Hour
	payments := key("payments", "contoso-prod", "0 6 11 1,4,7,10 *", 25*time.Hour, 89*day)
	payments.Last, payments.Operation = rotation, rotation.ID
	payments.Dependents = nil
	for _, t := range trackers() {
		payments.Dependents = append(payments.Dependents, t.Detail.Dependent)
	}
	payments.Current.ID = newID
	hr := key("hr-records", "contoso-prod", "", 200*day, 0)
	hr.Last, hr.Operation = revocation, revocation.ID
	blocked := key("telemetry", "contoso-edge", "@monthly", 28*day, 19*day)
	blocked.Preflight = &rotator.Problem{Code: "ForbiddenByRbac", Message: "cmkd may not rotate keys in contoso-edge", Hint: "az role assignment create --role 'Key Vault Crypto Officer' …"}
	blocked.PreflightAt = epoch().Add(-time.Hour)
	return []rotator.KeyStatus{
		payments, hr, blocked, key("warehouse", "contoso-prod", "0 10 12 * *", 31*day, 90*time.Minute),
		key("features", "contoso-ml", "0 3 * * 1", 7*day, 6*day+18*time.Hour), key("models", "contoso-ml", "0 3 * * 1", 7*day, 6*day+18*time.Hour),
		key("etcd-aks", "contoso-ml", "@monthly", 11*day, 19*day),
	}
}

func estateAlerts() []rotator.AlertStatus {
	since := epoch().Add(-time.Hour)
	alert := func(a rotator.Alert, silence string) rotator.AlertStatus {
		s := rotator.AlertStatus{Alert: a, Silence: silence}
		for _, r := range alerting.Rules() {
			if r.Rule == a.Rule {
				s.Title, s.Meaning, s.Causes = r.Title, r.Meaning, r.Causes
			}
		}
		return s
	}
	stalled := rotator.Affected{ID: scope + "Microsoft.Storage/storageAccounts/ledgerarchive", Kind: "storage", Name: hostile}
	return []rotator.AlertStatus{
		alert(rotator.Alert{
			ID: "revocation-undone/op-116", Rule: rotator.RuleRevocationUndone, Severity: rotator.SeverityCritical, Key: "hr-records", Operation: 116,
			Summary: "Version 1c9f0e6b of hr-records was enabled again; the revocation op-116 is undone", Next: "cmkd events --key hr-records",
			Starts: epoch().Add(-4 * time.Minute),
		}, ""),
		alert(rotator.Alert{
			ID: "propagation-stalled/op-117/storage", Rule: rotator.RulePropagationStalled, Severity: rotator.SeverityWarning, Key: "payments", Operation: 117,
			Summary: "1 storage account has not followed payments to version 8d41f2a0 within 24 h", Affected: []rotator.Affected{stalled}, Count: 1,
			Hint: "the identity of the account needs Key Vault Crypto Service Encryption User on the vault", Next: "cmkd status op-117", Starts: since,
			Told: map[string]rotator.Delivery{"alertmanager": {Fired: since}, "ops-mail": {Failures: 4, Problem: "connection refused", Next: epoch().Add(time.Minute)}},
		}, ""),
		alert(rotator.Alert{
			ID: "version-expiring/telemetry", Rule: rotator.RuleVersionExpiring, Severity: rotator.SeverityWarning, Key: "telemetry",
			Summary: "The current version of telemetry expires in 6 d", Next: "cmkd rotate telemetry", Starts: since,
		}, "s-1"),
		alert(rotator.Alert{
			ID: "clock-jumped", Rule: rotator.RuleClockJumped, Severity: rotator.SeverityInfo, Summary: "The daemon's clock jumped 3 min ahead",
			Starts: since, Ends: epoch().Add(-20 * time.Minute),
		}, ""),
	}
}
