package rotator

import (
	"errors"
	"fmt"
	"time"
)

// Code classifies an error for whoever must decide what to do.
type Code string

// The codes.
const (
	CodeInvalid     Code = "invalid"     // the request or the configuration is wrong
	CodeNotFound    Code = "not-found"   // no such key, operation, version or resource
	CodeConflict    Code = "conflict"    // it changed meanwhile, or another operation is under way
	CodeRefused     Code = "refused"     // a guard, a lock or a policy refuses, until a person changes that
	CodeForbidden   Code = "forbidden"   // permission is missing
	CodeThrottled   Code = "throttled"   // too many calls; see RetryAfter
	CodeUnavailable Code = "unavailable" // try again later
	CodeInternal    Code = "internal"    // a bug, or a damaged store
)

// Passes reports whether an error of this class may pass by itself.
func (c Code) Passes() bool {
	return c == CodeThrottled || c == CodeUnavailable || c == CodeConflict
}

// Error is an error with a class, and with the next step for the person who
// reads it.
type Error struct {
	Code Code
	// Reason is what exactly is the case: the remote side's own code, for instance
	// ForbiddenByRbac, or one of ours. It may be empty.
	Reason  Reason
	Message string
	// Hint is what to do next; empty if there is nothing to do.
	Hint string
	// RetryAfter is how long the remote side wants to be left alone.
	RetryAfter time.Duration
	// NoEffect is true if the call certainly changed nothing: it was refused, or
	// never sent. Without it a failed write may have happened.
	NoEffect bool
	// Err is the cause, if any.
	Err error
}

// Error returns the message followed by its cause.
func (e *Error) Error() string {
	if e.Err != nil && e.Message != "" {
		return e.Message + ": " + e.Err.Error()
	}
	if e.Err != nil {
		return e.Err.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Passes reports whether the error may pass by itself; a nil one is none.
func (e *Error) Passes() bool { return e != nil && e.Code.Passes() }

// Errorf makes an error of a class.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithHint adds the next step and returns e.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// AsError returns the first *[Error] in err's chain, or one of CodeUnavailable
// that wraps err: what we cannot name may pass, and may have had an effect.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: CodeUnavailable, Err: err}
}

// CodeOf returns the class of err, CodeInternal if it has none and "" for nil.
func CodeOf(err error) Code {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Code
	default:
		return CodeInternal
	}
}

// The store's conditions that a caller decides on.
var (
	// ErrConflict: a record was changed since it was read.
	ErrConflict = errors.New("record was changed by someone else")
	// ErrStoreFull: the disk is full; nothing was changed.
	ErrStoreFull = errors.New("disk is full")
	// ErrStoreReplaced: the store's file was deleted, or another one is in its place;
	// nothing was changed.
	ErrStoreReplaced = errors.New("its file was deleted or replaced")
	// ErrUncertain: whether the last change was stored is not known; what is read
	// from the store once it can be written again tells.
	ErrUncertain = errors.New("whether the last change was stored is not known yet")
)
