package azuresim

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// keyRequest is the body of create, import and update.
type keyRequest struct {
	Kty        string            `json:"kty"`
	Size       int               `json:"key_size"`
	Curve      string            `json:"crv"`
	Ops        []string          `json:"key_ops"`
	Tags       map[string]string `json:"tags"`
	Attributes *keyAttributes    `json:"attributes"`
	Key        *webKeyRequest    `json:"key"`
	HSM        bool              `json:"Hsm"`
}

// keyAttributes tells absent members from false and zero.
type keyAttributes struct {
	Enabled *bool  `json:"enabled"`
	Exp     *int64 `json:"exp"`
	Nbf     *int64 `json:"nbf"`
}

// readKeyRequest reads a body; an empty one asks for nothing.
func readKeyRequest(body []byte) (keyRequest, *answer) {
	var r keyRequest
	if len(body) > 0 {
		if err := json.Unmarshal(body, &r); err != nil {
			return r, problem(http.StatusBadRequest, "BadParameter", "The request body is not valid JSON.")
		}
	}
	return r, nil
}

// lay puts the attributes of a request over a version.
func (r keyRequest) lay(v *version) {
	if r.Ops != nil {
		v.ops = r.Ops
	}
	if r.Tags != nil {
		v.tags = r.Tags
	}
	if r.Attributes == nil {
		return
	}
	if r.Attributes.Enabled != nil {
		v.enabled = *r.Attributes.Enabled
	}
	if r.Attributes.Exp != nil {
		v.exp = *r.Attributes.Exp
	}
	if r.Attributes.Nbf != nil {
		v.nbf = *r.Attributes.Nbf
	}
}

// createKey makes a key, or a new version of one that exists [recording
// keyvault.key].
func (s *Server) createKey(c *call, name, _ string) *answer {
	r, bad := readKeyRequest(c.body)
	if bad != nil {
		return bad
	}
	kty, m, bad := newMaterial(r, c.vault.spec.HSM)
	if bad != nil {
		return bad
	}
	return s.store(c, name, r, version{kty: kty, material: m})
}

// newMaterial chooses the material of a create request.
func newMaterial(r keyRequest, hsm bool) (string, material, *answer) {
	base := strings.TrimSuffix(r.Kty, "-HSM")
	m := material{kty: base, bits: r.Size, curve: r.Curve}
	switch base {
	case "RSA":
		if m.bits == 0 {
			m.bits = 2048
		}
		if m.bits != 2048 && m.bits != 3072 && m.bits != 4096 {
			return "", m, problem(http.StatusBadRequest, "BadParameter", "Property  has invalid value\r\n")
		}
	case "EC":
		if m.curve == "" {
			m.curve = "P-256"
		}
		if curveOf(m.curve) == nil {
			return "", m, problem(http.StatusBadRequest, "BadParameter", "Property  has invalid value\r\n")
		}
	case "oct":
	default:
		return "", m, problem(http.StatusBadRequest, "BadParameter", "Property  has invalid value\r\n")
	}
	kty := r.Kty
	// A managed HSM makes EC-HSM where EC was asked for [recording
	// keyvault.hsm-recover].
	if hsm && !strings.HasSuffix(kty, "-HSM") {
		kty += "-HSM"
	}
	return kty, m, nil
}

// store adds a version from a request and answers with it.
func (s *Server) store(c *call, name string, r keyRequest, v version) *answer {
	k := c.vault.addKey(name)
	if k.state.deleted != nil {
		return s.deletedConflict(k)
	}
	v.enabled = true
	v.ops = operations(v.kty, c.vault.spec.HSM)
	r.lay(&v)
	// A key to wrap an import with lives two days [recording keyvault.key].
	if len(v.ops) == 1 && v.ops[0] == "import" && v.exp == 0 {
		v.exp = c.now.Add(48 * time.Hour).Unix()
	}
	made := s.newVersion(k, v, c.now)
	return reply(http.StatusOK, s.bundle(c, k, made))
}

// deletedConflict refuses a name that is soft-deleted [recording keyvault.error-bodies].
func (s *Server) deletedConflict(k *key) *answer { return deletedName(k.name) }

// rotateKey makes a new version like the newest. It takes no body and is not
// idempotent (facts §2).
func (s *Server) rotateKey(c *call, name, _ string) *answer {
	k := c.vault.key(name)
	if k == nil || !k.state.exists || k.state.deleted != nil {
		return s.notFound(c, name, "")
	}
	return reply(http.StatusOK, s.bundle(c, k, s.rotate(k, c.now)))
}

// updateKey changes a version, the newest where the path names none
// [recording keyvault.key].
func (s *Server) updateKey(c *call, name, id string) *answer {
	r, bad := readKeyRequest(c.body)
	if bad != nil {
		return bad
	}
	k := c.vault.key(name)
	if k == nil || !k.state.exists || k.state.deleted != nil {
		return s.notFound(c, name, id)
	}
	v := k.state.find(id)
	if v == nil {
		return s.notFound(c, name, id)
	}
	next := *v
	next.updated = c.now
	r.lay(&next)
	k.change(k.state.replace(&next), c.now)
	s.keyChanged(k, c.now)
	return reply(http.StatusOK, s.bundle(c, k, &next))
}

// remove soft-deletes a key with all its versions.
func (s *Server) remove(k *key, now time.Time) {
	next := k.state
	next.deleted = &deletion{at: now, purge: now.AddDate(0, 0, k.vault.retention())}
	k.change(next, now)
	k.settled = now.Add(s.settleAfterDelete(k.vault))
	s.keyChanged(k, now)
	purge := next.deleted
	s.agenda.add(purge.purge, func(at time.Time) {
		if k.state.deleted == purge {
			s.purge(k, at)
		}
	})
}

// restore brings a soft-deleted key back.
func (s *Server) restore(k *key, now time.Time) {
	next := k.state
	next.deleted = nil
	k.change(next, now)
	k.settled = now.Add(s.settleAfterDelete(k.vault))
	s.keyChanged(k, now)
}

// settleAfterDelete is for how long a deleted or recovered key is not found at
// its new place: what the scenario says of the vault, or the quirk.
func (s *Server) settleAfterDelete(v *vault) time.Duration {
	if given := v.spec.SettleAfterDelete.Duration; given > 0 {
		return given
	}
	d, err := time.ParseDuration(s.quirk(quirkSettle))
	if err != nil {
		return 0
	}
	return d
}

// purge removes a key for good.
func (s *Server) purge(k *key, now time.Time) {
	k.change(keyState{}, now)
	s.keyChanged(k, now)
}

// deleteKey answers with the newest version and the dates [recording
// keyvault.crud-rsa].
func (s *Server) deleteKey(c *call, name, _ string) *answer {
	k := c.vault.key(name)
	if k == nil || !k.state.exists || k.state.deleted != nil {
		return s.notFound(c, name, "")
	}
	s.remove(k, c.now)
	return reply(http.StatusOK, s.deletedBundle(c, k))
}

// deletedBundle is a deleted key with its dates.
func (s *Server) deletedBundle(c *call, k *key) doc {
	d := s.bundle(c, k, k.state.find(""))
	merge(d, deletedDates(c, k))
	return d
}

// deletedDates are what a deleted key has beside its bundle.
func deletedDates(c *call, k *key) doc {
	return doc{
		"recoveryId":  "https://" + c.host + "/deletedkeys/" + k.name,
		"deletedDate": k.state.deleted.at.Unix(), "scheduledPurgeDate": k.state.deleted.purge.Unix(),
	}
}

// deletedKey returns a soft-deleted key that can be seen already.
func (s *Server) deletedKey(c *call, name string) (*key, *answer) {
	k := c.vault.key(name)
	if k == nil || k.state.deleted == nil || c.now.Before(k.settled) {
		return nil, problem(http.StatusNotFound, "KeyNotFound", "Deleted Key not found: %s", name)
	}
	return k, nil
}

// getDeleted answers for a soft-deleted key.
func (s *Server) getDeleted(c *call, name, _ string) *answer {
	k, bad := s.deletedKey(c, name)
	if bad != nil {
		return bad
	}
	return reply(http.StatusOK, s.deletedBundle(c, k))
}

// listDeleted lists soft-deleted keys.
func (s *Server) listDeleted(c *call, _, _ string) *answer {
	names := c.vault.names(func(k *key) bool { return k.state.deleted != nil })
	return page(c, "/deletedkeys", names, func(name string) doc {
		k := c.vault.keys[name]
		v := k.state.find("")
		d := listItem(doc{"kid": k.uri(nil), "attributes": c.attributes(v)}, v)
		merge(d, deletedDates(c, k))
		return d
	}, func(name string) string { return "key/" + strings.ToUpper(name) })
}

// recoverDeleted brings a key back and answers with it [recording
// keyvault.softdelete]. Too early, and of a key that lives, it is refused
// [recording keyvault.error-bodies].
func (s *Server) recoverDeleted(c *call, name, _ string) *answer {
	if k := c.vault.key(name); k != nil && !c.vault.spec.HSM {
		switch {
		case k.state.deleted != nil && c.now.Before(k.settled):
			return beingDeleted(c)
		case k.state.exists && k.state.deleted == nil:
			return notDeleted(c)
		}
	}
	k, bad := s.deletedKey(c, name)
	if bad != nil {
		return bad
	}
	s.restore(k, c.now)
	return reply(http.StatusOK, s.bundle(c, k, k.state.find("")))
}

// purgeDeleted removes a key for good, unless the vault forbids it.
func (s *Server) purgeDeleted(c *call, name, _ string) *answer {
	k, bad := s.deletedKey(c, name)
	if bad != nil {
		return bad
	}
	if c.vault.spec.PurgeProtection {
		return innerProblem(http.StatusForbidden, "Forbidden", "ForbiddenByPolicy",
			"Operation \"purge\" is not allowed because purge protection is enabled for this vault."+
				" Key Vault service will automatically purge it after the retention period has passed.\r\nVault: "+
				c.vault.spec.Name+";location="+c.vault.spec.Location)
	}
	s.purge(k, c.now)
	return newAnswer(http.StatusNoContent)
}

// backupKey hands out a name of the key's content; only this simulator can
// restore it.
func (s *Server) backupKey(c *call, name, _ string) *answer {
	k, state, ok := s.live(c, name)
	if !ok {
		return s.notFound(c, name, "")
	}
	blob := base64.RawURLEncoding.EncodeToString([]byte("azuresim:" + c.host + "/" + k.name))
	k.backup = state
	return reply(http.StatusOK, doc{"value": blob})
}

// restoreKey brings back what backupKey saved, with all versions [recording
// keyvault.key].
func (s *Server) restoreKey(c *call, _, _ string) *answer {
	d, err := decodeDoc(c.body)
	raw, decodeErr := base64.RawURLEncoding.DecodeString(text(d, "value"))
	name, ok := strings.CutPrefix(string(raw), "azuresim:"+c.host+"/")
	k := c.vault.key(name)
	if err != nil || decodeErr != nil || !ok || k == nil || !k.backup.exists {
		return problem(http.StatusBadRequest, "BadParameter", "Backup blob is corrupt, unsupported or invalid.")
	}
	if k.state.deleted != nil {
		return s.deletedConflict(k)
	}
	if k.state.exists {
		return problem(http.StatusConflict, "Conflict", "A key with name %s already exists", k.name)
	}
	k.change(k.backup, c.now)
	s.keyChanged(k, c.now)
	return reply(http.StatusOK, s.bundle(c, k, k.state.find("")))
}
