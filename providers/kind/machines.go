package kind

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"cmkd/providers/arm"
	"cmkd/rotator"
)

// machineVersion is the api-version of virtual machines (recording
// compute.disk-encryption-set.2025).
const machineVersion = "2024-07-01"

// machinePaths are the properties of disks and virtual machines by which the
// use of a disk encryption set is seen. Sources: recording
// compute.disk-encryption-set.2025 (instanceView.statuses); managedBy and
// managedByExtended by the model Disk of azure-sdk-for-go's compute 2021-03-01.
type machinePaths struct {
	ManagedBy, ManagedByExtended Path
	Statuses, StatusCode         Path // the second within an element of the first
}

func newMachinePaths() machinePaths {
	return machinePaths{
		ManagedBy:         "managedBy",
		ManagedByExtended: "managedByExtended",
		Statuses:          "properties.instanceView.statuses",
		StatusCode:        "code",
	}
}

// machines looks at the power state of the virtual machines that have a disk of
// a set: those lose their disks, and shut down, when the key is revoked
// (azure/facts.md section 4, Disk encryption sets).
type machines struct {
	arm        *arm.Client
	kind       string
	setVersion string
	paths      machinePaths
}

// maxAssociated bounds how many disks of one set are looked at in one
// observation: what lies beyond leaves access unknown.
const maxAssociated = 500

// probeMachines looks at the machines with disks of a set.
func probeMachines(ctx context.Context, r *Resource, d *rotator.Dependent, _ document, o *rotator.Observation) error {
	m := machines{arm: r.deps.ARM, kind: r.Name, setVersion: r.APIVersion, paths: newMachinePaths()}
	return wrap("look at the machines of", d, m.look(ctx, d.ID, o))
}

// look fills in access. One machine seen running means allowed, all of them seen
// off means denied, anything else is unknown.
func (m machines) look(ctx context.Context, set string, o *rotator.Observation) error {
	owners, whole, err := m.owners(ctx, set)
	if err != nil {
		return err
	}
	off, unclear := 0, 0
	for _, id := range owners {
		power, at, err := m.power(ctx, id)
		if rotator.CodeOf(err) == rotator.CodeNotFound {
			continue // deleted meanwhile
		}
		if err != nil {
			return err
		}
		o.At = earlier(o.At, at)
		switch {
		case strings.EqualFold(power, "running"):
			o.Access, o.AccessCode, o.AccessEvidence = rotator.AccessAllowed, "", rotator.EvidenceConfirmed
			o.Facts["PowerState"] = fmt.Sprintf("running: %s", id)
			return nil
		case strings.EqualFold(power, "stopped"), strings.EqualFold(power, "deallocated"):
			off++
			o.AccessCode = "PowerState/" + strings.ToLower(power)
		default:
			unclear++
		}
	}
	o.Facts["PowerState"] = fmt.Sprintf("%d off, %d unclear", off, unclear)
	if off == 0 || unclear > 0 || !whole {
		o.AccessCode = ""
		return nil
	}
	o.Access, o.AccessEvidence = rotator.AccessDenied, rotator.EvidenceConfirmed
	return nil
}

// owners returns the ids of the machines that have a disk of the set. whole is
// false if not every disk was looked at.
func (m machines) owners(ctx context.Context, set string) (ids []string, whole bool, err error) {
	disks, whole, err := m.disks(ctx, set)
	if err != nil {
		return nil, false, err
	}
	known := map[string]bool{}
	for _, disk := range disks {
		var doc document
		_, err := m.arm.Get(ctx, disk, m.setVersion, &doc, arm.CallOptions{Kind: m.kind})
		if rotator.CodeOf(err) == rotator.CodeNotFound {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		for _, id := range append(doc.strings(m.paths.ManagedByExtended), doc.text(m.paths.ManagedBy)) {
			if id != "" && !known[strings.ToLower(id)] {
				known[strings.ToLower(id)] = true
				ids = append(ids, id)
			}
		}
	}
	return ids, whole, nil
}

// disks returns the ids of the set's disks; snapshots and images belong to no
// machine. Source: example ListDiskEncryptionSetAssociatedResources.
func (m machines) disks(ctx context.Context, set string) (ids []string, whole bool, err error) {
	whole = true
	path := strings.TrimSuffix(set, "/") + "/associatedResources"
	_, err = m.arm.List(ctx, path, m.setVersion, func(raw json.RawMessage) error {
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return unreadable(path, err)
		}
		id, err := arm.ParseResourceID(text)
		if err != nil {
			return err
		}
		switch {
		case !id.Is("Microsoft.Compute/disks"):
		case len(ids) >= maxAssociated:
			whole = false
		default:
			ids = append(ids, id.String())
		}
		return nil
	}, arm.CallOptions{Kind: m.kind})
	return ids, whole, err
}

// power returns the power state of a machine, also of one in a scale set; empty
// if it does not tell.
func (m machines) power(ctx context.Context, id string) (string, time.Time, error) {
	machine, err := arm.ParseResourceID(id)
	if err != nil {
		return "", time.Time{}, err
	}
	if !machine.Is("Microsoft.Compute/virtualMachines") && !machine.Is("Microsoft.Compute/virtualMachineScaleSets/virtualMachines") {
		return "", time.Time{}, nil
	}
	var doc document
	resp, err := m.arm.Get(ctx, machine.String(), machineVersion, &doc, arm.CallOptions{
		Kind: m.kind, Query: url.Values{"$expand": {"instanceView"}},
	})
	if err != nil {
		return "", time.Time{}, err
	}
	return m.paths.power(doc), resp.Date, nil
}

func (p machinePaths) power(doc document) string {
	for _, status := range doc.list(p.Statuses) {
		code := status.text(p.StatusCode)
		if hasPrefixFold(code, "PowerState/") {
			return code[len("PowerState/"):]
		}
	}
	return ""
}
