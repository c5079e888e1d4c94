package rotator

import (
	"bytes"
	"cmp"
	"encoding/json"
)

// WaitFor is what an operation waits for.
type WaitFor string

// What an operation may wait for.
const (
	WaitApproval     WaitFor = "approval"     // a second person
	WaitPlace        WaitFor = "place"        // room in the vault, which makes only so many versions at a time
	WaitOutcome      WaitFor = "outcome"      // to see whether a call made a version
	WaitRetry        WaitFor = "retry"        // another try to make a version
	WaitCancel       WaitFor = "cancel"       // to know whether a call made a version, before it is cancelled
	WaitRetire       WaitFor = "retire"       // somebody to say that the previous version may go
	WaitObservations WaitFor = "observations" // fresh looks at every dependent, for the guard
	WaitDisabled     WaitFor = "disabled"     // the vault to disable a version
	WaitEnabled      WaitFor = "enabled"      // the vault to enable a version again
	WaitFreeze       WaitFor = "freeze"       // the end of a freeze
)

// Wait is what an operation waits for, with what belongs to it; the zero value if it
// waits for nothing in particular. [Operation.WaitingText] makes a sentence of it where
// it is shown.
type Wait struct {
	For WaitFor `json:"for"`
	// Version is the version that it is about, if it is about one.
	Version string `json:"version,omitempty"`
	// Problem is why it has to wait, if something went wrong.
	Problem *Problem `json:"problem,omitempty"`
	// Text is the sentence. Only the control API fills it in, for those who see no more
	// than its JSON: it is never stored.
	Text string `json:"text,omitempty"`
}

// UnmarshalJSON implements [json.Unmarshaler]. A store of an older cmkd has a
// sentence in the place of a wait. It becomes the code, which is shown as it is, until
// the operation waits for something else.
func (w *Wait) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte(`"`)) {
		*w = Wait{}
		return json.Unmarshal(data, (*string)(&w.For))
	}
	type plain Wait
	return json.Unmarshal(data, (*plain)(w))
}

// WaitingText says in a sentence for what the operation waits, empty if for nothing in
// particular.
func (o *Operation) WaitingText() string {
	w := o.Waiting
	switch w.For {
	case WaitApproval:
		return "for a second person: cmkd approve " + o.ID.String()
	case WaitPlace:
		return "for a place in vault " + o.KeyID.Host() + ", which makes only so many versions at a time"
	case WaitOutcome:
		return "to see whether the vault made a version" + w.why()
	case WaitRetry:
		return "to try again" + w.why()
	case WaitCancel:
		return "to know whether the vault made a version, then it is cancelled"
	case WaitRetire:
		return "for somebody to say: cmkd retire " + o.Key
	case WaitObservations:
		return "for a fresh observation of every dependent"
	case WaitDisabled:
		return "for the vault to disable " + w.Version
	case WaitEnabled:
		return "for the vault to enable " + w.Version + " again"
	case WaitFreeze:
		return "for the end of a freeze" + w.why()
	default: // of another version of cmkd, which may have worded it
		return cmp.Or(w.Text, string(w.For))
	}
}

func (w *Wait) why() string {
	if w.Problem == nil {
		return ""
	}
	return ": " + w.Problem.Message
}
