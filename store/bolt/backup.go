package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"cmkd/rotator"
)

// Backup writes a consistent copy of the store to a new file at path, of mode
// 0600, and returns its size. Commits go on meanwhile. The copy is read back in
// full before it gets its name, so that a file under that name is a store that
// can be restored. It fails with CodeConflict if path exists.
func (s *Store) Backup(ctx context.Context, path string) (int64, error) {
	size, err := s.backup(ctx, path)
	if err != nil {
		return 0, fmt.Errorf("back up to %s: %w", path, err)
	}
	return size, nil
}

func (s *Store) backup(ctx context.Context, path string) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	// Copying a large store to find the name taken helps nobody.
	if _, err := os.Lstat(path); err == nil {
		return 0, taken(path)
	}
	size, err := writeBeside(path, func(temp *os.File) error {
		if err := s.use(func() error { return s.copyTo(writerWith(ctx, temp)) }); err != nil {
			return err
		}
		if _, err := VerifyFile(ctx, temp.Name(), Options{}); err != nil {
			return fmt.Errorf("verify the copy: %w", err)
		}
		return nil
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return 0, ctx.Err() // bbolt does not always wrap it
	case errors.Is(err, fs.ErrExist):
		return 0, taken(path)
	case errors.Is(err, fs.ErrNotExist):
		return 0, rotator.Errorf(rotator.CodeNotFound, "directory %s does not exist", filepath.Dir(path)).WithHint("make it first: mkdir -m 0700 %s", filepath.Dir(path))
	default:
		return size, explain(path, err)
	}
}

func taken(path string) error {
	return rotator.Errorf(rotator.CodeConflict, "%s exists", path).
		WithHint("give a name that does not exist: a backup never replaces a file")
}

// copyTo writes the file as one transaction sees it.
func (s *Store) copyTo(w io.Writer) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(w)
		return err
	})
}

// contextWriter stops a long copy when ctx ends.
type contextWriter struct {
	ctx context.Context
	w   io.Writer
}

func writerWith(ctx context.Context, w io.Writer) io.Writer { return contextWriter{ctx: ctx, w: w} }

// Write writes unless ctx is done.
func (c contextWriter) Write(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(b)
}
