package dashboard

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	"cmkd/rotator"
)

// watched is what a file holds, read again when the file changes. While what is
// there cannot be used, the last that could is.
type watched[T any] struct {
	path   string
	read   func(path string) (T, error)
	report func(error)

	mu    sync.Mutex
	info  fs.FileInfo // of the file that was read last, nil if it was not there
	value T
}

func watch[T any](path string, read func(string) (T, error), report func(error)) (*watched[T], error) {
	w := &watched[T]{path: path, read: read, report: report}
	w.info, _ = os.Stat(path) // read says what is wrong with it
	var err error
	w.value, err = read(path)
	return w, err
}

func (w *watched[T]) get() T {
	info, err := os.Stat(w.path)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil || w.same(info) {
		return w.value
	}
	w.info = info
	value, err := w.read(w.path)
	if err != nil {
		w.report(fmt.Errorf("%s has changed and cannot be used, what it held before stays in use: %w", w.path, err))
		return w.value
	}
	w.value = value
	return w.value
}

func (w *watched[T]) same(info fs.FileInfo) bool {
	return w.info != nil && os.SameFile(w.info, info) && w.info.ModTime().Equal(info.ModTime()) && w.info.Size() == info.Size()
}

// readCertificate reads a certificate, its chain and its key from one PEM file.
func readCertificate(path string) (*tls.Certificate, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fileError("certificate", path, err)
	}
	cert, err := tls.X509KeyPair(pem, pem)
	if err != nil {
		return nil, rotator.Errorf(rotator.CodeInvalid, "%s does not hold a certificate with its key: %v", path, err).
			WithHint("cat fullchain.pem privkey.pem > %s", path)
	}
	return &cert, nil
}

// minToken is how long a token must be at least: one that cannot be guessed needs
// no limit on guesses.
const minToken = 32

// secret is the digest of a token: the token itself is kept nowhere.
type secret [sha256.Size]byte

func readToken(path string) (secret, error) {
	info, err := os.Stat(path)
	if err != nil {
		return secret{}, fileError("token", path, err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return secret{}, rotator.Errorf(rotator.CodeInvalid, "the token in %s can be read by every user of this machine", path).
			WithHint("chmod o= %s", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return secret{}, fileError("token", path, err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < minToken {
		return secret{}, rotator.Errorf(rotator.CodeInvalid, "the token in %s is shorter than %d characters", path, minToken).
			WithHint("openssl rand -hex 32 > %s", path)
	}
	return sha256.Sum256([]byte(token)), nil
}

func fileError(what, path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return rotator.Errorf(rotator.CodeInvalid, "the web page's %s %s does not exist", what, path).
			WithHint("correct the path in the configuration")
	case errors.Is(err, fs.ErrPermission):
		return rotator.Errorf(rotator.CodeForbidden, "the web page's %s %s cannot be read: permission denied", what, path).
			WithHint("give it to the daemon's user, or hand it over with LoadCredential= in the unit")
	default:
		return fmt.Errorf("read the web page's %s %s: %w", what, path, err)
	}
}
