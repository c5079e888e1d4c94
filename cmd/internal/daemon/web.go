package daemon

import (
	"context"
	"fmt"
	"net"

	"cmkd/cmd/internal/dashboard"
	"cmkd/configs"
	"cmkd/systemd"
)

// newWeb makes the server of the web page; nil if none is configured.
func (d *daemon) newWeb(c configs.Web) (*dashboard.Server, error) {
	if c.Listen == "" {
		return nil, nil
	}
	o := dashboard.Options{
		Listen: c.Listen, Group: d.config.SocketGroup, Hosts: c.Hosts,
		API: d.server.Public(), Metrics: d.metrics.Handler(), Health: d.health,
		Report: func(err error) { d.log.Warn().Err(err).Msg("web") },
	}
	for _, file := range []struct {
		option, name string
		path         *string
	}{{"certificate", c.Certificate, &o.Certificate}, {"credential", c.Credential, &o.TokenPath}} {
		if file.name == "" {
			continue
		}
		path, err := systemd.CredentialPath(file.name)
		if err != nil {
			return nil, fmt.Errorf("web.%s: %w", file.option, err)
		}
		*file.path = path
	}
	server, err := dashboard.New(o)
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	return server, nil
}

// listenWeb opens the place where the web page is served, if one is configured.
func (d *daemon) listenWeb(ctx context.Context) (net.Listener, error) {
	if d.web == nil {
		return nil, nil
	}
	listener, err := d.web.Listen(ctx)
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	d.log.Info().Str("listen", d.config.Web.Listen).Str("url", d.web.URL(listener)).Msg("web page")
	return listener, nil
}
