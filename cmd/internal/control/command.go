package control

import (
	"context"
	"net/http"
	"path/filepath"

	"cmkd/rotator"
)

// keyRequest reads a command about a key. The actor is the peer.
func keyRequest(r *http.Request) (rotator.Request, CommandRequest, error) {
	var body CommandRequest
	if err := decode(r, &body); err != nil {
		return rotator.Request{}, body, err
	}
	peer, _ := peerFrom(r.Context())
	return rotator.Request{Key: r.PathValue("name"), Actor: peer.Actor(), Reason: body.Reason}, body, nil
}

// keyCommand serves a command about a key that answers with an operation.
func keyCommand(w http.ResponseWriter, r *http.Request, do func(context.Context, rotator.Request) (rotator.Operation, error)) error {
	request, _, err := keyRequest(r)
	if err != nil {
		return err
	}
	op, err := do(r.Context(), request)
	if err != nil {
		return err
	}
	return writeJSON(w, op)
}

func (s *Server) rotate(w http.ResponseWriter, r *http.Request) error {
	return keyCommand(w, r, s.o.Engine.Rotate)
}

func (s *Server) reinstate(w http.ResponseWriter, r *http.Request) error {
	return keyCommand(w, r, s.o.Engine.Reinstate)
}

func (s *Server) retire(w http.ResponseWriter, r *http.Request) error {
	return keyCommand(w, r, s.o.Engine.Retire)
}

func (s *Server) revoke(w http.ResponseWriter, r *http.Request) error {
	request, body, err := keyRequest(r)
	if err != nil {
		return err
	}
	op, err := s.o.Engine.Revoke(r.Context(), rotator.RevokeRequest{Request: request, Confirm: body.Confirm})
	if err != nil {
		return err
	}
	return writeJSON(w, op)
}

// operationCommand serves a command about an operation.
func operationCommand(w http.ResponseWriter, r *http.Request, do func(context.Context, rotator.OperationRequest) (rotator.Operation, error)) error {
	id, err := operationID(r.PathValue("id"))
	if err != nil {
		return err
	}
	request, _, err := keyRequest(r)
	if err != nil {
		return err
	}
	op, err := do(r.Context(), rotator.OperationRequest{Operation: id, Actor: request.Actor, Reason: request.Reason})
	if err != nil {
		return err
	}
	return writeJSON(w, op)
}

func (s *Server) cancel(w http.ResponseWriter, r *http.Request) error {
	return operationCommand(w, r, s.o.Engine.Cancel)
}

func (s *Server) approve(w http.ResponseWriter, r *http.Request) error {
	return operationCommand(w, r, s.o.Engine.Approve)
}

func (s *Server) plan(w http.ResponseWriter, r *http.Request) error {
	do := s.o.Engine.PlanRotation
	switch kind := rotator.OperationKind(r.URL.Query().Get("kind")); kind {
	case "", rotator.KindRotation:
	case rotator.KindRevocation:
		do = s.o.Engine.PlanRevocation
	default:
		return rotator.Errorf(rotator.CodeInvalid, "there is no plan for a %s", kind).WithHint("kind is rotation or revocation")
	}
	p, err := do(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	p.Dependents = some(p.Dependents)
	return writeJSON(w, p)
}

func (s *Server) backup(w http.ResponseWriter, r *http.Request) error {
	var body BackupRequest
	if err := decode(r, &body); err != nil {
		return err
	}
	switch {
	case s.o.Backup == nil:
		return cannot("make a backup")
	case !filepath.IsAbs(body.Path):
		return rotator.Errorf(rotator.CodeInvalid, "the path of a backup must be absolute, %q is not", body.Path)
	}
	path := filepath.Clean(body.Path)
	bytes, err := s.o.Backup(r.Context(), path)
	if err != nil {
		return err
	}
	return writeJSON(w, Backup{Path: path, Bytes: bytes})
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) error {
	if s.o.Reload == nil {
		return cannot("reload its configuration")
	}
	reloaded, err := s.o.Reload(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, reloaded)
}
