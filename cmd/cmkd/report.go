package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"
)

// The exit codes.
const (
	exitDone        = 0
	exitError       = 1
	exitUsage       = 2
	exitNeedsAction = 3
	exitNotFound    = 4
	exitRefused     = 5
	exitUnreachable = 6
	exitInterrupted = 130 // as shells say it of a command ended by Ctrl-C
)

// outcomeError ends a command with an exit code of its own.
type outcomeError struct {
	code int
	// err is printed; nil if everything was said already.
	err error
}

func (e *outcomeError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *outcomeError) Unwrap() error { return e.err }

func usage(err error) error { return &outcomeError{exitUsage, err} }

// report prints an error, if there is one, and returns the exit code.
func (a *app) report(ctx context.Context, err error) int {
	if err == nil && a.out.err != nil {
		err = fmt.Errorf("write the output: %w", a.out.err)
	}
	if err == nil {
		return exitDone
	}
	code := exitCode(err)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			a.tell("cmkd: %s", clean(line))
		}
	}
	var e *rotator.Error
	switch {
	case errors.As(err, &e) && e.Hint != "":
		a.tell("hint: %s", clean(e.Hint))
	case code == exitUsage:
		a.tell("hint: cmkd help lists the commands, cmkd COMMAND --help explains one")
	}
	return code
}

// exitCode maps an error to an exit code.
func exitCode(err error) int {
	if o, ok := errors.AsType[*outcomeError](err); ok {
		return o.code
	}
	e, ok := errors.AsType[*rotator.Error](err)
	if !ok {
		return exitError
	}
	switch e.Code {
	case rotator.CodeInvalid:
		return exitUsage
	case rotator.CodeNotFound:
		return exitNotFound
	case rotator.CodeRefused:
		return exitRefused
	case control.CodeUnreachable:
		return exitUnreachable
	default:
		return exitError
	}
}
