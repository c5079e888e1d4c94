package azuresim

import (
	"cmp"
	"fmt"
	"math"
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
// reports the bad ones together with everything else that is wrong. It asks for
// the value and not for its bytes: for those the library walks the whole file
// each time, which took minutes for thousands of resources.
func (d *Duration) UnmarshalYAML(unmarshal func(any) error) error {
	var s string
	if err := unmarshal(&s); err != nil {
		return err
	}
	parsed, err := ParseDuration(s)
	if err != nil {
		*d = Duration{invalid: cmp.Or(s, "null")}
		return nil //nolint:nilerr // ParseScenario reports it, with its line
	}
	*d = Duration{Duration: parsed}
	return nil
}

// ParseDuration reads a length of time as scenarios write it: Go's notation, or
// days as "7d".
func ParseDuration(s string) (time.Duration, error) {
	notation, days := s, strings.TrimSuffix(s, "d")
	if days != s {
		notation = days + "h"
	}
	parsed, err := time.ParseDuration(notation)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration; write it like 90s, 24h or 7d", s)
	}
	if days != s {
		if parsed.Abs() > math.MaxInt64/24 {
			return 0, fmt.Errorf("%q is too long", s)
		}
		parsed *= 24
	}
	return parsed, nil
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
	Name   string `yaml:"-"`
	source []byte // the text that it was read from, nil if it was made in Go
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
	// RoleAssignments are roles of any principals, as of services' identities.
	RoleAssignments []RoleAssignmentSpec `yaml:"role_assignments"`
	// CustomRoles are role definitions beside the built-in ones.
	CustomRoles []CustomRoleSpec `yaml:"custom_roles"`
	// DenyAssignments take actions away from everybody.
	DenyAssignments []DenyAssignmentSpec `yaml:"deny_assignments"`
	// Locks keep scopes from being changed or deleted.
	Locks []LockSpec `yaml:"locks"`
	// Policies are assignments of Azure Policy that deny.
	Policies []AzurePolicySpec `yaml:"policies"`
	// RoleLag is how long a change of role assignments takes to count. Default
	// by the seed, up to ten minutes.
	RoleLag Duration `yaml:"role_lag"`
	// PartialLists says what a list by type answers to somebody who may read
	// only some of it: filter (those) or refuse (403). Default by the seed.
	PartialLists string `yaml:"partial_lists"`
	// Subscriptions of the tenant; those that resources name are added.
	Subscriptions []SubscriptionSpec `yaml:"subscriptions"`
	// Vaults are key vaults and managed HSMs.
	Vaults []VaultSpec `yaml:"vaults"`

	StorageAccounts    []StorageSpec        `yaml:"storage_accounts"`
	CosmosDBAccounts   []CosmosSpec         `yaml:"cosmosdb_accounts"`
	DiskEncryptionSets []DiskSetSpec        `yaml:"disk_encryption_sets"`
	Disks              []DiskSpec           `yaml:"disks"`
	Snapshots          []DiskSpec           `yaml:"snapshots"`
	Images             []DiskSpec           `yaml:"images"`
	VirtualMachines    []MachineSpec        `yaml:"virtual_machines"`
	RestorePoints      []RestorePointSpec   `yaml:"restore_points"`
	ManagedClusters    []ClusterSpec        `yaml:"managed_clusters"`
	ContainerGroups    []ContainerGroupSpec `yaml:"container_groups"`
	// Dependents are resources of further kinds.
	Dependents []DependentSpec `yaml:"dependents"`
	// Workspaces are those of Log Analytics.
	Workspaces []WorkspaceSpec `yaml:"workspaces"`
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
	// Roles are names of built-in roles (see roles.go) or custom ones, at all
	// scopes. Without any, and without Assignments, everything is allowed.
	Roles []string `yaml:"roles"`
	// Assignments are roles at a scope.
	Assignments []AssignmentSpec `yaml:"assignments"`
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
	// State is Enabled (default), Warned, PastDue, Disabled or Deleted. Warned
	// and disabled ones are read only.
	State string `yaml:"state"`
	// Unregistered are namespaces of resource providers that the subscription
	// does not use, as Microsoft.DocumentDB.
	Unregistered []string `yaml:"unregistered"`
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
	// AccessPolicies govern the vault instead of roles, also when the list is
	// empty.
	AccessPolicies []AccessPolicySpec `yaml:"access_policies"`
	// EnforceAccess lets services use keys of the vault only with a role or an
	// access policy that allows it to their identity.
	EnforceAccess bool `yaml:"enforce_access"`
	// Diagnostics is where the audit log goes: none, or a setting. Without it
	// the log has always been in every workspace.
	Diagnostics *DiagnosticsSpec `yaml:"diagnostics"`
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
	// Scopes are its encryption scopes.
	Scopes []ScopeSpec `yaml:"scopes"`
}

// ScopeSpec is an encryption scope of a storage account; it has the account's
// identity and pace.
type ScopeSpec struct {
	// Name may hold the account's {n}.
	Name string `yaml:"name"`
	// Key is "vault/key"; empty means Microsoft-managed keys.
	Key string `yaml:"key"`
	// Version pins: an id, latest, previous or oldest. Empty follows.
	Version string `yaml:"version"`
	// State is Enabled (default) or Disabled.
	State string `yaml:"state"`
	// Containers of blobs whose default scope it is.
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
	// Snapshots is how many snapshots to make on the set, named after it.
	Snapshots int `yaml:"snapshots"`
}

// RestorePointSpec is a restore point with copies of a machine's disks.
type RestorePointSpec struct {
	Place `yaml:",inline"`
	// Collection that it is in, made if it is new. Default its name and
	// "-collection".
	Collection string `yaml:"collection"`
	// VirtualMachine of the same resource group whose disks it has. Without one it
	// has one disk.
	VirtualMachine string `yaml:"virtual_machine"`
	// DiskEncryptionSet of the copies. Default that of each disk.
	DiskEncryptionSet string `yaml:"disk_encryption_set"`
	// Version of the set's key under which they were made: an id, latest, previous
	// or oldest. Default the one in use at the start.
	Version string `yaml:"version"`
}

// DiskSpec is a managed disk, a snapshot or an image.
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
	// KMSDesign is legacy (default), which is pinned, or new, which follows.
	KMSDesign string `yaml:"kms_design"`
	// Pools are its node pools, the first one the system's, each a scale set in the
	// node resource group. Without them it has a profile of three nodes, and no
	// scale set.
	Pools []PoolSpec `yaml:"pools"`
	// Volumes is how many disks to make for persistent volumes in the node resource
	// group, on StorageClassSet, or else on the cluster's own set. Nothing in the
	// cluster names that set.
	Volumes         int    `yaml:"volumes"`
	StorageClassSet string `yaml:"storage_class_set"`
	// Pace of the new design of KMS, and of how the loss of its key is felt.
	Pace Pace `yaml:"pace"`
}

// PoolSpec is a node pool of a cluster.
type PoolSpec struct {
	Name string `yaml:"name"`
	// Nodes, default 3.
	Nodes int `yaml:"nodes"`
	// Ephemeral gives nodes disks that keep the version they were built with.
	Ephemeral bool `yaml:"ephemeral"`
	// Version of the set's key under which ephemeral nodes were built: an id, latest,
	// previous or oldest. Default the one in use at the start.
	Version string `yaml:"version"`
}

// ContainerGroupSpec is a container group, pinned to a version (latest by default)
// unless it follows.
type ContainerGroupSpec struct {
	Protected `yaml:",inline"`
	Image     string `yaml:"image"`
	// Follows leaves the version empty: each start takes the newest.
	Follows bool `yaml:"follows"`
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
