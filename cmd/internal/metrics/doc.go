// Package metrics tells Prometheus how the daemon does. What happens is counted
// when it happens: committed events, exchanges with Azure, steps of the engine's
// loop, commits of the store. What is the case is asked of the engine when somebody
// scrapes.
//
// No label holds a resource id, the name of a key, or anything else that grows
// with the estate. On a simulated clock the durations and ages that the engine
// measures are simulated ones; cmkd_build_info says so in its label clock.
//
// configs/prometheus and configs/grafana read these metrics; the tests hold that
// they use none that do not exist.
package metrics
