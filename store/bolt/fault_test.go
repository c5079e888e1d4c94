package bolt

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/engine"
	"cmkd/rotator/rotatortest"
)

// TestFail_TheEngineGoesOnByItself, as it says that it does: after an error upon which
// a file has to be opened anew that is done in process, within seconds.
func TestFail_TheEngineGoesOnByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, filepath.Join(t.TempDir(), "cmkd.db"))
		azure := rotatortest.NewAzure()
		key := rotator.Key{Name: "payments", ID: "https://contoso.vault.azure.net/keys/payments"}
		azure.AddKey(key.ID)
		engine := engine.New(engine.Options{
			Store: s, Vault: azure, Services: azure.Services(), Clock: rotatortest.Clock{}, Keys: []rotator.Key{key},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- engine.Run(ctx) }()
		defer func() {
			cancel()
			<-done
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		_ = s.fail(errors.New("fdatasync: input/output error"), failure{})
		var err error
		for range 2 { // the first request after an outage may be what finds it
			<-time.After(5 * time.Second)
			if _, err = engine.Rotate(t.Context(), rotator.Request{Key: "payments", Actor: "alice"}); err == nil {
				break
			}
		}
		if err != nil {
			t.Fatalf("nothing can be stored 10 s after the disk answers again: %v", err)
		}
		if blocked := engine.Summary().Blocked; blocked != "" {
			t.Errorf("still blocked: %s", blocked)
		}
	})
}

// TestCommit_IntoAFileThatNobodyWillFind is not taken for stored, or at least noticed
// when the space is asked for, which happens every minute: after a restart another
// file would be at the path, or none.
func TestCommit_IntoAFileThatNobodyWillFind(t *testing.T) {
	t.Parallel()
	for name, replace := range map[string]func(path string) error{
		"deleted": os.Remove,
		"moved":   func(path string) error { return os.Rename(path, path+".old") },
		"replaced by a copy": func(path string) error {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if err := os.WriteFile(path+".new", data, fileMode); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
		"its directory moved": func(path string) error {
			dir := filepath.Dir(path)
			return os.Rename(dir, dir+".old")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "cmkd")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			s := mustOpen(t, filepath.Join(dir, "cmkd.db"))
			defer func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}()
			mustCommit(t, s, operationWith(1, 1))
			if _, err := s.Space(); err != nil {
				t.Fatal(err)
			}
			if err := replace(s.Path()); err != nil {
				t.Fatal(err)
			}
			_, asked := s.Space()
			if err := rotator.Commit(t.Context(), s, operationWith(2, 1)); err == nil && asked == nil {
				t.Errorf("a change was stored into a file that is not at %s any more, and nobody noticed", filepath.Base(s.Path()))
			}
		})
	}
}
