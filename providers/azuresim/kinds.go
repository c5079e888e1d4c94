package azuresim

import (
	"maps"
	"net/http"
	"strings"
	"time"
)

// The media types of answers; which provider sends which is from the recordings.
const (
	jsonPlain   = "application/json"
	jsonCharset = "application/json; charset=utf-8"
)

// kinds is the table of what is simulated, by lower-case type. A new kind is
// one more line here and its file: what it does in its own way is in its
// value, and the shared code asks that and never which kind it is. A scenario
// makes resources of any kind by their documents (the action add); those that it
// has words for are built in the kinds' files.
func kinds() map[string]*kind {
	table := map[string]*kind{}
	for _, k := range []*kind{
		storageKind(), scopeKind(), cosmosKind(), diskSetKind(), diskKind(), machineKind(), workspaceKind(),
		snapshotKind(), imageKind(), restoreCollectionKind(), restorePointKind(), restoreDiskKind(),
		scaleSetKind(), nodeKind(),
		containerGroupKind(), clusterKind(), vaultKind(),
		registryKind(), postgresKind(), mysqlKind(), appConfigurationKind(),
		logAnalyticsKind(), kustoKind(), netAppKind(),
		cognitiveKind(), backupVaultKind(), eventHubsKind(), serviceBusKind(),
		elasticSanKind(), volumeGroupKind(),
		mlWorkspaceKind(),
	} {
		table[strings.ToLower(k.typ)] = k
	}
	return table
}

// kindNamed returns a kind by its short name.
func (s *Server) kindNamed(name string) *kind {
	for _, k := range s.kinds {
		if k.name == name {
			return k
		}
	}
	return nil
}

// common is what most documents begin with.
func common(id resourceID, typ, location string, tags map[string]string) doc {
	d := doc{"id": id.path(), "name": id.name, "type": typ, "location": location}
	if tags == nil {
		tags = map[string]string{}
	}
	d["tags"] = tagDoc(tags)
	return d
}

func tagDoc(tags map[string]string) doc {
	d := doc{}
	for name, value := range maps.All(tags) {
		d[name] = value
	}
	return d
}

// newResource makes the resource that a PUT asks for.
func (s *Server) newResource(c *call) *resource {
	return &resource{id: c.target.spelled(c.kind.typ), kind: c.kind, made: c.now, pace: c.kind.pace.over(c.kind.pace)}
}

// spelled gives an id the usual spelling of its type.
func (r resourceID) spelled(typ string) resourceID {
	r.provider, r.typ, _ = strings.Cut(typ, "/")
	r.rest = nil
	return r
}

// identify completes the identity of a document: Azure adds the principal
// [recording storage.customer-managed-key].
func (s *Server) identify(d doc) {
	identity, ok := d["identity"].(doc)
	if !ok {
		return
	}
	if strings.Contains(text(identity, "type"), "SystemAssigned") {
		identity["principalId"] = s.mint.guid("principal", text(d, "id"))
		identity["tenantId"] = s.tenant
	}
	users, _ := identity["userAssignedIdentities"].(doc)
	for name := range users {
		users[name] = doc{
			"principalId": s.mint.guid("principal", fold(name)),
			"clientId":    s.mint.guid("client", fold(name)),
		}
	}
}

// removeNow deletes at once.
func removeNow(status int) func(*Server, *call, *resource) *answer {
	return func(s *Server, _ *call, r *resource) *answer {
		s.drop(r)
		return newAnswer(status)
	}
}

// removeLater deletes with a long-running operation.
func removeLater(style operationStyle) func(*Server, *call, *resource) *answer {
	return func(s *Server, c *call, r *resource) *answer {
		a := newAnswer(http.StatusAccepted)
		o := s.begin(c, r, style, a, func(time.Time) doc {
			s.drop(r)
			return nil
		})
		o.removed = true
		return a
	}
}

// before chooses the version that a resource had been using when the scenario starts. A
// version that has expired since then was valid when the resource took it.
func (s *Server) before(r *resource) string {
	k := s.keyOf(r)
	if r.link.pinned != "" || k == nil || !k.state.exists || k.state.deleted != nil {
		return s.pick(r, s.epoch)
	}
	v := k.state.newest(func(v *version) bool { return v.enabled && (v.nbf == 0 || s.epoch.Unix() >= v.nbf) })
	if v == nil {
		return ""
	}
	return v.id
}

// pick chooses the version that a resource starts with: the pinned one, or the
// newest usable.
func (s *Server) pick(r *resource, now time.Time) string {
	if r.link.pinned != "" {
		return r.link.pinned
	}
	if k := s.keyOf(r); k != nil {
		if v := k.state.current(now); v != nil {
			return v.id
		}
	}
	return ""
}
