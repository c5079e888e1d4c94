package azuresim

import (
	"encoding/base64"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// attributes of a version as Key Vault sends them. Which ones there are
// depends on the API version and on the kind of vault [recordings
// keyvault.crud-rsa (7.3), sql.tde-byok (7.4), keyvault.key (7.5),
// keyvault.hsm-rotate, cosmosdb.key-vault-key-uri (7.0)].
func (c *call) attributes(v *version) doc {
	d := doc{
		"enabled": v.enabled, "created": v.created.Unix(), "updated": v.updated.Unix(),
		"recoveryLevel": c.vault.recoveryLevel(),
	}
	if v.exp != 0 {
		d["exp"] = v.exp
	}
	if v.nbf != 0 {
		d["nbf"] = v.nbf
	}
	if c.version() != "7.0" {
		d["recoverableDays"] = c.vault.retention()
	}
	minor := apiMinor(c.version())
	if c.vault.spec.HSM || minor >= 4 {
		d["exportable"] = false
	}
	if minor >= 5 && !c.vault.spec.HSM {
		d["hsmPlatform"] = "0"
		if strings.HasSuffix(v.kty, "-HSM") {
			d["hsmPlatform"] = "2"
		}
	}
	return d
}

// apiMinor returns the 4 of "7.4" and of "7.4-preview.1"; later versions are
// dates.
func apiMinor(version string) int {
	minor, ok := strings.CutPrefix(version, "7.")
	if !ok {
		return 9
	}
	digits, _, _ := strings.Cut(minor, "-")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// bundle is a version with its public key.
func (s *Server) bundle(c *call, k *key, v *version) doc {
	c.answered = k.uri(v)
	d := doc{"key": s.webKey(k, v), "attributes": c.attributes(v)}
	return listItem(d, v)
}

// webKey is the public JSON web key of a version.
func (s *Server) webKey(k *key, v *version) doc {
	d := doc{"kid": k.uri(v), "kty": v.kty, "key_ops": v.ops}
	if s.replaying {
		return d // making keys takes milliseconds
	}
	switch v.material.kty {
	case "RSA":
		if key, err := s.forge.rsa(v.material); err == nil {
			d["n"] = base64.RawURLEncoding.EncodeToString(key.N.Bytes())
			d["e"] = base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes())
		}
	case "EC":
		if key, err := s.forge.ec(v.material); err == nil {
			size := (key.Curve.Params().BitSize + 7) / 8
			d["crv"] = v.material.curve
			if point, err := key.PublicKey.Bytes(); err == nil {
				d["x"] = base64.RawURLEncoding.EncodeToString(point[1 : 1+size])
				d["y"] = base64.RawURLEncoding.EncodeToString(point[1+size:])
			}
		}
	}
	return d
}

// operations returns the key_ops of a new key in the order in which Azure
// sends them [recordings keyvault.key, keyvault.hsm-rotate].
func operations(kty string, hsm bool) []string {
	switch {
	case strings.HasPrefix(kty, "EC") && hsm:
		return []string{"verify", "sign"}
	case strings.HasPrefix(kty, "EC"):
		return []string{"sign", "verify"}
	case strings.HasPrefix(kty, "oct"):
		return []string{"wrapKey", "unwrapKey", "encrypt", "decrypt"}
	default:
		return []string{"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"}
	}
}

// newVersion adds a version to a key. Its id depends on the key and on how
// many versions came before, not on who else is creating.
func (s *Server) newVersion(k *key, v version, now time.Time) *version {
	k.made++
	if v.id == "" {
		v.id = s.mint.hex32("version", k.vault.host, k.name, k.made)
	}
	v.order = k.made
	v.created, v.updated = now, now
	if v.material.own == nil {
		v.material.pick = s.mint.number(1<<62, "material", k.vault.host, k.name, k.made)
	}
	made := &v
	k.change(k.state.withVersion(made), now)
	s.keyChanged(k, now)
	return made
}

// addKey returns a key by name, made if there is none.
func (v *vault) addKey(name string) *key {
	k := v.key(name)
	if k == nil {
		k = &key{vault: v, name: name}
		v.keys[strings.ToLower(name)] = k
	}
	return k
}

// rotate makes a new version from the newest one: same type and size, expiry
// from the policy [recording keyvault.key-rotation]. Whether tags are carried over
// is a quirk.
func (s *Server) rotate(k *key, now time.Time) *version {
	from := k.state.find("")
	v := version{kty: from.kty, ops: from.ops, enabled: true, material: from.material}
	v.material.own = nil
	if s.quirk(quirkCopyTags) == quirkYes {
		v.tags = from.tags
	}
	if from.material.own != nil && v.material.bits == 0 && v.material.kty == "RSA" {
		v.material.bits = 2048
	}
	if p := k.state.policy; p != nil {
		if end, ok := addISO(now, p.expiry); ok {
			v.exp = end.Unix()
		}
	}
	return s.newVersion(k, v, now)
}

// setEnabled enables or disables a version.
func (s *Server) setEnabled(k *key, v *version, enabled bool, now time.Time) {
	next := *v
	next.enabled, next.updated = enabled, now
	k.change(k.state.replace(&next), now)
	s.keyChanged(k, now)
}
