package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"cmkd/cmd/internal/control"
	"cmkd/cmd/internal/daemon"
	"cmkd/rotator"
	"cmkd/rotator/engine"
	"cmkd/rotator/rotatortest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"cmkd": func() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScript runs the scripts: one behaviour of the command line each. Their
// command `daemon NAME` starts an engine with a small world of that name behind a
// real control socket, on a clock that makes an hour pass in 180 ms.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("CMKD_SOCKET", filepath.Join(e.WorkDir, "cmkd.sock"))
			e.Setenv("CMKD_CONFIG", filepath.Join(e.WorkDir, "cmkd.yaml"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"daemon": startWorld, "exits": exits, "await": await, "simulate": simulate, "await-daemon": awaitDaemon,
		},
		RequireExplicitExec: true,
	})
}

// exits runs cmkd and checks its exit code: exits CODE ARGS...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec("cmkd", args[1:]...); err != nil {
		got = -1
		_, _ = fmt.Sscanf(err.Error(), "exit status %d", &got)
	}
	if got != want {
		ts.Fatalf("cmkd %s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// await waits until a file has a text: await FILE TEXT
func await(ts *testscript.TestScript, _ bool, args []string) {
	deadline := time.Now().Add(30 * time.Second)
	for {
		data, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.Contains(string(data), args[1]) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s does not get %q: %s", args[0], args[1], data)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// simulate starts a simulated Azure until the script ends, gives its clients'
// environment to the script, and fills in cmkd.yaml.in: simulate SCENARIO
func simulate(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithCancel(context.Background())
	s, err := daemon.OpenSimulation(ctx, daemon.SimulationOptions{
		Scenario: ts.MkAbs(args[0]), Listen: "127.0.0.1:0", CAFile: ts.MkAbs("ca.pem"),
	})
	ts.Check(err)
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	ts.Defer(func() { cancel(); ts.Check(<-done) })
	for _, v := range s.Info().Environment {
		name, value, _ := strings.Cut(v, "=")
		ts.Setenv(name, value)
	}
	ts.Setenv("NO_PROXY", "")
	ts.Setenv("no_proxy", "")
	ts.Setenv("SIMULATED_CLOCK", s.Clock().Flag())
	values := map[string]string{"WORK": ts.Getenv("WORK"), "UID": strconv.Itoa(os.Getuid())}
	config := os.Expand(ts.ReadFile("cmkd.yaml.in"), func(name string) string { return values[name] })
	ts.Check(os.WriteFile(ts.MkAbs("cmkd.yaml"), []byte(config), 0o600))
}

// awaitDaemon waits until a daemon answers.
func awaitDaemon(ts *testscript.TestScript, _ bool, _ []string) {
	client := control.NewClient(ts.Getenv("CMKD_SOCKET"))
	defer client.Close()
	deadline := time.Now().Add(30 * time.Second)
	for {
		_, err := client.Version(context.Background())
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the daemon does not answer: %v", err)
		}
		<-time.After(5 * time.Millisecond)
	}
}

const (
	paymentsID = rotator.KeyID("https://contoso.vault.azure.net/keys/payments")
	ledgerID   = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/pay/providers/Microsoft.Storage/storageAccounts/ledger"
	ordersID   = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/pay/providers/Microsoft.DocumentDB/databaseAccounts/orders"
)

// newWorld returns a key and the world around it.
func newWorld(name string, clock rotator.Clock) (*rotatortest.Azure, rotator.Key) {
	azure := rotatortest.NewAzure()
	azure.Clock = clock
	azure.AddKey(paymentsID)
	ledger := rotatortest.Resource{ID: ledgerID, Kind: "follower", Use: rotatortest.Use{Key: paymentsID, Delay: 20 * time.Minute}}
	orders := rotatortest.Resource{ID: ordersID, Kind: "silent", Use: rotatortest.Use{Key: paymentsID, Hidden: true, Delay: 10 * time.Minute}}
	key := rotator.Key{
		Name: "payments", ID: paymentsID, Retire: rotator.RetireManual, Soak: time.Hour,
		Dependents: []rotator.Dependent{{ID: ledgerID, Kind: "follower"}, {ID: ordersID, Kind: "silent", Window: 2 * time.Hour}},
	}
	switch name {
	case "calm", "unlisted":
	case "auto":
		key.Retire = rotator.RetireAuto
		// What is only inferred would wait for a person.
		orders.Kind, orders.Hidden, key.Dependents[1].Kind = "follower", false, "follower"
	case "stuck", "receivers":
		ledger.Delay = -1
	case "fixed":
		ledger.Binding = rotator.BindingFixed
	case "forbidden":
		ledger.Forbidden = true
	case "two-person":
		key.TwoPerson = true
	default:
		panic("no world " + name)
	}
	if name == "unlisted" {
		azure.AddResource(rotatortest.Resource{
			ID: "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Test/followers/forgotten", Kind: "follower",
			Use: rotatortest.Use{Key: key.ID, Binding: rotator.BindingPinned},
		})
	}
	azure.AddResource(ledger)
	azure.AddResource(orders)
	return azure, key
}

// newReceivers returns whoever is told of alerts in a world: in that of receivers
// one that takes everything, and one that is down.
func newReceivers(name string) []rotator.Receiver {
	if name != "receivers" {
		return nil
	}
	chat := &rotatortest.Receiver{}
	chat.Down(rotator.Errorf(rotator.CodeUnavailable, "the chat is down").WithHint("start it"))
	return []rotator.Receiver{
		{Name: "chat", Kind: "memory", Notifier: chat},
		{Name: "on-call", Kind: "memory", Notifier: &rotatortest.Receiver{}},
	}
}

// startWorld starts an engine and its control socket until the script ends.
func startWorld(ts *testscript.TestScript, _ bool, args []string) {
	clock := daemon.NewSimulatedClock(time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC), time.Now(), 20_000)
	azure, key := newWorld(args[0], clock)
	store := rotatortest.NewStore()
	var server *control.Server
	engine := engine.New(engine.Options{
		Store: store, Vault: azure, Services: azure.Services(), Lister: azure, Clock: clock, Keys: []rotator.Key{key},
		Observe: func(rotator.Event) { server.Committed() }, Alerting: engine.Alerting{Receivers: newReceivers(args[0])},
	})
	server = control.NewServer(control.Options{
		Engine: engine, Clock: clock, About: control.Version{Version: "test", SimulatedClock: clock.String()},
		Policy: control.Policy{Approvers: []string{"uid:" + strconv.Itoa(os.Getuid())}},
		Backup: func(_ context.Context, path string) (int64, error) {
			return 5, os.WriteFile(path, []byte("store"), 0o600)
		},
		Verify: func(context.Context) (control.LogReport, error) {
			return control.LogReport{Instance: "0123", Events: 7, Head: "abcd"}, nil
		},
	})
	listener, err := control.Listen(context.Background(), ts.Getenv("CMKD_SOCKET"), "")
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	ends := make(chan error, 2)
	go func() { ends <- engine.Run(ctx) }()
	go func() { ends <- server.Serve(listener) }()
	ts.Defer(func() {
		cancel()
		ts.Check(server.Shutdown(context.Background()))
		ts.Check(<-ends)
		ts.Check(<-ends)
	})
}

// TestRun_Help checks that every command explains itself, with an example where
// it does something.
func TestRun_Help(t *testing.T) {
	t.Parallel()
	root := newRoot(newApp(strings.NewReader(""), io.Discard, io.Discard, func(string) string { return "" }))
	for _, c := range root.Commands() {
		if c.Short == "" {
			t.Errorf("%s does not say what it does", c.CommandPath())
		}
		if !c.HasSubCommands() && c.Example == "" {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			if sub.Short == "" || sub.Example == "" {
				t.Errorf("%s does not say what it does, with an example", sub.CommandPath())
			}
		}
	}
}
