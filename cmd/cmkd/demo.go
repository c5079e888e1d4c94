package main

import (
	"context"
	_ "embed" // the configuration of the demo
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/template"
	"time"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"

	"github.com/spf13/cobra"
)

const (
	// demoSpeed lets an hour pass in a second: a rotation that waits for a
	// service that looks once a day takes some 25 s.
	demoSpeed = 3600
	// demoKey is the key of demo.yaml.
	demoKey = "payments"
	// demoPatience is more than all of it takes.
	demoPatience = 4 * time.Minute
)

//go:embed demo.yaml
var demoConfig string

// demoEstate is what the scenario "estate" has beside those of "demo": a dependent of every kind.
var demoEstate = []string{
	"Microsoft.ContainerRegistry/registries/contosoml", "Microsoft.DBforPostgreSQL/flexibleServers/contoso-metadata",
	"Microsoft.DBforMySQL/flexibleServers/contoso-legacy", "Microsoft.AppConfiguration/configurationStores/contoso-settings",
	"Microsoft.OperationalInsights/clusters/contoso-logs", "Microsoft.Kusto/clusters/contosotelemetry",
	"Microsoft.NetApp/netAppAccounts/contoso-datasets", "Microsoft.CognitiveServices/accounts/contoso-openai",
	"Microsoft.DataProtection/backupVaults/contoso-backups", "Microsoft.EventHub/namespaces/contoso-features",
	"Microsoft.ServiceBus/namespaces/contoso-jobs", "Microsoft.ElasticSan/elasticSans/contoso-scratch/volumeGroups/contoso-scratch",
	"Microsoft.MachineLearningServices/workspaces/contoso-training",
}

func (a *app) demoCmd() *cobra.Command {
	var keep, estate bool
	var speed float64
	c := &cobra.Command{
		Use:   "demo",
		Short: "Rotate, retire, revoke and reinstate a key in a simulated Azure, in under a minute",
		Long: `Start a simulated Azure and a daemon as processes of their own, on a clock by which an
hour passes in a second; rotate a key with a dependent of each kind and watch it
propagate: one is confirmed, one only inferred, of one something cannot be seen, and one
was forgotten in the configuration and is found by the guard. Clear that up, retire the
old version and watch its probation, revoke the key and reinstate it, and check the audit
trail. With --estate there is a dependent of every kind, each of which ends proven or held
for a reason, until a person attests; the key is not revoked. Nothing outside of a temporary directory is touched, and nothing but
this machine is spoken to.`,
		Example: `  cmkd demo
  cmkd demo --estate    # a dependent of every kind; some two minutes
  cmkd demo --keep      # leave the directory, to look at the logs and the store`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			// The demo's processes end when the thread that started them does.
			runtime.LockOSThread()
			ctx, cancel := context.WithTimeout(c.Context(), demoPatience)
			defer cancel()
			d := demonstration{app: a, estate: estate, keep: keep, speed: speed}
			return d.run(ctx)
		},
	}
	c.Flags().BoolVar(&keep, "keep", false, "keep the temporary directory")
	c.Flags().BoolVar(&estate, "estate", false, "show a dependent of every kind")
	c.Flags().Float64Var(&speed, "speed", demoSpeed, "simulated seconds in a real one")
	return c
}

// demonstration is one run of the demo.
type demonstration struct {
	*app
	estate, keep bool
	speed        float64
}

// scenario is what is simulated.
func (d *demonstration) scenario() string {
	if d.estate {
		return "estate"
	}
	return "demo"
}

func (d *demonstration) run(ctx context.Context) (err error) {
	a := d.app
	began := time.Now()
	dir, err := os.MkdirTemp("", "cmkd-demo-")
	if err != nil {
		return fmt.Errorf("make a temporary directory: %w", err)
	}
	defer func() {
		if d.keep {
			a.say("Everything is left in %s", dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	page, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	configure := func(whole bool) error { return d.configure(dir, page, whole) }
	if err := configure(false); err != nil {
		return err
	}
	a.say("SIMULATED: this is a simulated Azure on this machine. No real key or resource is touched.")
	// Both are to outlive ctx, so that they are stopped in order.
	apart := context.WithoutCancel(ctx)
	sim, info, err := simulated(apart, dir, d.scenario(), d.speed)
	if sim != nil {
		defer func() { err = errors.Join(err, sim.stop()) }()
	}
	if err != nil {
		return err
	}
	daemon, err := served(apart, dir, &info)
	if daemon != nil {
		defer func() { err = errors.Join(err, daemon.stop()) }()
	}
	if err != nil {
		return err
	}
	a.socket = filepath.Join(dir, "cmkd.sock")
	a.say("While it runs, the daemon's page is at http://%s/", page)
	err = d.scenes(ctx, configure)
	if errors.Is(ctx.Err(), context.Canceled) {
		a.tell("the demo was interrupted; its processes are stopped")
		return err
	}
	if err != nil {
		return fmt.Errorf("%w\nthe daemon's last words:\n%s", err, daemon.tail())
	}
	a.say("\nThe demo took %s. It was SIMULATED. What to do next: cmkd config init", time.Since(began).Round(time.Second))
	return nil
}

// freeAddress returns a loopback address on which nobody listens at the moment.
func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("look for a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// configure writes the configuration, whole or without the dependent that somebody
// forgot to list.
func (d *demonstration) configure(dir, page string, whole bool) error {
	t, err := template.New("demo").Parse(demoConfig)
	if err != nil {
		return fmt.Errorf("configuration of the demo: %w", err)
	}
	var estate []string
	if d.estate {
		estate = demoEstate
	}
	var text strings.Builder
	if err := t.Execute(&text, struct {
		Dir, Page string
		UID       int
		Whole     bool
		Estate    []string
	}{dir, page, os.Getuid(), whole, estate}); err != nil {
		return fmt.Errorf("configuration of the demo: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cmkd.yaml"), []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("configuration of the demo: %w", err)
	}
	return nil
}

// scene is what a person would type, and what it does.
type scene struct {
	title string
	play  func() error
}

// scenes shows what a person would do.
func (d *demonstration) scenes(ctx context.Context, configure func(whole bool) error) error {
	a, client := d.app, d.client()
	defer client.Close()
	why := control.CommandRequest{Reason: "cmkd demo", Confirm: demoKey}
	all := []scene{
		{"cmkd status", func() error { return a.statusAll(ctx, client, false) }},
		{"cmkd rotate payments --wait", func() error { return needsSomebody(a.scene(ctx, client, why, client.Rotate)()) }},
		{"cmkd status payments", func() error { return needsSomebody(a.statusKey(ctx, client, demoKey, false)) }},
		{"cmkd plan payments --retire", func() error { return needsSomebody(a.showRetirement(ctx, client, demoKey)) }},
		{"vi cmkd.yaml; systemctl reload cmkd", func() error { return a.demoList(ctx, client, configure) }},
		{"cmkd attest payments DEPENDENT --reason \"cmkd demo\" --until 1d", func() error { return a.demoAttest(ctx, client) }},
		{"cmkd status op-1 --watch", func() error { return a.follow(ctx, client, 1, 0) }},
	}
	if d.estate {
		all = append(all, scene{"cmkd status payments", func() error { return a.statusKey(ctx, client, demoKey, false) }})
	} else {
		all = append(all, scene{"cmkd revoke payments --confirm payments --wait", func() error {
			if err := a.confirmRevocation(ctx, client, demoKey, demoKey); err != nil {
				return err
			}
			return a.scene(ctx, client, why, client.Revoke)()
		}}, scene{"cmkd reinstate payments --wait", a.scene(ctx, client, why, client.Reinstate)})
	}
	for _, scene := range append(all, []scene{
		{"cmkd history", func() error { return a.demoHistory(ctx, client) }},
		{"cmkd events", func() error { return a.demoEvents(ctx, client) }},
		{"cmkd audit verify", func() error {
			r, err := client.Verify(ctx)
			if err == nil {
				a.printReport(&r)
			}
			return err
		}},
	}...) {
		a.say("\n%s", a.bold("$ "+scene.title))
		if err := scene.play(); err != nil {
			return err
		}
	}
	return nil
}

// needsSomebody makes of the error of an operation that waits for a person none.
func needsSomebody(err error) error {
	var end *outcomeError
	if errors.As(err, &end) && end.code == exitNeedsAction {
		return nil
	}
	if err == nil {
		return errors.New("nobody is needed, although a dependent is not listed and something of another cannot be seen")
	}
	return err
}

// demoList lists the dependent that the guard found.
func (a *app) demoList(ctx context.Context, client *control.Client, configure func(whole bool) error) error {
	if err := configure(true); err != nil {
		return err
	}
	a.say("disk-encryption-set contoso-des, which a search had found, is listed in the configuration now")
	_, err := client.Reload(ctx)
	return err
}

// demoAttest gives a person's word for each dependent of which something cannot be seen.
func (a *app) demoAttest(ctx context.Context, client *control.Client) error {
	op, err := client.Operation(ctx, 1)
	if err != nil {
		return err
	}
	for i := range op.Trackers {
		t := &op.Trackers[i]
		if len(t.Detail.Blind) == 0 && t.Evidence != rotator.EvidenceInferred {
			continue
		}
		unseen := "that it left the old version"
		if len(t.Detail.Blind) > 0 {
			unseen = strings.Join(t.Detail.Blind, ", ")
		}
		made, err := client.Attest(ctx, demoKey, control.AttestRequest{
			Dependent: t.Detail.Dependent.ID, Reason: "cmkd demo", For: control.Duration{Duration: 24 * time.Hour},
		})
		if err != nil {
			return err
		}
		a.say("%s: %s; a person's word, SIMULATED by whoever runs the demo, stands in for what cannot be seen: %s", made.ID, clean(name(made.Dependent)), clean(unseen))
	}
	return nil
}

// scene begins an operation and follows it.
func (a *app) scene(ctx context.Context, client *control.Client, why control.CommandRequest, begin keyCommand) func() error {
	return func() error {
		op, err := begin.patiently(ctx, demoKey, why)
		if err != nil {
			return err
		}
		return a.follow(ctx, client, op.ID, 0)
	}
}

func (a *app) demoHistory(ctx context.Context, client *control.Client) error {
	ops, err := client.Operations(ctx, rotator.OperationQuery{})
	if err != nil {
		return err
	}
	a.printHistory(ops)
	return nil
}

// demoEvents shows the audit trail without the steps of each dependent, which
// were seen already.
func (a *app) demoEvents(ctx context.Context, client *control.Client) error {
	events, err := client.Events(ctx, rotator.EventFilter{Limit: 1000})
	if err != nil {
		return err
	}
	left := 0
	for i := range events {
		if events[i].Type == rotator.EventTrackerChanged {
			left++
			continue
		}
		a.say("%s", eventLine(&events[i]))
	}
	a.say("… and %s of dependents", count(left, "step"))
	return nil
}
