package rotator

import "fmt"

// What needs somebody is defined here alone: the column of `cmkd status`, its exit code,
// the count, the page and the metrics all ask the functions of this file.

// NeedsYou returns why an operation needs a person, nil if it does not.
func (o *Operation) NeedsYou() *Problem {
	switch {
	case o.State.Final():
		return nil
	case o.Problem != nil && o.Problem.Code != ReasonSoak: // that passes by itself
		return o.Problem
	case o.Held != nil:
		return o.Held
	case o.State == StateAwaitingApproval:
		return &Problem{
			Code: ReasonAwaitsApproval, Message: fmt.Sprintf("the %s asked for by %s waits for a second person", o.Kind, o.Actor),
			Hint: "cmkd approve " + o.ID.String(),
		}
	case o.AwaitsRetirement():
		p := &Problem{
			Code: ReasonAwaitsRetirement, Message: "the previous version waits for a person to say that it may go",
			Hint: "cmkd plan " + o.Key + " --retire, then cmkd retire " + o.Key,
		}
		if o.Doubt != nil {
			p.Message += ": " + o.Doubt.Message
		}
		return p
	case o.Waiting.For == WaitFreeze && o.Waiting.Problem != nil && o.Waiting.Problem.Class == ClassLostAccess:
		return o.Waiting.Problem
	case o.Troubled() > 0:
		return &Problem{Code: ReasonDependentNotSettled, Message: o.troubles(), Hint: "cmkd status " + o.ID.String()}
	default:
		return nil
	}
}

// troubles says what is the matter with the dependents in trouble.
func (o *Operation) troubles() string {
	switch n := o.Troubled(); {
	case n == 1 && o.Trackers[TrackerStalled] == 1:
		return "1 dependent has stalled"
	case n == 1:
		return "1 dependent needs somebody"
	case o.Trackers[TrackerStalled] == n:
		return fmt.Sprintf("%d dependents have stalled", n)
	default:
		return fmt.Sprintf("%d dependents need somebody", n)
	}
}

// NeedsYou returns why a freeze needs a person, nil if it does not: the daemon made it
// itself, and it stays until somebody has looked.
func (f *Freeze) NeedsYou() *Problem {
	if !f.Scheduled {
		return nil
	}
	return f.Problem()
}

// NeedsYou returns why a key needs a person, nil if it does not: for itself, or for what
// is under way.
func (k *KeyStatus) NeedsYou() *Problem {
	if p := k.Trouble(); p != nil {
		return p
	}
	if k.Last == nil {
		return nil
	}
	return k.Last.NeedsYou()
}
