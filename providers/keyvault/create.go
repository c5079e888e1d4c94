package keyvault

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"cmkd/providers/arm/wire"
	"cmkd/rotator"
)

// Create implements [rotator.Vault]. MethodRotate and MethodAuto make one call,
// rotate, whose version carries no tag of ours yet. MethodCreate reads the
// current version, and the rotation policy if that version expires, and creates
// one like it, tagged.
//
// MethodAuto never creates by itself: a 403 to rotate is returned as
// CodeForbidden with NoEffect, and the engine comes again with MethodCreate.
func (v *Vault) Create(ctx context.Context, key rotator.KeyID, method rotator.Method, tag string) (rotator.Version, error) {
	c, err := v.client(key)
	if err != nil {
		return rotator.Version{}, err
	}
	switch method {
	case rotator.MethodAuto, rotator.MethodRotate, "":
		return v.rotate(ctx, c, key)
	case rotator.MethodCreate:
		return v.create(ctx, c, key, tag)
	}
	return rotator.Version{}, &rotator.Error{
		Code: rotator.CodeInvalid, NoEffect: true, Message: fmt.Sprintf("no method %q to make a version", method),
	}
}

func (v *Vault) rotate(ctx context.Context, c *azkeys.Client, key rotator.KeyID) (rotator.Version, error) {
	answer, err := c.RotateKey(ctx, key.Name(), nil)
	if err != nil {
		return rotator.Version{}, v.failure(ctx, c, key, call{"rotate", true}, err)
	}
	version, err := bundleVersion(answer.KeyBundle, key)
	if err != nil {
		return version, err
	}
	v.keepFresh(key.WithVersion(version.ID), answer.Tags)
	return version, nil
}

func (v *Vault) create(ctx context.Context, c *azkeys.Client, key rotator.KeyID, tag string) (rotator.Version, error) {
	var raw *http.Response
	current, err := c.GetKey(policy.WithCaptureResponse(ctx, &raw), key.Name(), "", nil)
	if err != nil {
		return rotator.Version{}, v.failure(ctx, c, key, call{"read the current version of", false}, err)
	}
	now := v.options.Clock.Now()
	if raw != nil {
		// Azure's clock, so that a jump of ours does not make a lifetime.
		now = wire.Date(raw.Header, now)
	}
	params, err := likeCurrent(current.KeyBundle, key, tag)
	if err != nil {
		return rotator.Version{}, err
	}
	if params.KeyAttributes.Expires, err = v.expiry(ctx, c, key, current.Attributes, now); err != nil {
		return rotator.Version{}, err
	}
	answer, err := c.CreateKey(ctx, key.Name(), params, nil)
	if err != nil {
		return rotator.Version{}, v.failure(ctx, c, key, call{"create a version of", true}, err)
	}
	return bundleVersion(answer.KeyBundle, key)
}

// likeCurrent returns the parameters of a version like the current one: type,
// size or curve, operations, exportability, release policy and tags. Source:
// azure/examples/keyvault-7.3-preview/CreateKey-example.json.
func likeCurrent(b azkeys.KeyBundle, key rotator.KeyID, tag string) (azkeys.CreateKeyParameters, error) {
	enabled := true
	p := azkeys.CreateKeyParameters{
		KeyAttributes: &azkeys.KeyAttributes{Enabled: &enabled},
		Tags:          withTag(b.Tags, tag),
	}
	if b.Key == nil || deref(b.Key.Kty) == "" {
		return p, unreadable(key, "the current version has no type")
	}
	if deref(b.Managed) {
		return p, refused(key, "it belongs to a certificate", "renew the certificate instead")
	}
	p.Kty, p.Curve, p.KeyOps = b.Key.Kty, b.Key.Crv, b.Key.KeyOps
	switch kty := strings.ToUpper(string(*p.Kty)); {
	case strings.HasPrefix(kty, "RSA"):
		size := int32(len(bytes.TrimLeft(b.Key.N, "\x00")) * 8)
		if size == 0 {
			return p, unreadable(key, "the current version has no modulus")
		}
		p.KeySize = &size
	case strings.HasPrefix(kty, "EC"):
		if deref(p.Curve) == "" {
			return p, unreadable(key, "the current version has no curve")
		}
	default:
		// The size of a symmetric key is never returned.
		return p, refused(key, fmt.Sprintf("a %s key does not tell its size", *p.Kty), "allow rotate on the key, or set method: rotate")
	}
	if b.Attributes != nil && deref(b.Attributes.Exportable) {
		p.KeyAttributes.Exportable, p.ReleasePolicy = b.Attributes.Exportable, b.ReleasePolicy
	}
	return p, nil
}

func refused(key rotator.KeyID, why, hint string) error {
	return &rotator.Error{
		Code: rotator.CodeRefused, NoEffect: true,
		Message: fmt.Sprintf("create a version of %s like the current one: %s", key, why), Hint: hint,
	}
}

// expiry returns when the new version expires: after the interval of the
// rotation policy, else after the current version's lifetime. A key whose
// current version has no end gets none, and costs no call.
func (v *Vault) expiry(ctx context.Context, c *azkeys.Client, key rotator.KeyID, a *azkeys.KeyAttributes, now time.Time) (*time.Time, error) {
	if a == nil || a.Expires == nil {
		return nil, nil
	}
	policy, err := v.policy(ctx, c, key)
	switch code := rotator.CodeOf(err); {
	case code == rotator.CodeThrottled || code == rotator.CodeUnavailable:
		return nil, err
	case err == nil && policy.Expiry != "":
		if at, err := AddISODuration(now, policy.Expiry); err == nil {
			return &at, nil
		}
	}
	from := a.Created
	if a.NotBefore != nil {
		from = a.NotBefore
	}
	if from == nil || !a.Expires.After(*from) {
		return nil, refused(key, "the current version's lifetime is unknown", "set an expiry in the key's rotation policy, or rotate by it")
	}
	at := now.Add(a.Expires.Sub(*from)).UTC()
	return &at, nil
}
