package rotator_test

import (
	"encoding/json"
	"testing"

	"cmkd/rotator"
)

func TestOperation_WaitingText(t *testing.T) {
	t.Parallel()
	problem := &rotator.Problem{Code: rotator.ReasonDaemonStopped, Message: "the daemon was stopped during the call"}
	for _, tt := range []struct {
		wait rotator.Wait
		want string
	}{
		{rotator.Wait{}, ""},
		{rotator.Wait{For: rotator.WaitApproval}, "for a second person: cmkd approve op-17"},
		{rotator.Wait{For: rotator.WaitPlace}, "for a place in vault contoso.vault.azure.net, which makes only so many versions at a time"},
		{rotator.Wait{For: rotator.WaitOutcome, Problem: problem}, "to see whether the vault made a version: the daemon was stopped during the call"},
		{rotator.Wait{For: rotator.WaitRetry}, "to try again"},
		{rotator.Wait{For: rotator.WaitCancel}, "to know whether the vault made a version, then it is cancelled"},
		{rotator.Wait{For: rotator.WaitRetire}, "for somebody to say: cmkd retire payments"},
		{rotator.Wait{For: rotator.WaitObservations}, "for a fresh observation of every dependent"},
		{rotator.Wait{For: rotator.WaitDisabled, Version: "v1"}, "for the vault to disable v1"},
		{rotator.Wait{For: rotator.WaitFreeze, Problem: &rotator.Problem{Message: "frozen by amelie until somebody ends it (f-1): audit"}}, "for the end of a freeze: frozen by amelie until somebody ends it (f-1): audit"},
		{rotator.Wait{For: "of-the-future", Text: "for the future"}, "for the future"},
	} {
		op := rotator.Operation{ID: 17, Key: "payments", KeyID: "https://contoso.vault.azure.net/keys/payments", Waiting: tt.wait}
		if got := op.WaitingText(); got != tt.want {
			t.Errorf("%+v is %q, want %q", tt.wait, got, tt.want)
		}
	}
}

// TestWait_fromAnOlderStore: what an older cmkd stored as a sentence is shown as it is.
func TestWait_fromAnOlderStore(t *testing.T) {
	t.Parallel()
	for stored, want := range map[string]string{
		`{"id":"op-17","waiting":"for a second person: cmkd approve op-17"}`: "for a second person: cmkd approve op-17",
		`{"id":"op-17","waiting":{"for":"approval"}}`:                        "for a second person: cmkd approve op-17",
		`{"id":"op-17"}`: "",
	} {
		var op rotator.Operation
		if err := json.Unmarshal([]byte(stored), &op); err != nil {
			t.Fatal(err)
		}
		if got := op.WaitingText(); got != want || (op.Waiting.For == "") != (want == "") {
			t.Errorf("%s is %+v, %q", stored, op.Waiting, got)
		}
		var again rotator.Operation
		text, err := json.Marshal(op)
		if err == nil {
			err = json.Unmarshal(text, &again)
		}
		if err != nil || again.Waiting != op.Waiting {
			t.Errorf("%s is stored again as %s (%v)", stored, text, err)
		}
	}
}
