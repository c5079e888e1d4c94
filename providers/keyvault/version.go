package keyvault

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"cmkd/rotator"
)

// appendVersions decodes a page of versions. An element that cannot be read is
// an error: a version left out could be made a second time, or be retired while
// it is the newest.
func appendVersions(to []rotator.Version, page []*azkeys.KeyProperties, key rotator.KeyID) ([]rotator.Version, error) {
	for _, p := range page {
		if p == nil {
			continue
		}
		version, err := decodeVersion(deref(p.KID), p.Attributes, p.Tags, key)
		if err != nil {
			return nil, err
		}
		to = append(to, version)
	}
	return to, nil
}

// bundleVersion decodes the answer of create, rotate, get and update.
func bundleVersion(b azkeys.KeyBundle, key rotator.KeyID) (rotator.Version, error) {
	if b.Key == nil {
		return rotator.Version{}, unreadable(key, "the answer holds no key")
	}
	v, err := decodeVersion(deref(b.Key.KID), b.Attributes, b.Tags, key)
	v.Type = string(deref(b.Key.Kty))
	v.HSM = v.HSM || strings.HasSuffix(strings.ToUpper(v.Type), "-HSM")
	// key.n is the modulus; key_size is only asked for, and never answered (azure/facts.md
	// section 2).
	v.Size = len(b.Key.N) * 8
	var ops []string
	for _, op := range b.Key.KeyOps {
		ops = append(ops, string(deref(op)))
	}
	slices.Sort(ops)
	v.Ops = strings.Join(ops, ",")
	return v, err
}

// decodeVersion reads a version as lists and bundles describe it. Properties:
// kid, attributes.{created,updated,exp,nbf,enabled,recoveryLevel,hsmPlatform}, tags
// (recordings keyvault.key.2025, keyvault.list-versions.2022,
// keyvault.hsm-rotate.2022). A list does not tell the type of a key; since api-version
// 7.5 hsmPlatform tells what holds it: "0" software, another number a kind of HSM. A
// Managed HSM sends none.
//
// Without attributes.enabled a version counts as disabled, without created as
// made at the epoch, without recoveryLevel as not protected from purging: what
// the vault does not say is never taken for good.
func decodeVersion(kid azkeys.ID, a *azkeys.KeyAttributes, tags map[string]*string, key rotator.KeyID) (rotator.Version, error) {
	id, version, err := rotator.ParseKeyID(string(kid))
	if err != nil {
		return rotator.Version{}, unreadable(key, err.Error())
	}
	if version == "" || !id.Same(key) {
		return rotator.Version{}, unreadable(key, fmt.Sprintf("it names %q", kid))
	}
	v := rotator.Version{ID: version, Operation: deref(tags[rotator.TagOperation])}
	if a == nil {
		return v, nil
	}
	v.Created, v.Updated, v.Expires, v.NotBefore = utc(a.Created), utc(a.Updated), utc(a.Expires), utc(a.NotBefore)
	v.Enabled, v.Exportable = deref(a.Enabled), deref(a.Exportable)
	level := strings.ToLower(deref(a.RecoveryLevel))
	v.PurgeProtected = level != "" && !strings.Contains(level, "purgeable")
	platform := deref(a.HSMPlatform)
	v.HSM = platform != "" && platform != "0"
	return v, nil
}

func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// unreadable leaves open whether the call had an effect.
func unreadable(key rotator.KeyID, why string) error {
	return &rotator.Error{
		Code: rotator.CodeUnavailable, Reason: rotator.ReasonUnreadableAnswer,
		Message: fmt.Sprintf("read a version of %s: %s", key, why),
		Hint:    "a proxy may have answered instead of the vault",
	}
}
