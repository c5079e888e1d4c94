package kind

import (
	"context"
	"net/http"
	"strings"
	"time"

	"cmkd/rotator"
)

// diskEncryptionSetPaths are the properties of a disk encryption set that cmkd
// relies on. Sources: recordings compute.disk-encryption-set*.jsonl, examples
// GetInformationAboutADiskEncryptionSetWithAutoKeyRotationError and
// UpdateADiskEncryptionSetWithRotationToLatestKeyVersionEnabledInProgress.
type diskEncryptionSetPaths struct {
	KeyURL, SourceVault, Follows, RotatedAt string
	Previous, PreviousKeyURL                string // the second within an element of the first
	ErrorCode, ErrorMessage                 string
	EncryptionType, State, Location         string
}

func newDiskEncryptionSetPaths() diskEncryptionSetPaths {
	return diskEncryptionSetPaths{
		KeyURL:         "properties.activeKey.keyUrl",
		SourceVault:    "properties.activeKey.sourceVault.id",
		Follows:        "properties.rotationToLatestKeyVersionEnabled",
		RotatedAt:      "properties.lastKeyRotationTimestamp",
		Previous:       "properties.previousKeys",
		PreviousKeyURL: "keyUrl",
		ErrorCode:      "properties.autoKeyRotationError.code",
		ErrorMessage:   "properties.autoKeyRotationError.message",
		EncryptionType: "properties.encryptionType",
		State:          "properties.provisioningState",
		Location:       "location",
	}
}

func diskEncryptionSetInfo() Info {
	p, m := newDiskEncryptionSetPaths(), newMachinePaths()
	const path = "/subscriptions/…/providers/Microsoft.Compute/diskEncryptionSets/…"
	return Info{
		Kind: "disk-encryption-set", Type: "Microsoft.Compute/diskEncryptionSets", APIVersion: "2023-04-02",
		Traits: rotator.Traits{
			Window: time.Hour, Revocation: time.Hour,
			Best: rotator.EvidenceConfirmed, CanNudge: true, WriteRole: "Contributor",
			Revoked: "VMs with disks of the set shut down",
		},
		Bindings: []rotator.Binding{rotator.BindingFollows, rotator.BindingPinned},
		Properties: []Property{
			{p.KeyURL, "the key and the version in use"},
			{p.SourceVault, "sent back with an update"},
			{p.Follows, "true: follows, else pinned"},
			{p.RotatedAt, "when the version was switched to"},
			{p.Previous, "versions that still wrap disks"},
			{p.PreviousKeyURL, "such a version, in an element of previousKeys"},
			{p.ErrorCode, "auto-rotation is off since"},
			{p.ErrorMessage, "why it is off"},
			{p.EncryptionType, "sent back with an update"},
			{p.State, "whether an update is under way"},
			{p.Location, regionUse},
			{m.ManagedBy, "of a disk: the machine that it is attached to"},
			{m.ManagedByExtended, "of a shared disk: all of them"},
			{m.Statuses, "of a machine: its states"},
			{m.StatusCode, "a state, in an element of statuses; PowerState/… counts"},
		},
		Calls: []CallInfo{
			{"GET", path, "2023-04-02", "observe; before an update"},
			{"PATCH", path, "2023-04-02", "nudge, re-pin"},
			{"GET", "/subscriptions/…/providers/Microsoft.Compute/diskEncryptionSets", "2023-04-02", "find"},
			{"GET", path + "/associatedResources", "2023-04-02", "access"},
			{"GET", "/subscriptions/…/providers/Microsoft.Compute/disks/…", "2023-04-02", "access, for each disk"},
			{"GET", "/subscriptions/…/virtualMachines/…?$expand=instanceView", machineVersion, "access, for each machine until one is seen running"},
		},
		Permissions: []Permission{
			{"Reader", "the set", "Microsoft.Compute/diskEncryptionSets/read", "always"},
			{"Contributor", "the set", "Microsoft.Compute/diskEncryptionSets/write", "nudge or re-pin"},
			{"Reader", "the disks and the machines", "Microsoft.Compute/disks/read, Microsoft.Compute/virtualMachines/read", "access"},
		},
		Evidence: "version: confirmed (activeKey.keyUrl); denial: confirmed when every machine with a disk of the set is seen off",
		Limits: []string{
			"a machine that is off by itself looks like a denied one",
			"a set without an attached disk shows no denial",
			"after an autoKeyRotationError auto-rotation stays off until the set is updated",
			"the document has no etag: an update is preceded by a read, not conditional",
		},
		Sources: []string{
			"facts.md §1, §4 Disk encryption sets", "recordings/compute.disk-encryption-set*.jsonl", "examples/compute-disk-2021-04-01",
			"managedBy: model Disk of azure-sdk-for-go's compute 2021-03-01",
			"PowerState/stopped and /deallocated are common knowledge: the recordings show PowerState/running",
		},
	}
}

type diskEncryptionSet struct {
	caller
	paths    diskEncryptionSetPaths
	machines machines
}

var (
	_ rotator.Service = (*diskEncryptionSet)(nil)
	_ rotator.Finder  = (*diskEncryptionSet)(nil)
)

func newDiskEncryptionSet(d Deps) *diskEncryptionSet {
	info := diskEncryptionSetInfo()
	return &diskEncryptionSet{
		caller:   caller{d.ARM, info},
		paths:    newDiskEncryptionSetPaths(),
		machines: machines{arm: d.ARM, kind: info.Kind, setVersion: info.APIVersion, paths: newMachinePaths()},
	}
}

// Observe implements [rotator.Service].
func (s *diskEncryptionSet) Observe(ctx context.Context, d *rotator.Dependent, ask rotator.Ask) (rotator.Observation, error) {
	doc, resp, err := s.read(ctx, d.ID)
	if err != nil {
		return rotator.Observation{}, wrap("observe", d, err)
	}
	o := s.paths.observe(doc, ask.Key)
	o.At = resp.Date
	if ask.Access && o.Key != "" {
		if err := s.machines.look(ctx, d.ID, &o); err != nil {
			return rotator.Observation{}, wrap("look at the machines of", d, err)
		}
	}
	return o, nil
}

// observe reads the set's document. Versions of asked that still wrap disks
// count as previous ones also when the set was given another key.
func (p diskEncryptionSetPaths) observe(doc document, asked rotator.KeyID) rotator.Observation {
	o := rotator.Observation{Region: region(doc.text(p.Location)), Facts: doc.facts(p.KeyURL, p.Follows, p.RotatedAt, p.ErrorCode, p.EncryptionType, p.State)}
	active, problem := doc.keyAt(p.KeyURL)
	if problem != nil {
		complain(&o, problem)
	}
	if active.key != "" {
		o.Key, o.Version, o.RotatedAt = active.key, active.version, doc.stamp(p.RotatedAt)
		switch {
		case doc.flag(p.Follows):
			o.Binding = rotator.BindingFollows
		case active.versioned:
			o.Binding = rotator.BindingPinned
		}
	}
	p.previous(doc, asked, &o)
	if code := doc.text(p.ErrorCode); code != "" {
		complain(&o, &rotator.Problem{
			Code: code, Message: doc.text(p.ErrorMessage), Class: rotator.ClassAutoRotation,
			Hint: "auto-rotation is off: give the set an identity that may use the key, then update the set to switch it on again",
		})
	}
	state(&o, doc.text(p.State))
	return o
}

func (p diskEncryptionSetPaths) previous(doc document, asked rotator.KeyID, o *rotator.Observation) {
	var urls []string
	for _, element := range doc.list(p.Previous) {
		ref, problem := element.keyAt(p.PreviousKeyURL)
		if problem != nil {
			complain(o, problem)
		}
		if ref.version != "" && (ref.key.Same(o.Key) || ref.key.Same(asked)) {
			o.Previous = append(o.Previous, ref.version)
		}
		urls = append(urls, element.text(p.PreviousKeyURL))
	}
	if len(urls) > 0 {
		o.Facts["previousKeys"] = strings.Join(urls, " ")
	}
}

// Apply implements [rotator.Service]: one read, and one PATCH of the active key
// unless it is the version already; then the operation is followed to its end.
func (s *diskEncryptionSet) Apply(ctx context.Context, d *rotator.Dependent, action rotator.Action, key rotator.KeyID, version rotator.Version) error {
	binding := rotator.BindingFollows
	switch action {
	case rotator.ActionNudge:
	case rotator.ActionRepin:
		binding = rotator.BindingPinned
	default:
		return s.unsupported(action)
	}
	doc, _, err := s.read(ctx, d.ID)
	if err != nil {
		return wrap("read", d, err)
	}
	o := s.paths.observe(doc, key)
	if err := expect(o, d, key, binding); err != nil {
		return err
	}
	if strings.EqualFold(o.Version, version.ID) {
		return nil
	}
	return wrap("update", d, s.update(ctx, http.MethodPatch, d.ID, doc, s.paths.change(doc, o.Key.WithVersion(version.ID))))
}

// change returns the PATCH that makes a version the active key, in the form of
// recording compute.disk-encryption-set.2020 and example
// UpdateADiskEncryptionSet. The other settings are sent back as they are.
func (p diskEncryptionSetPaths) change(doc document, keyURL string) map[string]any {
	active := map[string]any{"keyUrl": keyURL}
	if vault := doc.text(p.SourceVault); vault != "" {
		active["sourceVault"] = map[string]any{"id": vault}
	}
	properties := map[string]any{"activeKey": active}
	if t := doc.text(p.EncryptionType); t != "" {
		properties["encryptionType"] = t
	}
	if doc.has(p.Follows) {
		properties["rotationToLatestKeyVersionEnabled"] = doc.flag(p.Follows)
	}
	return map[string]any{"properties": properties}
}

// Find implements [rotator.Finder].
func (s *diskEncryptionSet) Find(ctx context.Context, subscription string, key rotator.KeyID) ([]rotator.Dependent, error) {
	return s.find(ctx, subscription, key, func(doc document) rotator.Observation {
		o := s.paths.observe(doc, key)
		if len(o.Previous) > 0 && !o.Key.Same(key) {
			o.Key = key // some disks are still wrapped by it
		}
		return o
	})
}
