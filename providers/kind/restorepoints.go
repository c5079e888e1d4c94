package kind

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"cmkd/providers/arm"
	"cmkd/rotator"
)

// restoreVersion is the api-version of restore point collections (recordings
// compute.restore-point-cmk.2024 and compute.restore-point-encryption.2024).
const restoreVersion = "2024-07-01"

// maxCollections bounds how many restore point collections are looked into for one set.
const maxCollections = 50

// What is read of a collection with $expand=restorePoints, of a point in it, and of the
// copy of a disk in that (the same recordings; facts-evidence.md section 4).
const (
	restorePoints Path = "properties.restorePoints"
	restoreName   Path = "name"
	restoreOS     Path = "properties.sourceMetadata.storageProfile.osDisk"
	restoreData   Path = "properties.sourceMetadata.storageProfile.dataDisks"
	restoreSet         = restoreEncryption + ".diskEncryptionSet.id"
	// restoreEncryption is that of a copy of a disk.
	restoreEncryption Path = "diskRestorePoint.encryption"
)

// restored names the restore points that hold copies of disks under a set: which version
// of its key wraps them is not shown, and nothing says that they are wrapped anew.
func restored(ctx context.Context, r *Resource, d *rotator.Dependent, _ document, _ rotator.Ask, o *rotator.Observation) error {
	set, err := arm.ParseResourceID(d.ID)
	if err != nil {
		return err
	}
	var collections []string
	path := "/subscriptions/" + set.Subscription + "/providers/Microsoft.Compute/restorePointCollections"
	_, err = r.deps.ARM.List(ctx, path, restoreVersion, func(raw json.RawMessage) error {
		var doc document
		if err := json.Unmarshal(raw, &doc); err != nil {
			return unreadable(path, err)
		}
		collections = append(collections, doc.text("id"))
		return nil
	}, arm.CallOptions{Kind: r.Name})
	blind := func(what, why string) {
		o.BlindSpots = append(o.BlindSpots, rotator.BlindSpot{What: what, Why: why})
	}
	switch {
	case rotator.CodeOf(err) == rotator.CodeForbidden:
		blind("restore points", "they cannot be listed: "+err.Error())
		return nil
	case err != nil:
		return err
	case len(collections) > maxCollections:
		blind("restore points", fmt.Sprintf("of %d collections in the subscription none was looked into; copies in them may be under the set", len(collections)))
		return nil
	}
	for _, id := range collections {
		points, err := r.pointsUnder(ctx, id, d.ID)
		switch rotator.CodeOf(err) {
		case "", rotator.CodeNotFound:
		case rotator.CodeForbidden:
			blind("restore points", "a collection cannot be read: "+err.Error())
		default:
			return err
		}
		o.BlindSpots = append(o.BlindSpots, points...)
	}
	return nil
}

// pointsUnder names the restore points of a collection that hold a copy of a disk under a
// set, or may.
func (r *Resource) pointsUnder(ctx context.Context, collection, set string) (blind []rotator.BlindSpot, err error) {
	id, err := arm.ParseResourceID(collection)
	if err != nil {
		return nil, err
	}
	var doc document
	_, err = r.deps.ARM.Get(ctx, id.String(), restoreVersion, &doc, arm.CallOptions{Kind: r.Name, Query: url.Values{"$expand": {"restorePoints"}}})
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(doc.text("id"), id.String()) {
		return nil, unreadable(id.String(), fmt.Errorf("the answer is of %q", doc.text("id")))
	}
	if _, is := doc.at(restorePoints).root.([]any); !is {
		return []rotator.BlindSpot{{What: "restore points", Why: "collection " + id.Name + " does not show them"}}, nil
	}
	for _, point := range doc.list(restorePoints) {
		for _, disk := range append(point.list(restoreData), point.at(restoreOS)) {
			why := ""
			switch under := disk.text(restoreSet); {
			case strings.EqualFold(under, strings.TrimRight(set, "/")):
				why = "it holds copies of disks of the set, and nobody shows which version wraps them"
			case under == "" && disk.has(restoreEncryption) && !strings.EqualFold(disk.text(restoreEncryption+".type"), platformKey):
				why = "it does not show which set a copy is under"
			default:
				continue
			}
			blind = append(blind, rotator.BlindSpot{What: "restore point " + point.text(restoreName), Why: why})
			break
		}
	}
	return blind, nil
}
