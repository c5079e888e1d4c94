package keyvault

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"cmkd/rotator"
)

var _ rotator.PolicyReader = (*Vault)(nil)

// RotationPolicy implements [rotator.PolicyReader] (recordings
// keyvault.key-rotation.2025, keyvault.hsm-rotate.2022). It makes one call. A
// key without a policy has the zero one, and so has one that is not there:
// Versions tells that it is missing.
func (v *Vault) RotationPolicy(ctx context.Context, key rotator.KeyID) (rotator.RotationPolicy, error) {
	c, err := v.client(key)
	if err != nil {
		return rotator.RotationPolicy{}, err
	}
	return v.policy(ctx, c, key)
}

func (v *Vault) policy(ctx context.Context, c *azkeys.Client, key rotator.KeyID) (rotator.RotationPolicy, error) {
	answer, err := c.GetKeyRotationPolicy(ctx, key.Name(), nil)
	if isStatus(err, http.StatusNotFound) {
		return rotator.RotationPolicy{}, nil
	}
	if err != nil {
		return rotator.RotationPolicy{}, v.failure(ctx, c, key, call{"read the rotation policy of", false}, err)
	}
	return decodePolicy(answer.KeyRotationPolicy), nil
}

// decodePolicy leaves out what makes no version, for instance the Notify action
// of a key that nobody gave a policy.
func decodePolicy(p azkeys.KeyRotationPolicy) rotator.RotationPolicy {
	var out rotator.RotationPolicy
	if p.Attributes != nil {
		out.Expiry = strings.ToUpper(deref(p.Attributes.ExpiryTime))
	}
	var when []string
	for _, l := range p.LifetimeActions {
		// A managed HSM writes the type in lower case.
		if l != nil && l.Action != nil && strings.EqualFold(string(deref(l.Action.Type)), string(azkeys.KeyRotationPolicyActionRotate)) {
			when = append(when, triggerText(l.Trigger))
		}
	}
	out.Rotate = strings.Join(when, ", ")
	return out
}

// triggerText says when an action is taken. One that does not tell is taken all
// the same, as far as we know.
func triggerText(t *azkeys.LifetimeActionTrigger) string {
	switch {
	case t != nil && deref(t.TimeAfterCreate) != "":
		return strings.ToUpper(*t.TimeAfterCreate) + " after creation"
	case t != nil && deref(t.TimeBeforeExpiry) != "":
		return strings.ToUpper(*t.TimeBeforeExpiry) + " before expiry"
	}
	return "at a time that it does not tell"
}

// AddISODuration adds an ISO 8601 duration as rotation policies use them, for
// instance P30D, P2Y or P1Y6M, to a time.
func AddISODuration(t time.Time, duration string) (time.Time, error) {
	date, clock, _ := strings.Cut(strings.ToUpper(duration), "T")
	rest, ok := strings.CutPrefix(date, "P")
	if !ok || rest == "" && clock == "" {
		return t, fmt.Errorf("%q is not an ISO 8601 duration", duration)
	}
	var n [4]int // years, months, weeks, days
	if err := units(rest, "YMWD", n[:]); err != nil {
		return t, fmt.Errorf("%q is not an ISO 8601 duration: %w", duration, err)
	}
	var h [3]int // hours, minutes, seconds
	if err := units(clock, "HMS", h[:]); err != nil {
		return t, fmt.Errorf("%q is not an ISO 8601 duration: %w", duration, err)
	}
	t = t.UTC().AddDate(n[0], n[1], 7*n[2]+n[3])
	return t.Add(time.Duration(h[0])*time.Hour + time.Duration(h[1])*time.Minute + time.Duration(h[2])*time.Second), nil
}

// units reads numbers each followed by one of letters, in their order.
func units(text, letters string, into []int) error {
	for text != "" {
		i := strings.IndexAny(text, letters)
		if i < 0 {
			return fmt.Errorf("no unit after %q", text)
		}
		at := strings.IndexByte(letters, text[i])
		n, err := strconv.Atoi(text[:i])
		if err != nil || n < 0 || n > 100_000 {
			return fmt.Errorf("%q is not a number of units", text[:i])
		}
		offset := len(into) - len(letters)
		into[offset+at] = n
		letters, text = letters[at+1:], text[i+1:]
	}
	return nil
}

// Deletion is what a vault keeps of a deleted key.
type Deletion struct {
	Deleted time.Time
	// Purge is when the vault will purge the key for good.
	Purge time.Time
}

// Deleted reports whether the key was deleted and can be recovered (recording
// keyvault.softdelete.2025). It makes one call.
func (v *Vault) Deleted(ctx context.Context, key rotator.KeyID) (d Deletion, deleted bool, err error) {
	c, err := v.client(key)
	if err != nil {
		return d, false, err
	}
	answer, err := c.GetDeletedKey(ctx, key.Name(), nil)
	if isStatus(err, http.StatusNotFound) {
		return d, false, nil
	}
	if err != nil {
		e := v.classify(key, call{"look for a deleted", false}, err)
		return d, false, e
	}
	return Deletion{Deleted: utc(answer.DeletedDate), Purge: utc(answer.ScheduledPurgeDate)}, true, nil
}
