package azuresim

import (
	"fmt"
	"strings"
	"time"
)

// Duration is a length of time in a scenario: Go's notation, or days as "7d".
type Duration struct {
	time.Duration
	// invalid keeps a text that is no duration, so that validation can name
	// its line.
	invalid string
}

// For makes a Duration in Go code.
func For(d time.Duration) Duration { return Duration{Duration: d} }

// UnmarshalYAML reads the notation. It accepts every text; [ParseScenario]
// reports the bad ones together with everything else that is wrong.
func (d *Duration) UnmarshalYAML(b []byte) error {
	s := strings.Trim(strings.TrimSpace(string(b)), `"'`)
	notation, days := s, strings.TrimSuffix(s, "d")
	if days != s {
		notation = days + "h"
	}
	parsed, err := time.ParseDuration(notation)
	if err != nil {
		*d = Duration{invalid: s}
		return nil //nolint:nilerr // ParseScenario reports it, with its line
	}
	if days != s {
		parsed *= 24
	}
	*d = Duration{Duration: parsed}
	return nil
}

// or returns d, or fallback when d was not given.
func (d Duration) or(fallback time.Duration) time.Duration {
	if d.Duration == 0 {
		return fallback
	}
	return d.Duration
}

// Scenario declares an estate, its faults and what happens when. Read it with
// [ParseScenario], or fill one in Go.
type Scenario struct {
	// Name is that of the file or of the embedded scenario.
	Name string `yaml:"-"`
	// Description says what the scenario shows.
	Description string `yaml:"description"`
	// Start is the virtual epoch, RFC 3339. Default 2026-01-05T08:00:00Z.
	Start string `yaml:"start"`
	// Seed makes everything random repeatable.
	Seed uint64 `yaml:"seed"`
	// Speed is how many virtual seconds pass in a real one; for the command.
	Speed float64 `yaml:"speed"`
	// Tenant is the Entra tenant's GUID.
	Tenant string `yaml:"tenant"`
	// PageSize is how many resources a list of Azure Resource Manager has a
	// page. Default 100.
	PageSize int `yaml:"page_size"`
	// EnforceLimits answers 429 beyond the token buckets of facts §3 and beyond what
	// vaults and their subscriptions serve in ten seconds (facts §2).
	EnforceLimits bool `yaml:"enforce_limits"`
	// GraphLag is how far Resource Graph's index is behind; without it the quirk
	// graph_lag says.
	GraphLag Duration `yaml:"graph_lag"`
	// Quirks answers what the facts leave open, by name; see quirk.go. What is not
	// given is drawn by the seed.
	Quirks map[string]any `yaml:"quirks"`
	// AuditLag is how long entries of the vaults' audit log take to arrive.
	// Default 5m; Azure says within 10 minutes.
	AuditLag Duration `yaml:"audit_lag"`
	// Operations sets the pace of long-running operations.
	Operations OperationSpec `yaml:"operations"`
	// Clients may log in. With none, every client id and secret may.
	Clients []ClientSpec `yaml:"clients"`
	// Subscriptions of the tenant; those that resources name are added.
	Subscriptions []SubscriptionSpec `yaml:"subscriptions"`
	// Vaults are key vaults and managed HSMs.
	Vaults []VaultSpec `yaml:"vaults"`

	StorageAccounts    []StorageSpec        `yaml:"storage_accounts"`
	CosmosDBAccounts   []CosmosSpec         `yaml:"cosmosdb_accounts"`
	DiskEncryptionSets []DiskSetSpec        `yaml:"disk_encryption_sets"`
	Disks              []DiskSpec           `yaml:"disks"`
	VirtualMachines    []MachineSpec        `yaml:"virtual_machines"`
	ManagedClusters    []ClusterSpec        `yaml:"managed_clusters"`
	ContainerGroups    []ContainerGroupSpec `yaml:"container_groups"`
	// Resources are whole documents of Azure Resource Manager, by their id.
	Resources []map[string]any `yaml:"resources"`

	// Faults are what goes wrong.
	Faults []Fault `yaml:"faults"`
	// Events are what happens at a moment.
	Events []Event `yaml:"events"`
}

// OperationSpec sets the pace of long-running operations.
type OperationSpec struct {
	// Duration of each operation in virtual time. Default 10s.
	Duration Duration `yaml:"duration"`
	// RetryAfter is sent with each answer about a running operation, in whole
	// seconds. Default 1s.
	RetryAfter Duration `yaml:"retry_after"`
}

// ClientSpec is a service principal.
type ClientSpec struct {
	ID       string `yaml:"id"`
	Secret   string `yaml:"secret"`
	ObjectID string `yaml:"object_id"`
	Name     string `yaml:"name"`
	// Roles are names of built-in roles; see roles.go. None means that
	// everything is allowed.
	Roles []string `yaml:"roles"`
	// Deny takes actions away again.
	Deny []DenySpec `yaml:"deny"`
}

// DenySpec takes an action away from a client.
type DenySpec struct {
	// Action is a glob over names such as
	// Microsoft.KeyVault/vaults/keys/rotate/action.
	Action string `yaml:"action"`
	// Scope is the beginning of a resource id; empty means everywhere.
	Scope string `yaml:"scope"`
}

// SubscriptionSpec is a subscription.
type SubscriptionSpec struct {
	ID   string `yaml:"id"`
	Name string `yaml:"name"`
}

// Place says where a resource lives, and how many of them there are.
type Place struct {
	// Name of the resource. With Count above 1 it must hold {n}, which stands
	// for the number from 1.
	Name string `yaml:"name"`
	// Count makes several of them.
	Count int `yaml:"count"`
	// ResourceGroup, default "contoso".
	ResourceGroup string `yaml:"resource_group"`
	// Subscription, default the first one of the scenario.
	Subscription string `yaml:"subscription"`
	// Location, default westeurope.
	Location string            `yaml:"location"`
	Tags     map[string]string `yaml:"tags"`
}

// VaultSpec is a key vault or a managed HSM.
type VaultSpec struct {
	Place `yaml:",inline"`
	// HSM makes it a managed HSM (managedhsm.azure.net).
	HSM bool `yaml:"hsm"`
	// PurgeProtection forbids to purge deleted keys.
	PurgeProtection bool `yaml:"purge_protection"`
	// RetentionDays of deleted keys, 7 to 90. Default 90.
	RetentionDays int `yaml:"retention_days"`
	// ReadLag is for how long readers still see the state before a change.
	ReadLag Duration `yaml:"read_lag"`
	// SettleAfterDelete is for how long a deleted or recovered key is not
	// found at its new place; without it the quirk settle_after_delete says.
	SettleAfterDelete Duration  `yaml:"settle_after_delete"`
	Keys              []KeySpec `yaml:"keys"`
}

// KeySpec is a key.
type KeySpec struct {
	Name string `yaml:"name"`
	// Count makes several, with {n} in the name.
	Count int `yaml:"count"`
	// Type is RSA (default), EC, RSA-HSM or EC-HSM.
	Type string `yaml:"type"`
	// Size of RSA keys: 2048 (default), 3072, 4096.
	Size int `yaml:"size"`
	// Curve of EC keys: P-256 (default), P-384, P-521.
	Curve string `yaml:"curve"`
	// Versions of it, oldest first. Default one, created at the start.
	Versions []VersionSpec `yaml:"versions"`
	// Policy is the rotation policy.
	Policy *PolicySpec       `yaml:"rotation_policy"`
	Tags   map[string]string `yaml:"tags"`
}

// VersionSpec is one version of a key, or several alike.
type VersionSpec struct {
	// ID of the version, 32 hexadecimal digits; made from the seed by default.
	ID string `yaml:"id"`
	// Age at the start of the scenario.
	Age Duration `yaml:"age"`
	// Count makes several, a second apart.
	Count int `yaml:"count"`
	// Disabled versions cannot be used.
	Disabled bool `yaml:"disabled"`
	// Expires is when it expires, counted from the start of the scenario.
	Expires Duration          `yaml:"expires"`
	Tags    map[string]string `yaml:"tags"`
}

// PolicySpec is a rotation policy, with durations in ISO 8601 as in the API.
type PolicySpec struct {
	RotateAfterCreate  string `yaml:"rotate_after_create"`
	RotateBeforeExpiry string `yaml:"rotate_before_expiry"`
	NotifyBeforeExpiry string `yaml:"notify_before_expiry"`
	ExpiryTime         string `yaml:"expiry_time"`
}

// Pace says how fast a service follows its key. What is not given has the
// default of its kind (see behaviour.go).
type Pace struct {
	// Check is how often the service looks for a new version.
	Check Duration `yaml:"check"`
	// FirstCheck is when it looks first, from the start of the scenario.
	FirstCheck Duration `yaml:"first_check"`
	// Jitter is added to each resource's first check, up to this much.
	Jitter Duration `yaml:"jitter"`
	// Rewrap is how long re-wrapping takes after a switch.
	Rewrap Duration `yaml:"rewrap"`
	// DenyAfter is how long the service goes on after its version is disabled.
	DenyAfter Duration `yaml:"deny_after"`
	// RecoverAfter is how long it takes to come back after a re-enable.
	RecoverAfter Duration `yaml:"recover_after"`
	// Stuck services never switch by themselves.
	Stuck bool `yaml:"stuck"`
	// Unnudged services do not re-read their key on an update either.
	Unnudged bool `yaml:"unnudged"`
}

// Protected is a resource under a customer-managed key.
type Protected struct {
	Place `yaml:",inline"`
	// Key is "vault/key"; empty means Microsoft-managed keys.
	Key string `yaml:"key"`
	// Version pins: an id, latest, previous or oldest. Empty follows.
	Version string `yaml:"version"`
	Pace    Pace   `yaml:"pace"`
}

// StorageSpec is a storage account.
type StorageSpec struct {
	Protected `yaml:",inline"`
	// Containers of blobs.
	Containers []string `yaml:"containers"`
}

// CosmosSpec is a Cosmos DB account.
type CosmosSpec struct {
	Protected `yaml:",inline"`
}

// DiskSetSpec is a disk encryption set. It always names a version; whether it
// follows is said by AutoRotate.
type DiskSetSpec struct {
	Protected `yaml:",inline"`
	// AutoRotate sets rotationToLatestKeyVersionEnabled.
	AutoRotate bool `yaml:"auto_rotate"`
	// Disks is how many data disks to make on the set, named after it.
	Disks int `yaml:"disks"`
}

// DiskSpec is a managed disk.
type DiskSpec struct {
	Place `yaml:",inline"`
	// DiskEncryptionSet is the name of a set of the scenario.
	DiskEncryptionSet string `yaml:"disk_encryption_set"`
}

// MachineSpec is a virtual machine; its system disk is made with it.
type MachineSpec struct {
	Place             `yaml:",inline"`
	DiskEncryptionSet string   `yaml:"disk_encryption_set"`
	DataDisks         []string `yaml:"data_disks"`
	// StopAfter is how long it runs on after its disks' key is gone.
	StopAfter Duration `yaml:"stop_after"`
	// StaysDown leaves it stopped after the key came back, until it is started;
	// the quirk machines_start can say so of all.
	StaysDown bool `yaml:"stays_down"`
}

// ClusterSpec is a managed Kubernetes cluster.
type ClusterSpec struct {
	Place             `yaml:",inline"`
	DiskEncryptionSet string `yaml:"disk_encryption_set"`
	// KMSKey is "vault/key" for the encryption of etcd, pinned to KMSVersion.
	KMSKey     string `yaml:"kms_key"`
	KMSVersion string `yaml:"kms_version"`
}

// ContainerGroupSpec is a container group; it is always pinned.
type ContainerGroupSpec struct {
	Protected `yaml:",inline"`
	Image     string `yaml:"image"`
}

// start returns the virtual epoch.
func (s *Scenario) start() (time.Time, error) {
	if s.Start == "" {
		return time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC), nil
	}
	t, err := time.Parse(time.RFC3339, s.Start)
	if err != nil {
		return time.Time{}, fmt.Errorf("read start: %w", err)
	}
	return t.UTC(), nil
}

// Epoch returns the virtual moment at which the scenario starts.
func (s *Scenario) Epoch() time.Time {
	t, err := s.start()
	if err != nil {
		return time.Unix(0, 0).UTC()
	}
	return t
}

// tenant returns the tenant's id.
func (s *Scenario) tenant() string {
	if s.Tenant != "" {
		return s.Tenant
	}
	return mint{s.Seed}.guid("tenant")
}

// TenantID returns the id of the tenant, also where the scenario leaves it to
// the seed.
func (s *Scenario) TenantID() string { return s.tenant() }
