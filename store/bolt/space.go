package bolt

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"cmkd/rotator"
)

// Space returns the size of the file and what is free of the file system that it
// is on; see [rotator.Store]. It asks about the open file, not the name.
func (s *Store) Space() (r rotator.Space, err error) {
	err = s.use(func() error {
		if err := s.inPlace(); err != nil {
			return err
		}
		info, err := s.file.Stat()
		if err != nil {
			return err
		}
		fs, err := fileSystem(int(s.file.Fd()))
		if err != nil {
			return err
		}
		r = spaceOf(uint64(info.Size()), &fs)
		return nil
	})
	if err != nil {
		return rotator.Space{}, fmt.Errorf("look for space: %w", err)
	}
	return r, nil
}

func fileSystem(fd int) (fs unix.Statfs_t, err error) {
	for {
		// Some file systems let a signal interrupt this.
		if err = unix.Fstatfs(fd, &fs); !errors.Is(err, unix.EINTR) {
			return fs, err
		}
	}
}

// spaceOf counts what anybody may use: a part of many file systems is kept for
// root, which the daemon is not.
func spaceOf(used uint64, fs *unix.Statfs_t) rotator.Space {
	// Linux counts in fragments. Blocks, the size to read at once, may be larger.
	unit := uint64(fs.Frsize)
	return rotator.Space{Used: used, Free: fs.Bavail * unit, Total: fs.Blocks * unit}
}
