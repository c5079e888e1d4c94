package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"strings"
	"syscall"

	"cmkd/rotator"
	"cmkd/store"
)

// DamageError says what is wrong with a store's content.
type DamageError struct {
	// Seq is the first event of the log that is wrong; zero if the damage is
	// elsewhere.
	Seq uint64
	// What is wrong, in a sentence without the file's name.
	What string
}

// Error returns what is wrong, and where.
func (e *DamageError) Error() string {
	if e.Seq != 0 {
		return fmt.Sprintf("event %d %s", e.Seq, e.What)
	}
	return e.What
}

// Unwrap makes a DamageError recognisable to those who know only the codec.
func (e *DamageError) Unwrap() error { return store.ErrDamaged }

func damagef(format string, args ...any) *DamageError {
	return &DamageError{What: fmt.Sprintf(format, args...)}
}

func damagedEvent(seq uint64, format string, args ...any) *DamageError {
	return &DamageError{Seq: seq, What: fmt.Sprintf(format, args...)}
}

// RestoreHint is the way out when the store at path is damaged.
func RestoreHint(path string) string {
	return fmt.Sprintf("restore a backup: stop cmkd, move %s aside and keep it, copy the backup in its place, "+
		"`cmkd audit verify --store %s`, start cmkd", path, path)
}

// damaged wraps err, which shows that the store at path is damaged, for a
// person.
func damaged(path string, err error) error {
	e := rotator.Errorf(rotator.CodeInternal, "store %s is damaged", path).WithHint("%s", RestoreHint(path))
	e.Err = err
	return e
}

// explain turns an error of bbolt, the codec or the system into one that names
// the file and the next step. Errors that have a class already pass.
func explain(path string, err error) error {
	var classed *rotator.Error
	switch {
	case err == nil, errors.As(err, &classed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case isFull(err):
		e := rotator.Errorf(rotator.CodeUnavailable, "store %s", path).
			WithHint("free space for %s; nothing was changed and cmkd goes on by itself", path)
		e.Err = fmt.Errorf("%w: %w", rotator.ErrStoreFull, withoutPath(err))
		return e
	case errors.Is(err, store.ErrDamaged):
		return damaged(path, err)
	case errors.Is(err, fs.ErrNotExist):
		return rotator.Errorf(rotator.CodeNotFound, "store %s does not exist", path).
			WithHint("name the file with --store; cmkd makes it when it runs")
	case errors.Is(err, fs.ErrPermission):
		e := rotator.Errorf(rotator.CodeForbidden, "store %s", path).
			WithHint("run cmkd as the user that owns %s, or give it to this user: chown USER %s", path, path)
		e.Err = withoutPath(err)
		return e
	default:
		e := rotator.Errorf(rotator.CodeInternal, "store %s", path)
		e.Err = withoutPath(err)
		return e
	}
}

// withoutPath drops the name that stands before it already.
func withoutPath(err error) error {
	if _, classed := errors.AsType[*rotator.Error](err); classed {
		return err
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", p.Op, p.Err)
	}
	return err
}

// isFull reports whether a write found no room. bbolt cuts the chain where it
// grows the file, so the text has to do there.
func isFull(err error) bool {
	for _, errno := range [...]syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, errno) || strings.Contains(err.Error(), errno.Error()) {
			return true
		}
	}
	return false
}

// guard calls f and turns a panic, also that of a read beyond the end of the
// file, into damage. bbolt panics when a page is not what it should be.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = damagef("reading it panicked: %s", firstLine(fmt.Sprint(p)))
		}
	}()
	return f()
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
