package azuresim

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// build makes the estate that the scenario declares.
func (s *Server) build() error {
	sc := s.scenario
	s.subs = slices.Clone(sc.Subscriptions)
	if len(s.subs) == 0 {
		s.subs = []SubscriptionSpec{{ID: s.mint.guid("subscription"), Name: "Contoso"}}
	}
	s.buildClients()
	s.buildRoles()
	for _, spec := range sc.Vaults {
		s.buildVaults(spec)
	}
	s.buildResources()
	for _, raw := range sc.Resources {
		if err := s.addDocument(raw, s.epoch); err != nil {
			return err
		}
	}
	if err := s.buildAccess(); err != nil {
		return err
	}
	if err := s.buildDiagnostics(); err != nil {
		return err
	}
	for _, f := range sc.Faults {
		if err := s.enlist(f, s.epoch); err != nil {
			return err
		}
	}
	for _, e := range sc.Events {
		s.agenda.add(s.epoch.Add(e.At.Duration), func(now time.Time) {
			// An event about something that was deleted meanwhile has no effect.
			_ = s.act(e.Action, now)
		})
	}
	return nil
}

// buildClients makes the service principals.
func (s *Server) buildClients() {
	s.open = len(s.scenario.Clients) == 0
	for _, spec := range s.scenario.Clients {
		c := &client{
			id: spec.ID, secret: spec.Secret, objectID: spec.ObjectID, name: spec.Name,
			all: len(spec.Roles)+len(spec.Assignments) == 0, deny: slices.Clone(spec.Deny),
		}
		if c.objectID == "" {
			c.objectID = s.mint.guid("object", strings.ToLower(c.id))
		}
		s.clients[strings.ToLower(c.id)] = c
	}
}

// each calls do for every place that a pattern makes, completed with defaults.
func (s *Server) each(p Place, do func(p Place, n string)) {
	if p.ResourceGroup == "" {
		p.ResourceGroup = "contoso"
	}
	if p.Subscription == "" {
		p.Subscription = s.subs[0].ID
	}
	if p.Location == "" {
		p.Location = "westeurope"
	}
	for i := 1; i <= max(1, p.Count); i++ {
		n, one := strconv.Itoa(i), p
		one.Name = strings.ReplaceAll(p.Name, "{n}", n)
		do(one, n)
	}
}

// buildVaults makes vaults with their keys.
func (s *Server) buildVaults(spec VaultSpec) {
	s.each(spec.Place, func(p Place, _ string) {
		one := spec
		one.Place = p
		suffix := vaultSuffix
		if spec.HSM {
			suffix = hsmSuffix
		}
		v := &vault{spec: one, host: strings.ToLower(p.Name) + suffix, keys: map[string]*key{}}
		s.addVault(v)
		for _, k := range spec.Keys {
			for i := 1; i <= max(1, k.Count); i++ {
				s.buildKey(v, k, strings.ReplaceAll(k.Name, "{n}", strconv.Itoa(i)))
			}
		}
		if spec.HSM {
			s.touchGroup(resourceID{subscription: p.Subscription, group: p.ResourceGroup}, p.Location)
			return
		}
		id := s.idOf(p, "Microsoft.KeyVault/vaults")
		made := s.epoch.AddDate(-1, 0, 0)
		s.add(&resource{
			id: id, kind: s.kindNamed(kindVault), made: made, doc: s.vaultDoc(id, v, made),
		})
	})
}

// idOf is the id of a resource at a place.
func (s *Server) idOf(p Place, typ string) resourceID {
	return resourceID{subscription: p.Subscription, group: p.ResourceGroup, name: p.Name}.spelled(typ)
}

// buildKey makes a key with its versions.
func (s *Server) buildKey(v *vault, spec KeySpec, name string) {
	k := v.addKey(name)
	r := keyRequest{Kty: spec.Type, Size: spec.Size, Curve: spec.Curve}
	if r.Kty == "" {
		r.Kty = "RSA"
	}
	kty, m, _ := newMaterial(r, v.spec.HSM)
	versions := spec.Versions
	if len(versions) == 0 {
		versions = []VersionSpec{{}}
	}
	for _, one := range versions {
		for i := range max(1, one.Count) {
			made := s.epoch.Add(-one.Age.Duration + time.Duration(i)*time.Second)
			version := version{
				kty: kty, material: m, ops: operations(kty, v.spec.HSM), enabled: !one.Disabled, tags: one.Tags,
			}
			if version.tags == nil {
				version.tags = spec.Tags
			}
			if i == 0 {
				version.id = one.ID
			}
			if one.Expires.Duration != 0 {
				version.exp = s.epoch.Add(one.Expires.Duration).Unix()
			}
			s.newVersion(k, version, made)
		}
	}
	k.lagging, k.before = nil, k.state
	if p := spec.Policy; p != nil {
		s.usePolicy(k, p.policy(s.epoch), s.epoch)
		k.lagging = nil
	}
}

// policy turns the short form of scenarios into a rotation policy.
func (p PolicySpec) policy(now time.Time) *rotationPolicy {
	out := &rotationPolicy{expiry: p.ExpiryTime, created: now, updated: now}
	add := func(kind, after, before string) {
		if after == "" && before == "" {
			return
		}
		var a lifetimeAction
		a.Action.Type, a.Trigger.AfterCreate, a.Trigger.BeforeExpiry = kind, after, before
		out.actions = append(out.actions, a)
	}
	add("Rotate", p.RotateAfterCreate, "")
	add("Rotate", "", p.RotateBeforeExpiry)
	add("Notify", "", p.NotifyBeforeExpiry)
	return out
}

// buildResources makes the dependents; disk encryption sets come before what
// stands on them.
func (s *Server) buildResources() {
	sc := s.scenario
	for _, spec := range sc.StorageAccounts {
		s.each(spec.Place, func(p Place, n string) { s.buildStorage(spec, p, n) })
	}
	for _, spec := range sc.CosmosDBAccounts {
		s.each(spec.Place, func(p Place, n string) { s.buildCosmos(spec, p, n) })
	}
	for _, spec := range sc.DiskEncryptionSets {
		s.each(spec.Place, func(p Place, n string) { s.buildDiskSet(spec, p, n) })
	}
	for _, spec := range sc.Disks {
		s.each(spec.Place, func(p Place, n string) { s.buildDisk(p, s.setID(spec.DiskEncryptionSet, n)) })
	}
	for _, spec := range sc.Snapshots {
		s.each(spec.Place, func(p Place, n string) { s.buildSnapshot(p, s.setID(spec.DiskEncryptionSet, n)) })
	}
	for _, spec := range sc.Images {
		s.each(spec.Place, func(p Place, n string) { s.buildImage(p, s.setID(spec.DiskEncryptionSet, n)) })
	}
	for _, spec := range sc.VirtualMachines {
		s.each(spec.Place, func(p Place, n string) { s.buildMachine(spec, p, n) })
	}
	for _, spec := range sc.RestorePoints {
		s.each(spec.Place, func(p Place, n string) { s.buildRestorePoint(spec, p, n) })
	}
	for _, spec := range sc.ManagedClusters {
		s.each(spec.Place, func(p Place, n string) { s.buildCluster(spec, p, n) })
	}
	for _, spec := range sc.Workspaces {
		s.each(spec.Place, func(p Place, _ string) { s.buildWorkspace(spec, p) })
	}
	for _, spec := range sc.Dependents {
		s.each(spec.Place, func(p Place, n string) { s.buildDependent(spec, p, n) })
	}
	for _, spec := range sc.ContainerGroups {
		s.each(spec.Place, func(p Place, n string) { s.buildContainerGroup(spec, p, n) })
	}
}

// start puts a built resource into the estate with the version it uses.
func (s *Server) start(kindName string, p Place, spec Protected, d func(id resourceID) doc) *resource {
	k := s.kindNamed(kindName)
	id := s.idOf(p, k.typ)
	if k.inside != nil {
		id.above = k.inside(s, p)
	}
	r := &resource{
		id: id, kind: k, made: s.restedSince(), doc: d(id), pace: spec.Pace.over(k.pace),
	}
	s.add(r)
	if r.link.key != "" {
		r.begin(s.before(r))
		s.watch(r, s.epoch.Add(r.pace.FirstCheck.Duration))
	}
	s.settle(r, s.epoch)
	return r
}

// restedSince is when the resources of a scenario were made.
func (s *Server) restedSince() time.Time { return s.epoch.AddDate(0, -6, 0) }

// resolveKey returns the key of "vault/key" and the version chosen by a word
// or an id, nil where there is none.
func (s *Server) resolveKey(ref, word, n string) (*key, *version) {
	k, err := s.findKey(strings.ReplaceAll(ref, "{n}", n))
	if err != nil {
		return nil, nil
	}
	return k, k.state.choose(word)
}
