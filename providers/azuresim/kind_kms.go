package azuresim

import (
	"net/http"
	"slices"
	"time"
)

const kmsKey = "properties.securityProfile.azureKeyVaultKms"

// kmsLink reads the key of a cluster's etcd. A keyId with a version is the legacy
// design, which is pinned, one without the new design, which follows (facts-services
// A2); a platform key names none.
func kmsLink(d doc) link {
	if !truth(d, kmsKey+".enabled") {
		return link{}
	}
	return keyLink(text(d, kmsKey+".keyId"))
}

// badKMS refuses a key of etcd without what AKS must know of its vault (facts-services
// A2; public reports: azure-docs #93886 and #110117).
func badKMS(body doc) *answer {
	asked, ok := at(body, kmsKey).(doc)
	if !ok || !truth(asked, "enabled") {
		return nil
	}
	switch access := text(asked, "keyVaultNetworkAccess"); {
	case access == "":
		return problem(http.StatusBadRequest, "BadRequest", "KeyVault network access is unspecified for Azure Key Vault KMS.")
	case access == "Private" && text(asked, "keyVaultResourceId") == "":
		return problem(http.StatusBadRequest, "BadRequest",
			"KeyVault resource ID is empty when KeyVault network access is Private.")
	}
	return nil
}

// kmsHangs says whether an update is the second rotation of the legacy design
// without secrets having been rewritten after the first: it never ends (public
// report: kubernetes-kms #291).
func kmsHangs(r *resource) bool {
	current := link{key: r.inKey, pinned: r.inUse}
	return r.link.pinned != "" && r.inUse != "" && current != r.link && r.holdsFor(NeedEtcdSecrets)
}

func (r *resource) holdsFor(why NeedReason) bool {
	return slices.ContainsFunc(r.older, func(h held) bool { return h.why == why })
}

// kmsDone takes what an update names into use when its operation ends. After
// disabling KMS the old key is needed until secrets are rewritten (facts-services
// A2).
func (s *Server) kmsDone(r *resource, now time.Time) {
	switch {
	case r.link.key != "":
		if id := s.pick(r, now); id != "" {
			s.use(r, id, now)
		}
		s.watchKMS(r, now)
	case r.inUse != "":
		r.older = []held{{link: link{key: r.inKey, pinned: r.inUse}, why: NeedEtcdSecrets}}
		r.inKey, r.inUse = "", ""
		s.file(r)
		s.settle(r, now)
	}
}

// watchKMS lets the controller of the new design look every six hours.
func (s *Server) watchKMS(r *resource, now time.Time) {
	if extra := clusterExtraOf(r); !extra.watched {
		extra.watched = true
		s.watch(r, now.Add(r.pace.FirstCheck.Duration))
	}
}

// kmsLeave is what becomes of etcd's version when another is in use. The legacy
// design holds it as the previous one until the next rotation, and secrets stay
// under it until they are rewritten; neither shows in Azure Resource Manager. The
// new design re-encrypts by itself (facts-services A2).
func kmsLeave(s *Server, r *resource, before link, now time.Time) {
	if r.link.pinned == "" {
		r.older = []held{{link: before, why: NeedRewrap}}
		s.agenda.add(now.Add(r.pace.Rewrap.Duration), func(at time.Time) { s.rewrapped(r, before, at) })
		return
	}
	r.older = slices.DeleteFunc(r.older, func(h held) bool { return h.why != NeedEtcdSecrets })
	r.older = append(r.older, held{link: before, why: NeedEtcdPrevious}, held{link: before, why: NeedEtcdSecrets})
}

// rewriteSecrets is kubectl replace of every secret: they are under the current
// version then, the previous one is held all the same.
func rewriteSecrets(s *Server, r *resource, now time.Time) {
	r.older = slices.DeleteFunc(r.older, func(h held) bool { return h.why == NeedEtcdSecrets })
	s.file(r)
	s.settle(r, now)
}

// kmsDoc is the block of a scenario's cluster.
func (s *Server) kmsDoc(d doc, spec ClusterSpec, n string) {
	k, v := s.resolveKey(spec.KMSKey, spec.KMSVersion, n)
	if v == nil {
		return
	}
	if spec.KMSDesign == "new" {
		v = nil
		put(d, "properties.securityProfile.kubernetesResourceObjectEncryptionProfile.infrastructureEncryption", "Enabled")
	}
	put(d, kmsKey, doc{"enabled": true, "keyId": k.uri(v), "keyVaultNetworkAccess": "Public"})
}
