package kind

import (
	"context"
	"net/http"
	"strings"
	"time"

	"cmkd/rotator"
)

// containerGroupPaths are the properties of a container group that cmkd relies
// on. Sources: azure/facts.md section 4, Container instances, and the model
// EncryptionProperties of examples/containerinstance-2021-09-01.
type containerGroupPaths struct {
	Encryption                    string
	VaultURI, KeyName, KeyVersion string
	State, Instance, Location     string
}

func newContainerGroupPaths() containerGroupPaths {
	return containerGroupPaths{
		Encryption: "properties.encryptionProperties",
		VaultURI:   "properties.encryptionProperties.vaultBaseUrl",
		KeyName:    "properties.encryptionProperties.keyName",
		KeyVersion: "properties.encryptionProperties.keyVersion",
		State:      "properties.provisioningState",
		Instance:   "properties.instanceView.state",
		Location:   "location",
	}
}

// recreateWindow bounds how long a re-created group may take to show the new
// version. It is ours: a group never switches by itself.
const recreateWindow = time.Hour

func containerGroupInfo() Info {
	p := newContainerGroupPaths()
	const path = "/subscriptions/…/providers/Microsoft.ContainerInstance/containerGroups/…"
	return Info{
		Kind: "container-group", Type: "Microsoft.ContainerInstance/containerGroups", APIVersion: "2022-09-01",
		Traits: rotator.Traits{
			Window: recreateWindow, Revocation: time.Hour,
			Best: rotator.EvidenceConfirmed, WriteRole: "Azure Container Instances Contributor Role",
			Revoked: "the group cannot start again",
		},
		Bindings: []rotator.Binding{rotator.BindingFixed},
		Properties: []Property{
			{p.Encryption, "missing: the key is Microsoft's"},
			{p.VaultURI, "the key's vault"},
			{p.KeyName, "the key's name"},
			{p.KeyVersion, "the version in use"},
			{p.State, "whether an update is under way"},
			{p.Instance, "shown"},
			{p.Location, regionUse},
		},
		Calls: []CallInfo{
			{"GET", path, "2022-09-01", "observe; before a re-creation"},
			{"PUT", path, "2022-09-01", "re-create, with the operator's consent"},
			{"GET", "/subscriptions/…/providers/Microsoft.ContainerInstance/containerGroups", "2022-09-01", "find"},
		},
		Permissions: []Permission{
			{"Reader", "the group", "Microsoft.ContainerInstance/containerGroups/read", "always"},
			{"Azure Container Instances Contributor Role", "the group", "Microsoft.ContainerInstance/containerGroups/write", "re-create"},
		},
		Evidence: "version: confirmed (encryptionProperties.keyVersion, fixed at deployment); denial: inferred by time",
		Limits: []string{
			"never switches by itself; a re-creation restarts the containers and may change the group's address",
			"a group with secrets is not re-created: Azure does not return them, and they would be lost",
			"the document has no etag: a re-creation is preceded by a read, not conditional",
		},
		Sources: []string{
			"facts.md §1, §4 Container instances", "recordings/containerinstance.*.jsonl (shape and operation)", "examples/containerinstance-2021-09-01",
			"the role's name is common knowledge",
		},
	}
}

type containerGroup struct {
	caller
	paths containerGroupPaths
}

var (
	_ rotator.Service = (*containerGroup)(nil)
	_ rotator.Finder  = (*containerGroup)(nil)
)

func newContainerGroup(d Deps) *containerGroup {
	return &containerGroup{caller: caller{d.ARM, containerGroupInfo()}, paths: newContainerGroupPaths()}
}

// Observe implements [rotator.Service]. Access is never seen.
func (s *containerGroup) Observe(ctx context.Context, d *rotator.Dependent, _ rotator.Ask) (rotator.Observation, error) {
	doc, resp, err := s.read(ctx, d.ID)
	if err != nil {
		return rotator.Observation{}, wrap("observe", d, err)
	}
	o := s.paths.observe(doc)
	o.At = resp.Date
	return o, nil
}

// observe reads the group's document.
func (p containerGroupPaths) observe(doc document) rotator.Observation {
	o := rotator.Observation{Region: region(doc.text(p.Location)), Facts: doc.facts(p.VaultURI, p.KeyName, p.KeyVersion, p.State, p.Instance)}
	if len(doc.object(p.Encryption)) > 0 {
		p.key(doc, &o)
	}
	state(&o, doc.text(p.State))
	return o
}

func (p containerGroupPaths) key(doc document, o *rotator.Observation) {
	ref, err := keyOf(doc.text(p.VaultURI), doc.text(p.KeyName), doc.text(p.KeyVersion))
	if err != nil {
		complain(o, unreadableKey(p.Encryption, err))
	}
	if ref.key == "" {
		return
	}
	o.Key, o.Binding, o.Version = ref.key, rotator.BindingFixed, ref.version
	if !ref.versioned {
		complain(o, &rotator.Problem{Code: "NoKeyVersion", Message: p.KeyVersion + " is empty", Hint: "look at the group with az container show"})
	}
}

// Apply implements [rotator.Service]: it reads the whole group and puts it back
// with the new version, if the operator consented and nothing would be lost.
func (s *containerGroup) Apply(ctx context.Context, d *rotator.Dependent, action rotator.Action, key rotator.KeyID, version rotator.Version) error {
	if action != rotator.ActionRecreate {
		return s.unsupported(action)
	}
	if !d.Recreate {
		return refuse(d, "the operator did not consent", "set recreate: true on the dependent, or deploy the group anew with version "+version.ID)
	}
	doc, _, err := s.read(ctx, d.ID)
	if err != nil {
		return wrap("read", d, err)
	}
	o := s.paths.observe(doc)
	if err := expect(o, d, key, rotator.BindingFixed); err != nil {
		return err
	}
	if strings.EqualFold(o.Version, version.ID) {
		return nil
	}
	if lost := lostSecrets(doc); len(lost) > 0 {
		return refuse(d, "Azure does not return its secrets, which would be lost: "+strings.Join(lost, ", "),
			"deploy the group anew from its template, with version "+version.ID)
	}
	return wrap("re-create", d, s.update(ctx, http.MethodPut, d.ID, doc, s.paths.deployment(doc, version.ID)))
}

func refuse(d *rotator.Dependent, why, hint string) error {
	return &rotator.Error{Code: rotator.CodeRefused, NoEffect: true, Message: d.DisplayName() + " is not re-created: " + why, Hint: hint}
}

// Find implements [rotator.Finder].
func (s *containerGroup) Find(ctx context.Context, subscription string, key rotator.KeyID) ([]rotator.Dependent, error) {
	return s.find(ctx, subscription, key, s.paths.observe)
}
