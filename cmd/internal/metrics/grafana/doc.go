// Package grafana is the dashboard for Grafana: a table of panels (panels.go), of
// which configs/grafana/cmkd.json is made. go generate writes the file, and a test
// holds that nothing else did. Nothing of it is in the daemon.
package grafana

//go:generate go test -run ^TestDashboard$ . -update
