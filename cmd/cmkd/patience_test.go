package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"cmkd/rotator"
)

func TestPatiently(t *testing.T) {
	t.Parallel()
	busy := rotator.Errorf(rotator.CodeUnavailable, "a call is under way")
	for name, test := range map[string]struct {
		answers []error // the last one is repeated
		want    error
		after   time.Duration
	}{
		"done at once":     {[]error{nil}, nil, 0},
		"busy for a while": {[]error{busy, busy, nil}, nil, 2 * busyPause},
		"busy for good":    {[]error{busy}, busy, busyPatience + busyPause},
		"refused":          {[]error{rotator.ErrConflict}, rotator.ErrConflict, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, err := patiently(context.Background(), func() (rotator.Operation, error) {
					answer := test.answers[0]
					if len(test.answers) > 1 {
						test.answers = test.answers[1:]
					}
					return rotator.Operation{}, answer
				})
				if err != test.want || time.Since(began) != test.after { //nolint:errorlint // it is handed on as it is
					t.Errorf("%v after %s, want %v after %s", err, time.Since(began), test.want, test.after)
				}
			})
		})
	}
}
