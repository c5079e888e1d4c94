package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/rs/zerolog"

	"cmkd/cmd/internal/control"
	"cmkd/cmd/internal/dashboard"
	"cmkd/cmd/internal/metrics"
	"cmkd/configs"
	"cmkd/rotator"
	"cmkd/rotator/engine"
	"cmkd/store/bolt"
)

const (
	// stopGrace is how long requests under way may take when the daemon stops.
	stopGrace = 10 * time.Second
	// statusEvery is how often the service manager is told how things are.
	statusEvery = 2 * time.Second
	// startPoll is how often the engine is asked at the start whether it is there.
	startPoll = 5 * time.Millisecond
)

type policy = control.Policy

// daemon is what runs.
type daemon struct {
	o     Options
	clock rotator.Clock
	log   zerolog.Logger

	store  *bolt.Store
	azure  *azure
	engine *engine.Engine
	server *control.Server
	// metrics count and measure everything; web serves them and the page, nil if
	// that is not configured.
	metrics *metrics.Metrics
	web     *dashboard.Server

	mu     sync.Mutex // one reload at a time
	config *configs.Config

	// cleanup holds what has to be undone, in the order in which it was done.
	cleanup []step
}

// step is one thing to undo.
type step struct {
	what string
	undo func() error
}

const (
	// gcPercent lets the heap grow to five times what is live before it is
	// collected: almost all that the engine allocates is garbage within
	// milliseconds, and under load a third of the time would go into collecting
	// it. The benchmarks run with the same value.
	gcPercent = 400
	// memoryShare is how much of the machine's memory, or of what its control group
	// allows, may be used before collecting becomes eager all the same. A fixed limit
	// would let a machine with a million trackers do little but collect.
	memoryShare = 0.5
	// fallbackMemoryLimit serves where nothing tells how much memory there is.
	fallbackMemoryLimit = 512 << 20
)

// machineMemory is how much memory there is for the daemon, in bytes.
var machineMemory = memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)

// tuneMemory sets what the environment (GOGC, GOMEMLIMIT) does not.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	// It leaves GOMEMLIMIT alone, and the limit as it is where nothing tells how much
	// memory there is.
	if _, err := memlimit.Set(
		memlimit.WithRatio(memoryShare),
		memlimit.WithProvider(machineMemory),
	); err != nil {
		debug.SetMemoryLimit(fallbackMemoryLimit)
	}
}

// Run runs the daemon until ctx is done, then stops it: it finishes the
// transaction under way, waits some seconds for calls that are out, and returns
// nil. What cannot go on is an error.
func Run(ctx context.Context, o Options) (err error) {
	tuneMemory()
	d := &daemon{o: o, clock: o.clock()}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.open(); err != nil {
		return err
	}
	ended, err := d.start(ctx)
	if err != nil {
		return err
	}
	if err := d.await(ctx, ended); err != nil {
		return err
	}
	d.tell(o.notifier().Ready())
	if o.Ready != nil {
		o.Ready()
	}
	return d.serve(ctx, ended)
}

// open makes the parts that do nothing by themselves yet.
func (d *daemon) open() error {
	config, err := configs.Load(d.o.ConfigPath, Checks())
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	d.config, d.log = config, newLogger(d.o.Log, config.Log)
	if d.o.Clock != nil {
		d.log.Warn().Str("clock", d.o.Clock.String()).Msg("SIMULATED CLOCK: this daemon does not live in real time")
	}
	for _, w := range config.Warnings() {
		d.log.Warn().Stringer("problem", w).Msg("configuration")
	}
	keys, err := keysOf(config)
	if err != nil {
		return err
	}
	d.metrics = d.newMetrics()
	if d.azure, err = newAzure(config.Azure, d.clock, d.called); err != nil {
		return err
	}
	if err := d.azure.checkKeys(keys); err != nil {
		return err
	}
	alerting, err := d.alerting(config)
	if err != nil {
		return err
	}
	notice := func(message string) { d.log.Warn().Str("detail", message).Msg("store") }
	if d.store, err = bolt.Open(config.Store, bolt.Options{Notice: notice}); err != nil {
		return err
	}
	d.defers("close the store", d.store.Close)
	d.engine = engine.New(engine.Options{
		Store: d.metrics.Store(d.store), Vault: d.azure.vault, Services: d.azure.services, Lister: d.azure.lister, Clock: d.clock, Keys: keys,
		Limits:  engine.Limits{Calls: config.Limits.Calls, RotationsPerVault: config.Limits.RotationsPerVault},
		Observe: d.observe, Prioritize: prioritize, Alerting: alerting, Stepped: d.metrics.Stepped, Took: d.metrics.Took,
	})
	d.server = d.newServer()
	d.web, err = d.newWeb(config.Web)
	return err
}

func (d *daemon) newServer() *control.Server {
	return control.NewServer(control.Options{
		Engine: d.engine, Clock: d.clock, Policy: policyOf(d.config.Roles), About: d.o.about(),
		Backup: d.store.Backup, Verify: d.verify, Reload: d.reload, Metrics: d.metrics.Handler(),
		Observe: func(a control.Access) { logAccess(d.log, a) },
	})
}

// start starts the parts. ended yields one value for each that ended.
func (d *daemon) start(ctx context.Context) (ended <-chan error, err error) {
	socket := d.config.Socket
	if d.o.Socket != "" {
		socket = d.o.Socket
	}
	listener, err := control.Listen(ctx, socket, d.config.SocketGroup)
	if err != nil {
		return nil, err
	}
	web, err := d.listenWeb(ctx)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	// The parts are stopped one after the other, so ctx itself must not do it.
	engineCtx, stopEngine := context.WithCancel(context.WithoutCancel(ctx))
	ends := make(chan error, 3)
	var running sync.WaitGroup
	running.Go(func() { ends <- d.engine.Run(engineCtx) })
	running.Go(func() { ends <- d.server.Serve(listener) })
	if web != nil {
		running.Go(func() { ends <- d.web.Serve(web) })
	}
	d.defers("stop", func() error {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		defer cancel()
		var stopped, stoppedWeb error
		running.Go(func() { stopped = d.server.Shutdown(grace) }) // accepts nobody from here on
		if d.web != nil {
			running.Go(func() { stoppedWeb = d.web.Shutdown(grace) })
		}
		stopEngine()
		running.Wait()
		return errors.Join(stopped, stoppedWeb)
	})
	d.log.Info().Str("version", d.o.about().Version).Str("socket", socket).Int("keys", len(d.config.Keys)).Msg("serving")
	return ends, nil
}

// await waits until the engine has read the store and knows what is under way.
func (d *daemon) await(ctx context.Context, ended <-chan error) error {
	for s := d.engine.Summary(); s.Live == nil && s.Blocked == ""; s = d.engine.Summary() {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			return endOf(err)
		case <-time.After(startPoll):
		}
	}
	return nil
}

// serve looks after the parts until one ends or the daemon is to stop.
func (d *daemon) serve(ctx context.Context, ended <-chan error) error {
	status := time.NewTicker(statusEvery)
	defer status.Stop()
	manager := newManager(d.o.notifier(), d.clock, d.engine)
	for {
		d.tell(manager.report(time.Now()))
		select {
		case <-ctx.Done():
			d.log.Info().Msg("stopping")
			return nil
		case err := <-ended:
			return endOf(err)
		case <-d.o.Reload:
			if _, err := d.reload(ctx); err != nil {
				d.log.Error().Err(err).Msg("reload refused, the old configuration stays")
			}
		case <-status.C:
		}
	}
}

func endOf(err error) error {
	if err != nil {
		return err
	}
	return errors.New("a part of the daemon ended by itself")
}

// defers notes what to undo at the end.
func (d *daemon) defers(what string, undo func() error) {
	d.cleanup = append(d.cleanup, step{what, undo})
}

// close undoes what was done, last first.
func (d *daemon) close() error {
	if d.server != nil {
		d.tell(d.o.notifier().Stopping())
	}
	var all error
	for _, s := range slices.Backward(d.cleanup) {
		if err := s.undo(); err != nil {
			all = errors.Join(all, fmt.Errorf("%s: %w", s.what, err))
		}
	}
	if d.server != nil {
		d.log.Info().Msg("stopped")
	}
	return all
}

// observe hears each committed event.
func (d *daemon) observe(e rotator.Event) {
	logEvent(d.log, &e)
	d.metrics.Event(&e)
	d.server.Committed()
}

// tell logs that the service manager did not hear, which changes nothing.
func (d *daemon) tell(err error) {
	if err != nil {
		d.log.Debug().Err(err).Msg("notify")
	}
}

func (d *daemon) verify(ctx context.Context) (control.LogReport, error) {
	r, err := d.store.VerifyLog(ctx)
	return reportOf(r, d.store.Path(), err)
}

// VerifyStore checks a store that no daemon has open, for instance a backup.
func VerifyStore(ctx context.Context, path string) (control.LogReport, error) {
	if _, err := os.Stat(path); err != nil {
		return control.LogReport{}, rotator.Errorf(rotator.CodeNotFound, "no store at %s: %v", path, errors.Unwrap(err))
	}
	r, err := bolt.VerifyFile(ctx, path, bolt.Options{})
	return reportOf(r, path, err)
}

func reportOf(r bolt.LogReport, path string, err error) (control.LogReport, error) {
	var damage *bolt.DamageError
	var known *rotator.Error
	if errors.As(err, &damage) && !errors.As(err, &known) {
		return control.LogReport{}, rotator.Errorf(rotator.CodeInternal, "the audit trail in %s is not intact: %v", path, damage).
			WithHint("%s", bolt.RestoreHint(path))
	}
	return control.LogReport(r), err
}
