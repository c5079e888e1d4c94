package control

import (
	"net/http"
	"slices"

	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

func (s *Server) alerts(w http.ResponseWriter, r *http.Request) error {
	q := query{r: r}
	f := AlertFilter{Key: q.text("key"), Firing: q.flag("firing")}
	if q.err != nil {
		return q.err
	}
	alerts, err := s.o.Engine.Alerts(r.Context())
	if err != nil {
		return err
	}
	alerts = slices.DeleteFunc(alerts, func(a rotator.AlertStatus) bool { return !f.wants(&a) })
	if f.Key != "" && len(alerts) == 0 {
		// That nothing is wrong with a key must not be said of one that is misspelt.
		if _, err := s.o.Engine.Key(r.Context(), f.Key); err != nil {
			return err
		}
	}
	return writeJSON(w, some(alerts))
}

func (s *Server) silences(w http.ResponseWriter, r *http.Request) error {
	silences, err := s.o.Engine.Silences(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, some(silences))
}

func (s *Server) silence(w http.ResponseWriter, r *http.Request) error {
	var body SilenceRequest
	if err := decode(r, &body); err != nil {
		return err
	}
	peer, _ := peerFrom(r.Context())
	silence, err := s.o.Engine.Silence(r.Context(), rotator.SilenceRequest{
		Alert: body.Alert, Rule: body.Rule, Key: body.Key, For: body.For.Duration,
		Actor: peer.Actor(), Reason: body.Reason,
	})
	if err != nil {
		return err
	}
	return writeJSON(w, silence)
}

func (s *Server) endSilence(w http.ResponseWriter, r *http.Request) error {
	peer, _ := peerFrom(r.Context())
	silence, err := s.o.Engine.EndSilence(r.Context(), r.PathValue("id"), peer.Actor())
	if err != nil {
		return err
	}
	return writeJSON(w, silence)
}

func (s *Server) receivers(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, some(s.o.Engine.Receivers()))
}

func (s *Server) testReceivers(w http.ResponseWriter, r *http.Request) error {
	var body TestRequest
	if err := decode(r, &body); err != nil {
		return err
	}
	peer, _ := peerFrom(r.Context())
	results, err := s.o.Engine.TestReceivers(r.Context(), body.Receiver, peer.Actor())
	if err != nil {
		return err
	}
	return writeJSON(w, some(results))
}

func (s *Server) timings(w http.ResponseWriter, r *http.Request) error {
	timings, err := s.o.Engine.Timings(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, some(timings))
}

func (s *Server) rules(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, alerting.Rules())
}

func (s *Server) metrics(w http.ResponseWriter, r *http.Request) error {
	if s.o.Metrics == nil {
		return cannot("show metrics")
	}
	s.o.Metrics.ServeHTTP(w, r)
	return nil
}
