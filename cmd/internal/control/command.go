package control

import (
	"net/http"
	"path/filepath"

	"cmkd/rotator"
)

// keyRequest is a command about a key. The actor is the peer.
func keyRequest(r *http.Request, body CommandRequest) rotator.Request {
	return rotator.Request{Key: r.PathValue("name"), Actor: actor(r), Reason: body.Reason, Compromised: body.Compromised, Accept: body.Accept}
}

// actor returns who asks.
func actor(r *http.Request) string {
	peer, _ := peerFrom(r.Context())
	return peer.Actor()
}

func (s *Server) rotate(r *http.Request, body CommandRequest) (rotator.Operation, error) {
	return s.o.Engine.Rotate(r.Context(), keyRequest(r, body))
}

func (s *Server) reinstate(r *http.Request, body CommandRequest) (rotator.Operation, error) {
	return s.o.Engine.Reinstate(r.Context(), keyRequest(r, body))
}

func (s *Server) retire(r *http.Request, body CommandRequest) (rotator.Operation, error) {
	return s.o.Engine.Retire(r.Context(), keyRequest(r, body))
}

func (s *Server) revoke(r *http.Request, body CommandRequest) (rotator.Operation, error) {
	return s.o.Engine.Revoke(r.Context(), rotator.RevokeRequest{Request: keyRequest(r, body), Confirm: body.Confirm})
}

// operationRequest is a command about an operation.
func operationRequest(r *http.Request, body CommandRequest) (rotator.OperationRequest, error) {
	id, err := operationID(r.PathValue("id"))
	return rotator.OperationRequest{Operation: id, Actor: actor(r), Reason: body.Reason}, err
}

func (s *Server) cancel(r *http.Request, body CommandRequest) (rotator.Operation, error) {
	request, err := operationRequest(r, body)
	if err != nil {
		return rotator.Operation{}, err
	}
	return s.o.Engine.Cancel(r.Context(), request)
}

func (s *Server) approve(r *http.Request, body CommandRequest) (rotator.Operation, error) {
	request, err := operationRequest(r, body)
	if err != nil {
		return rotator.Operation{}, err
	}
	return s.o.Engine.Approve(r.Context(), request)
}

func (s *Server) plan(r *http.Request) (rotator.Plan, error) {
	do := s.o.Engine.PlanRotation
	switch kind := rotator.OperationKind(r.URL.Query().Get("kind")); kind {
	case "", rotator.KindRotation:
	case rotator.KindRevocation:
		do = s.o.Engine.PlanRevocation
	default:
		return rotator.Plan{}, rotator.Errorf(rotator.CodeInvalid, "there is no plan for a %s", kind).WithHint("kind is rotation or revocation")
	}
	p, err := do(r.Context(), r.PathValue("name"))
	p.Steps, p.Dependents = some(p.Steps), some(p.Dependents)
	return p, err
}

func (s *Server) planRetirement(r *http.Request) (rotator.RetirementPlan, error) {
	p, err := s.o.Engine.PlanRetirement(r.Context(), r.PathValue("name"), actor(r))
	p.Previous, p.Dependents = some(p.Previous), some(p.Dependents)
	return p, err
}

func (s *Server) backup(r *http.Request, body BackupRequest) (Backup, error) {
	switch {
	case s.o.Backup == nil:
		return Backup{}, cannot("make a backup")
	case !filepath.IsAbs(body.Path):
		return Backup{}, rotator.Errorf(rotator.CodeInvalid, "the path of a backup must be absolute, %q is not", body.Path)
	}
	path := filepath.Clean(body.Path)
	bytes, err := s.o.Backup(r.Context(), path)
	return Backup{Path: path, Bytes: bytes}, err
}

func (s *Server) reload(r *http.Request) (Reloaded, error) {
	if s.o.Reload == nil {
		return Reloaded{}, cannot("reload its configuration")
	}
	return s.o.Reload(r.Context())
}

func (s *Server) attest(r *http.Request, body AttestRequest) (rotator.Attestation, error) {
	return s.o.Engine.Attest(r.Context(), rotator.AttestRequest{
		Key: r.PathValue("name"), Dependent: body.Dependent, Reason: body.Reason, Until: body.Until, For: body.For.Duration, Actor: actor(r),
	})
}

func (s *Server) withdraw(r *http.Request, body CommandRequest) (rotator.Attestation, error) {
	return s.o.Engine.WithdrawAttestation(r.Context(), r.PathValue("id"), actor(r), body.Reason)
}

func (s *Server) attestations(r *http.Request) ([]rotator.Attestation, error) {
	all, err := s.o.Engine.Attestations(r.Context(), r.URL.Query().Get("key"))
	return some(all), err
}
