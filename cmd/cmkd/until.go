package main

import (
	"time"

	"cmkd/configs"
	"cmkd/rotator"
)

// readUntil reads the value of --until: a moment, a day, or a time span from now on.
func readUntil(text string) (until time.Time, span time.Duration, err error) {
	wrong := func(message string) error {
		return usage(rotator.Errorf(rotator.CodeInvalid, "%s", message).WithHint("for instance --until 30d, or --until 2026-12-31"))
	}
	if text == "" {
		return until, 0, wrong("nothing says until when")
	}
	if d, err := configs.ParseDuration(text); err == nil {
		if d <= 0 {
			return until, 0, wrong("--until " + text + " is over at once")
		}
		return until, time.Duration(d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, 0, nil
		}
	}
	return until, 0, wrong("--until " + text + " is neither a time span nor a date")
}
