package azuresim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// LockSpec is a lock at a scope.
type LockSpec struct {
	Name string `yaml:"name"`
	// Scope is as in [AssignmentSpec]; Resource is another word for it.
	Scope    string `yaml:"scope"`
	Resource string `yaml:"resource"`
	// Level is CanNotDelete or ReadOnly.
	Level string `yaml:"level"`
	Notes string `yaml:"notes"`
}

const (
	lockDelete   = "CanNotDelete"
	lockReadOnly = "ReadOnly"
)

// lock keeps a scope and what is below it from being deleted or changed. It
// holds Azure Resource Manager only, not the data of vaults and accounts
// (documentation of locks).
type lock struct{ name, scope, level, notes string }

// guardLocks refuses what a lock forbids, in the words of recording
// arm.error-bodies. Changes of a locked scope or below are writes, and so are
// all POSTs, among them listKeys [example published/arm-error-bodies] and the
// starting of machines (documentation of locks). A delete also stops at locks
// below. Locks themselves can always be taken off.
func (s *Server) guardLocks(c *call) *answer {
	if (c.extension != nil && c.extension.kind.lockless) || c.target.subscription == "" {
		return nil
	}
	word := "write"
	switch c.method {
	case http.MethodGet, http.MethodHead:
		return nil
	case http.MethodDelete:
		word = "delete"
	}
	scope := c.scopePath()
	var holding []string
	for _, l := range s.access.locks {
		if (word == "delete" || l.level == lockReadOnly) && (within(scope, l.scope) || (word == "delete" && within(l.scope, scope))) {
			holding = append(holding, strings.Replace(l.scope, "/resourceGroups/", "/resourcegroups/", 1))
		}
	}
	if holding == nil {
		return nil
	}
	return locked(c, holding...)
}

// locked refuses a call for the locks of some scopes.
func locked(c *call, holding ...string) *answer {
	scope, word := c.scopePath(), "write"
	switch c.method {
	case http.MethodDelete:
		word = "delete"
	case http.MethodPost: // the action is not part of the scope
		scope = scope[:strings.LastIndexByte(scope, '/')]
	}
	return gateway(problem(http.StatusConflict, "ScopeLocked",
		"The scope '%s' cannot perform %s operation because following scope(s) are locked: '%s'."+
			" Please remove the lock and try again.", scope, word, strings.Join(holding, ",")))
}

// lockKind is the lock as an object (examples ManagementLocks_* of
// azure-rest-api-specs, 2020-05-01).
func lockKind() *extensionKind {
	return &extensionKind{
		name: "lock", lockless: true, typ: "Microsoft.Authorization/locks", list: (*Server).listLocks,
		get: (*Server).getLock, write: (*Server).putLock, destroy: (*Server).deleteLock,
	}
}

func (l *lock) doc() doc {
	properties := doc{"level": l.level}
	if l.notes != "" {
		properties["notes"] = l.notes
	}
	return doc{
		"properties": properties, "id": lockKind().id(l.scope, l.name), "type": "Microsoft.Authorization/locks", "name": l.name,
	}
}

// listLocks lists locks at, above and below a scope.
func (s *Server) listLocks(c *call) *answer {
	f := readScopeFilter(c.query.Get("$filter"))
	list := slices.DeleteFunc(slices.Clone(s.access.locks), func(l *lock) bool { return !f.reaches(l.scope, c.extension.scope) })
	return listPage(s, c, list, func(l *lock) any { return l.doc() })
}

// lockAt returns the lock of a name at a scope, nil if there is none.
func (s *Server) lockAt(scope, name string) *lock {
	for _, l := range s.access.locks {
		if strings.EqualFold(l.name, name) && fold(l.scope) == fold(scope) {
			return l
		}
	}
	return nil
}

func (s *Server) getLock(c *call, name string) *answer {
	l := s.lockAt(c.extension.scope, name)
	if l == nil {
		return problem(http.StatusNotFound, "LockNotFound", "The lock '%s' could not be found.", name)
	}
	return reply(http.StatusOK, l.doc())
}

func (s *Server) putLock(c *call, name string) *answer {
	body, err := decodeDoc(c.body)
	level := text(body, "properties.level")
	if err != nil || (level != lockDelete && level != lockReadOnly) {
		return problem(http.StatusBadRequest, "InvalidLock", "The lock level '%s' is not valid.", level)
	}
	status := http.StatusOK
	if s.lockAt(c.extension.scope, name) == nil {
		status = http.StatusCreated
	}
	l := s.lock(lock{name: name, scope: c.extension.scope, level: level, notes: text(body, "properties.notes")})
	return reply(status, l.doc())
}

// lock puts a lock on, in place of one of the same name and scope.
func (s *Server) lock(l lock) *lock {
	s.unlock(l.scope, l.name)
	s.access.locks = append(s.access.locks, &l)
	return &l
}

// unlock takes the lock of a name off a scope, or all of them, and says whether
// there was one.
func (s *Server) unlock(scope, name string) bool {
	before := len(s.access.locks)
	s.access.locks = slices.DeleteFunc(s.access.locks, func(l *lock) bool {
		return fold(l.scope) == fold(scope) && (name == "" || strings.EqualFold(l.name, name))
	})
	return len(s.access.locks) < before
}

func (s *Server) deleteLock(c *call, name string) *answer {
	if !s.unlock(c.extension.scope, name) {
		return newAnswer(http.StatusNoContent)
	}
	return newAnswer(http.StatusOK)
}

// lockOf makes the lock of a line of a scenario.
func (s *Server) lockOf(spec LockSpec) (lock, error) {
	ref := spec.Scope
	if ref == "" {
		ref = spec.Resource
	}
	scope, err := s.scopeNamed(ref)
	l := lock{name: spec.Name, scope: scope, level: spec.Level, notes: spec.Notes}
	if l.name == "" {
		l.name = "lock"
	}
	if l.level == "" {
		l.level = lockDelete
	}
	return l, err
}

// buildLocks puts on the locks of the scenario.
func (s *Server) buildLocks() error {
	for _, spec := range s.scenario.Locks {
		l, err := s.lockOf(spec)
		if err != nil {
			return err
		}
		s.lock(l)
	}
	return nil
}

// actOnLock puts a lock on or takes it off.
func (s *Server) actOnLock(a Action, _ time.Time) error {
	l, err := s.lockOf(LockSpec{Name: a.Name, Scope: a.Scope, Resource: a.Resource, Level: a.Level})
	if err != nil {
		return err
	}
	if a.Do == "lock" {
		s.lock(l)
	} else if !s.unlock(l.scope, a.Name) {
		return fmt.Errorf("find lock of %s: %w", l.scope, ErrNoSuchLock)
	}
	return nil
}

// locks checks levels and scopes.
func (c *checker) locks() {
	for i, l := range c.scenario.Locks {
		at := fmt.Sprintf("$.locks[%d]", i)
		c.level(at, l.Level)
		c.scope(at+".scope", l.Scope)
		c.scope(at+".resource", l.Resource)
		if l.Scope+l.Resource == "" {
			c.problem(at, "a lock needs what it locks; add scope or resource")
		}
	}
}

func (c *checker) level(at, level string) {
	if level != "" && level != lockDelete && level != lockReadOnly {
		c.problem(at+".level", "unknown level %q; use %s or %s", level, lockDelete, lockReadOnly)
	}
}
