package configs

import (
	"time"

	"github.com/goccy/go-yaml"
)

// The tags of the types below are read by the decoder and by the generator of
// the JSON schema: enum lists the values allowed, form names an entry of forms,
// range gives the least and the greatest number or duration, need marks a field
// that must be there. The comments become the descriptions in the schema.

// Config is the whole configuration. After [Load] or [Parse] every default is
// filled in.
type Config struct {
	// Store is the file that holds keys, operations and the event log.
	Store string `yaml:"store" form:"path"`
	// Socket is the unix socket on which the daemon listens for commands.
	Socket string `yaml:"socket" form:"path"`
	// SocketGroup is the group that owns the socket (mode 0660); empty leaves it to
	// the daemon's own group.
	SocketGroup string `yaml:"socket_group,omitempty" form:"account"`
	// Log says what is logged and how.
	Log Log `yaml:"log"`
	// Azure says which cloud cmkd speaks to and as whom.
	Azure Azure `yaml:"azure"`
	// Roles says who may do what over the socket; root may always do everything.
	Roles Roles `yaml:"roles"`
	// Limits bounds what happens at the same time.
	Limits Limits `yaml:"limits"`
	// Alerts says when alerts are raised and who is told of them.
	Alerts Alerts `yaml:"alerts"`
	// Web is the page to look at, and the metrics, over HTTP.
	Web Web `yaml:"web"`
	// Defaults holds what keys say by default.
	Defaults Defaults `yaml:"defaults"`
	// Windows says, by kind, how long a dependent may take before it counts as
	// stalled.
	Windows map[string]Duration `yaml:"windows,omitempty" form:"kind" range:"1m|8760h"`
	// Keys are the keys under management.
	Keys []Key `yaml:"keys"`

	warnings []Problem
}

// Log says what is logged and how.
type Log struct {
	// Level is the least severe level that is logged.
	Level string `yaml:"level" enum:"debug|info|warn|error"`
	// Format is json for machines and journald, console for people.
	Format string `yaml:"format" enum:"json|console"`
}

// Azure says which cloud cmkd speaks to and as whom.
type Azure struct {
	// Cloud is the Azure cloud of all vaults and dependents.
	Cloud string `yaml:"cloud" enum:"public|usgovernment|china"`
	// Credential is how cmkd signs in to Microsoft Entra ID; default tries what the
	// machine offers.
	Credential string `yaml:"credential" enum:"default|environment|managed-identity|workload-identity|client-certificate|azure-cli"`
	// TenantID is the directory to sign in to.
	TenantID string `yaml:"tenant_id,omitempty" form:"guid"`
	// ClientID is the application or the user-assigned identity to sign in as.
	ClientID string `yaml:"client_id,omitempty" form:"guid"`
	// Certificate is for client-certificate: the name of a systemd credential, or an
	// absolute path; never the certificate itself.
	Certificate string `yaml:"certificate,omitempty" form:"credential"`
}

// Roles says who may do what over the socket. Members are written user:NAME,
// group:NAME, uid:NUMBER or gid:NUMBER.
type Roles struct {
	// Viewers may look.
	Viewers []string `yaml:"viewers" form:"member"`
	// Operators may also rotate, retire, revoke, reinstate and cancel.
	Operators []string `yaml:"operators" form:"member"`
	// Approvers may approve what another person asked for.
	Approvers []string `yaml:"approvers" form:"member"`
}

// Limits bounds what happens at the same time.
type Limits struct {
	// Calls is the greatest number of calls to Azure under way at once.
	Calls int `yaml:"calls" range:"1|1024"`
	// RotationsPerVault is the greatest number of rotations under way at once in one
	// vault.
	RotationsPerVault int `yaml:"rotations_per_vault" range:"1|1000"`
}

// Alerts says when alerts are raised and who is told of them.
type Alerts struct {
	// Repeat is how often a receiver, other than an Alertmanager, is told again of an
	// alert that goes on; 0s never, else at least 1m.
	Repeat Duration `yaml:"repeat" range:"0s|31d"`
	// PreflightAhead is how long before a scheduled rotation cmkd checks whether it
	// could begin; 0s does not check.
	PreflightAhead Duration `yaml:"preflight_ahead" range:"0s|31d"`
	// ExpiryAhead is how long before a version expires, with no rotation scheduled
	// before, an alert is raised; 0s raises none.
	ExpiryAhead Duration `yaml:"expiry_ahead" range:"0s|366d"`
	// RetireAfter is for how long a rotation may wait for a person to say that the
	// previous version may go before an alert is raised; 0s for ever.
	RetireAfter Duration `yaml:"retire_after" range:"0s|366d"`
	// Runbook is where docs/alerts.md is published, a URL or the absolute path of a
	// file; alerts link to it, followed by # and the rule. By default it is the copy
	// that is installed with cmkd.
	Runbook string `yaml:"runbook,omitempty" form:"runbook"`
	// Receivers are told of alerts.
	Receivers []Receiver `yaml:"receivers"`
}

// Receiver is told of alerts in one way: exactly one of Alertmanager, Shoutrrr
// and Exec is there.
type Receiver struct {
	// Name is what people and commands call the receiver; it should stay, for what a
	// receiver was told is remembered by it.
	Name string `yaml:"name" form:"receiver" need:"true"`
	// Alertmanager hands alerts to Prometheus Alertmanager.
	Alertmanager *Alertmanager `yaml:"alertmanager,omitempty"`
	// Shoutrrr sends messages by mail and to chat services.
	Shoutrrr *Shoutrrr `yaml:"shoutrrr,omitempty"`
	// Exec runs a program that reads the alerts as JSON.
	Exec *Exec `yaml:"exec,omitempty"`
	// Severity is the least severity that it is told of.
	Severity string `yaml:"severity" enum:"info|warning|critical"`
	// Rules are the rules whose alerts it is told of; empty for all.
	Rules []string `yaml:"rules,omitempty" form:"rule"`
	// Keys are the names of the keys whose alerts it is told of; empty for all, and
	// for what concerns no key.
	Keys []string `yaml:"keys,omitempty" form:"name"`
	// Repeat overrides how often it is told again. An Alertmanager has its own
	// repeat_interval and is told every two minutes, whatever stands here.
	Repeat Duration `yaml:"repeat" range:"0s|31d"`
}

// Alertmanager is a Prometheus Alertmanager, spoken to by its API of version 2.
type Alertmanager struct {
	// URLs are the base URLs of all its replicas, each of which is told; http is for
	// this machine only.
	URLs []string `yaml:"urls" form:"alertmanager" need:"true"`
	// Credential is for a bearer token: the name of a systemd credential, or an
	// absolute path; never the token itself.
	Credential string `yaml:"credential,omitempty" form:"credential"`
	// CA is a file with the certificates to trust instead of the machine's.
	CA string `yaml:"ca,omitempty" form:"path"`
}

// Shoutrrr is a service that shoutrrr can send to.
type Shoutrrr struct {
	// Credential is for the service URL, which holds secrets: the name of a systemd
	// credential, or an absolute path; never the URL itself.
	Credential string `yaml:"credential" form:"service" need:"true"`
}

// Exec is a program that is run for each delivery, inside the daemon's sandbox.
type Exec struct {
	// Command is the absolute path of the program, and its arguments.
	Command []string `yaml:"command" form:"argument" need:"true"`
	// Timeout is how long it may run before it is ended and tried again later.
	Timeout Duration `yaml:"timeout" range:"1s|5m"`
}

// Web is the page to look at, and the metrics, over HTTP.
type Web struct {
	// Listen is an address and port, or unix: and the absolute path of a socket; empty
	// serves nothing.
	Listen string `yaml:"listen" form:"listen"`
	// Certificate is a PEM file with certificate and key: the name of a systemd
	// credential, or an absolute path. Needed where others can connect.
	Certificate string `yaml:"certificate,omitempty" form:"credential"`
	// Credential is for the bearer token that visitors must show: the name of a
	// systemd credential, or an absolute path. Needed where others can connect.
	Credential string `yaml:"credential,omitempty" form:"credential"`
	// Hosts are the names by which browsers may reach it, beside the address itself
	// and localhost.
	Hosts []string `yaml:"hosts,omitempty" form:"host"`
}

// Defaults holds what keys say by default.
type Defaults struct {
	// Timezone is the IANA time zone in which schedules are read.
	Timezone string `yaml:"timezone" form:"zone"`
	// Jitter delays each scheduled rotation by a part of it that depends on the key
	// alone.
	Jitter Duration `yaml:"jitter" range:"0s|744h"`
	// Misfire says what to do about a scheduled time that passed while the daemon
	// was stopped.
	Misfire string `yaml:"misfire" enum:"catch-up|skip|alert"`
	// Retire says what becomes of the previous version once every dependent has left
	// it.
	Retire string `yaml:"retire" enum:"manual|auto|off"`
	// Method says how a new version is made; auto rotates, and creates where the
	// vault forbids rotation.
	Method string `yaml:"method" enum:"auto|rotate|create"`
	// Soak is how long all dependents must have been on the new version before the
	// previous one may be retired.
	Soak Duration `yaml:"soak" range:"0s|8760h"`
	// Require is the weakest evidence that counts as done.
	Require string `yaml:"require" enum:"inferred|observed|confirmed"`
	// OnTamper says what is done about a version that somebody else disabled while a
	// dependent uses it: alert, or re-enable, once for each time.
	OnTamper string `yaml:"on_tamper" enum:"alert|re-enable"`
	// Nudge says when a dependent may be made to re-read its key, which needs write
	// permission on it.
	Nudge string `yaml:"nudge" enum:"never|when-stalled|always"`
	// Discover says where to search for dependents that nobody listed: a list of
	// subscriptions; by default, and with an empty list, all that the identity sees.
	// While it is off, nothing is retired.
	Discover Discover `yaml:"discover" form:"guid"`
}

// Key is one key under management. What it leaves out comes from [Defaults].
type Key struct {
	// Name is the short name by which people and commands call the key.
	Name string `yaml:"name" form:"name" need:"true"`
	// URI is the key's identifier without a version.
	URI string `yaml:"uri" form:"key" need:"true"`
	// Schedule is when the key is rotated: five cron fields or a descriptor such as
	// @monthly; empty means on demand only.
	Schedule string `yaml:"schedule,omitempty"`
	// Timezone is the IANA time zone in which the schedule is read.
	Timezone string `yaml:"timezone" form:"zone"`
	// Jitter delays each scheduled rotation by a part of it that depends on the key
	// alone.
	Jitter Duration `yaml:"jitter" range:"0s|744h"`
	// Misfire says what to do about a scheduled time that passed while the daemon
	// was stopped.
	Misfire string `yaml:"misfire" enum:"catch-up|skip|alert"`
	// Retire says what becomes of the previous version once every dependent has left
	// it.
	Retire string `yaml:"retire" enum:"manual|auto|off"`
	// Method says how a new version is made; auto rotates, and creates where the
	// vault forbids rotation.
	Method string `yaml:"method" enum:"auto|rotate|create"`
	// Soak is how long all dependents must have been on the new version before the
	// previous one may be retired.
	Soak Duration `yaml:"soak" range:"0s|8760h"`
	// TwoPerson demands a second person's approval of a revocation.
	TwoPerson bool `yaml:"two_person"`
	// Require is the weakest evidence that counts as done.
	Require string `yaml:"require" enum:"inferred|observed|confirmed"`
	// OnTamper says what is done about a version that somebody else disabled while a
	// dependent uses it: alert, or re-enable, once for each time.
	OnTamper string `yaml:"on_tamper" enum:"alert|re-enable"`
	// Nudge is the default of the key's dependents.
	Nudge string `yaml:"nudge" enum:"never|when-stalled|always"`
	// Discover says where to search for dependents that nobody listed: a list of
	// subscriptions; by default, and with an empty list, all that the identity sees.
	// While it is off, nothing is retired.
	Discover Discover `yaml:"discover" form:"guid"`
	// Windows overrides the windows of kinds for this key's dependents.
	Windows map[string]Duration `yaml:"windows,omitempty" form:"kind" range:"1m|8760h"`
	// Dependents are the resources whose data keys this key wraps.
	Dependents []Dependent `yaml:"dependents"`
}

// Dependent is a resource whose data key is wrapped by a key.
type Dependent struct {
	// ID is the Azure resource id.
	ID string `yaml:"id,omitempty" form:"resource"`
	// Manual names, in the place of an id, what is in no Azure: an appliance, another
	// cloud, tapes. cmkd cannot read it; before the previous version is retired somebody
	// attests that it does not need it.
	Manual string `yaml:"manual,omitempty" form:"label"`
	// GivenKind is manual for a resource that cmkd cannot read, which is attested for in
	// the same way.
	GivenKind string `yaml:"kind,omitempty" enum:"manual"`
	// Kind is the service: GivenKind, or what [Checks.KindOf] tells; empty if nothing
	// told. It is not written in a configuration.
	Kind string `yaml:"-"`
	// Name is what people call the dependent; by default the last part of its id.
	Name string `yaml:"name,omitempty" form:"label"`
	// Nudge says when the dependent may be made to re-read its key, which needs
	// write permission on it.
	Nudge string `yaml:"nudge" enum:"never|when-stalled|always"`
	// Recreate consents to re-creating a dependent that can take a new version in no
	// other way.
	Recreate bool `yaml:"recreate"`
	// Window is how long the dependent may take before it counts as stalled; by
	// default its kind's.
	Window Duration `yaml:"window,omitempty" range:"1m|8760h"`
	// Poll is how often the dependent is observed; by default derived from its
	// window.
	Poll Duration `yaml:"poll,omitempty" range:"10s|168h"`
	// Exclude is the reason for leaving the dependent out; it is kept in the audit
	// trail.
	Exclude string `yaml:"exclude,omitempty" form:"reason"`
	// Settings are the kind's own.
	Settings map[string]string `yaml:"settings,omitempty"`
}

// Default returns the configuration of an empty file.
func Default() *Config {
	return &Config{
		Store:  "/var/lib/cmkd/cmkd.db",
		Socket: "/run/cmkd/cmkd.sock",
		Log:    Log{Level: "info", Format: "json"},
		Azure:  Azure{Cloud: "public", Credential: "default"},
		Limits: Limits{Calls: 16, RotationsPerVault: 4},
		Alerts: Alerts{
			Repeat: Duration(4 * time.Hour), PreflightAhead: Duration(day), ExpiryAhead: Duration(30 * day), RetireAfter: Duration(3 * day),
			Runbook: "/usr/share/doc/cmkd/alerts.md",
		},
		Defaults: Defaults{
			Timezone: "UTC", Misfire: "catch-up", Retire: "manual", Method: "auto",
			Soak: Duration(time.Hour), Require: "inferred", OnTamper: "alert", Nudge: "never",
		},
	}
}

// Warnings returns what is allowed in the configuration and yet looks wrong,
// sorted by line.
func (c *Config) Warnings() []Problem { return c.warnings }

// Marshal renders a configuration as YAML that [Parse] reads back.
func Marshal(c *Config) ([]byte, error) {
	return yaml.MarshalWithOptions(c, yaml.IndentSequence(true))
}
