package daemon

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"cmkd/cmd/internal/control"
	"cmkd/configs"
	"cmkd/rotator"
)

// reload reads the configuration again. One with a problem is refused and the old
// one stays.
func (d *daemon) reload(ctx context.Context) (control.Reloaded, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tell(d.o.notifier().Reloading())
	defer func() { d.tell(d.o.notifier().Ready()) }()
	config, err := configs.Load(d.o.ConfigPath, Checks())
	if err != nil {
		return control.Reloaded{}, refused(err)
	}
	keys, err := keysOf(config)
	if err == nil {
		err = d.azure.checkKeys(keys)
	}
	if err != nil {
		return control.Reloaded{}, refused(err)
	}
	alerting, err := d.alerting(config)
	if err != nil {
		return control.Reloaded{}, refused(err)
	}
	if err := d.engine.Reload(ctx, keys, alerting); err != nil {
		return control.Reloaded{}, err
	}
	d.server.SetPolicy(policyOf(config.Roles))
	r := control.Reloaded{Keys: len(keys), Warnings: needRestart(d.config, config)}
	for _, w := range config.Warnings() {
		r.Warnings = append(r.Warnings, w.String())
	}
	d.keepRunning(config)
	d.log.Info().Int("keys", len(keys)).Strs("warnings", r.Warnings).Msg("configuration reloaded")
	return r, nil
}

// keepRunning remembers a configuration as the one in force, but for what only a
// restart changes.
func (d *daemon) keepRunning(c *configs.Config) {
	c.Store, c.Socket, c.SocketGroup = d.config.Store, d.config.Socket, d.config.SocketGroup
	c.Log, c.Azure, c.Limits, c.Web = d.config.Log, d.config.Azure, d.config.Limits, d.config.Web
	d.config = c
}

// needRestart names what a reload does not change.
func needRestart(old, c *configs.Config) (all []string) {
	for _, part := range []struct {
		name string
		same bool
	}{
		{"store", old.Store == c.Store}, {"socket", old.Socket == c.Socket}, {"socket_group", old.SocketGroup == c.SocketGroup},
		{"log", old.Log == c.Log}, {"azure", old.Azure == c.Azure}, {"limits", old.Limits == c.Limits},
		{"web", reflect.DeepEqual(old.Web, c.Web)},
	} {
		if !part.same {
			all = append(all, part.name+" changed, which takes effect after a restart")
		}
	}
	return all
}

// refused turns what is wrong with a configuration into an answer.
func refused(err error) error {
	e := rotator.Errorf(rotator.CodeInvalid, "the configuration is refused and the old one stays: %v", err).
		WithHint("cmkd config check shows all problems")
	var problems configs.Errors
	if errors.As(err, &problems) && len(problems) > 0 {
		e.Message = "the configuration is refused and the old one stays: " + problems[0].String()
		if n := len(problems) - 1; n > 0 {
			e.Message += fmt.Sprintf(" (and %d more)", n)
		}
	}
	return e
}
