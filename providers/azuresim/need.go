package azuresim

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// NeedReason says what a key version is needed for.
type NeedReason string

// The reasons.
const (
	// NeedInUse: the version wraps the data key now.
	NeedInUse NeedReason = "in use"
	// NeedRewrap: the version wraps what is not re-wrapped yet.
	NeedRewrap NeedReason = "re-wrapping"
	// NeedDisk, NeedSnapshot and NeedImage: a disk encryption set holds the version
	// for them.
	NeedDisk     NeedReason = "disk"
	NeedSnapshot NeedReason = "snapshot"
	NeedImage    NeedReason = "image"
	// NeedRestorePoint: a copy of a disk was made under the version.
	NeedRestorePoint NeedReason = "restore point"
	// NeedEtcdPrevious: a cluster's KMS holds the version beside the current one
	// until the next rotation.
	NeedEtcdPrevious NeedReason = "etcd previous"
	// NeedEtcdSecrets: secrets in etcd were not rewritten since.
	NeedEtcdSecrets NeedReason = "etcd secrets"
	// NeedNode: a node with an ephemeral disk was built under the version.
	NeedNode NeedReason = "ephemeral node"
	// NeedBackup: a backup that is still kept was made under the version.
	NeedBackup NeedReason = "backup"
)

// Need is one resource's need of one version of a key.
type Need struct {
	// Version is the id of the version, Resource that of the resource. The copies
	// of a restore point have ids too, although Azure Resource Manager is not asked
	// for them here.
	Version, Resource string
	Why               NeedReason
	// Access says that the resource really reads its data now: it neither felt the
	// loss of its key nor is it closed for another reason. A backup has access when
	// a restore would.
	Access bool
}

// Needs returns who really needs which version of a key now, whatever documents
// show: the measure by which a test judges that a version could go, or that a
// revocation took effect. Versions come oldest first, then resources by id, then
// reasons. It is empty for an unknown key.
func (s *Server) Needs(vaultName, keyName string) []Need {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	k, err := s.findKey(vaultName + "/" + keyName)
	if err != nil {
		return nil
	}
	var out []Need
	for _, r := range s.byKey[fold(k.uri(nil))] {
		out = append(out, s.needsOf(r, fold(k.uri(nil)))...)
	}
	order := map[string]int{}
	for _, v := range k.state.versions {
		order[v.id] = v.order
	}
	slices.SortFunc(out, func(a, b Need) int {
		return cmp.Or(cmp.Compare(order[a.Version], order[b.Version]),
			strings.Compare(fold(a.Resource), fold(b.Resource)), strings.Compare(string(a.Why), string(b.Why)))
	})
	return slices.Compact(out)
}

// needsOf returns a resource's needs of a key, and those of what stands on it.
func (s *Server) needsOf(r *resource, key string) []Need {
	var out []Need
	access := r.denied == deniedNot && (r.kind.barred == nil || !r.kind.barred(r))
	for _, h := range r.holds() {
		if h.key != key {
			continue
		}
		out = append(out, Need{Version: h.pinned, Resource: r.id.path(), Why: h.why, Access: access})
		if r.kind.holders == nil {
			continue
		}
		for _, other := range r.kind.holders(s, r) {
			out = append(out, Need{Version: h.pinned, Resource: other.id.path(), Why: other.kind.reason(), Access: access})
		}
	}
	if r.kind.needs == nil {
		return out
	}
	for _, h := range r.kind.needs(s, r, s.now) {
		if h.key == key {
			out = append(out, Need{
				Version: h.pinned, Resource: r.id.path(), Why: h.why, Access: s.whyNot(r, h.link, s.now) == deniedNot,
			})
		}
	}
	return out
}

// linkAt returns the version that was in use at a moment, by what usage tells.
func (r *resource) linkAt(at time.Time) link {
	out := link{key: r.firstKey, pinned: r.first}
	for _, u := range r.usage {
		if !u.since.After(at) {
			out = link{key: u.key, pinned: u.version}
		}
	}
	return out
}
