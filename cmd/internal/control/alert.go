package control

import (
	"net/http"
	"slices"

	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

func (s *Server) alerts(r *http.Request) ([]rotator.AlertStatus, error) {
	q := query{r: r}
	f := AlertFilter{Key: q.text("key"), Firing: q.flag("firing")}
	if q.err != nil {
		return nil, q.err
	}
	alerts, err := s.o.Engine.Alerts(r.Context())
	if err != nil {
		return nil, err
	}
	alerts = slices.DeleteFunc(alerts, func(a rotator.AlertStatus) bool { return !f.wants(&a) })
	if f.Key != "" && len(alerts) == 0 {
		// That nothing is wrong with a key must not be said of one that is misspelt.
		if _, err := s.o.Engine.Key(r.Context(), f.Key); err != nil {
			return nil, err
		}
	}
	return some(alerts), nil
}

func (s *Server) silences(r *http.Request) ([]rotator.Silence, error) {
	silences, err := s.o.Engine.Silences(r.Context())
	return some(silences), err
}

func (s *Server) silence(r *http.Request, body SilenceRequest) (rotator.Silence, error) {
	return s.o.Engine.Silence(r.Context(), rotator.SilenceRequest{
		Alert: body.Alert, Rule: body.Rule, Key: body.Key, For: body.For.Duration,
		Actor: actor(r), Reason: body.Reason,
	})
}

func (s *Server) endSilence(r *http.Request, body CommandRequest) (rotator.Silence, error) {
	return s.o.Engine.EndSilence(r.Context(), r.PathValue("id"), actor(r), body.Reason)
}

func (s *Server) receivers(*http.Request) ([]rotator.ReceiverStatus, error) {
	return some(s.o.Engine.Receivers()), nil
}

func (s *Server) testReceivers(r *http.Request, body TestRequest) ([]rotator.TestResult, error) {
	results, err := s.o.Engine.TestReceivers(r.Context(), body.Receiver, actor(r))
	return some(results), err
}

func (s *Server) timings(r *http.Request) ([]rotator.TimingStatus, error) {
	timings, err := s.o.Engine.Timings(r.Context())
	return some(timings), err
}

func (s *Server) rules(*http.Request) ([]alerting.RuleInfo, error) { return alerting.Rules(), nil }

func (s *Server) metrics(w http.ResponseWriter, r *http.Request) error {
	if s.o.Metrics == nil {
		return cannot("show metrics")
	}
	s.o.Metrics.ServeHTTP(w, r)
	return nil
}
