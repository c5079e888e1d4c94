package configs

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// Duration is a span of time that configuration writes as Go does (1h30m), and
// in days of 24 hours (1d12h). YAML and JSON both write it as that text.
type Duration time.Duration

// ParseDuration reads a duration such as 90s, 1h30m, 2d or 1d12h.
func ParseDuration(text string) (Duration, error) {
	rest, negative := strings.CutPrefix(text, "-")
	if negative {
		return 0, errors.New("a duration cannot be negative")
	}
	whole, after, found := strings.Cut(rest, "d")
	if !found {
		return parseGo(rest)
	}
	days, err := strconv.ParseUint(whole, 10, 32)
	if err != nil || days > uint64(math.MaxInt64/day) {
		return 0, fmt.Errorf("%s is not a duration such as 30m, 12h or 1d12h", quote(text))
	}
	total := Duration(days) * Duration(day)
	if after == "" {
		return total, nil
	}
	more, err := parseGo(after)
	if err != nil {
		return 0, err
	}
	if total+more < total {
		return 0, fmt.Errorf("%s is too long", quote(text))
	}
	return total + more, nil
}

func parseGo(text string) (Duration, error) {
	d, err := time.ParseDuration(text)
	switch {
	case err == nil && d >= 0:
		return Duration(d), nil
	case text != "" && strings.Trim(text, "0123456789.") == "":
		return 0, fmt.Errorf("%s lacks a unit: write %[2]ss, %[2]sm, %[2]sh or %[2]sd", quote(text), text)
	}
	return 0, fmt.Errorf("%s is not a duration such as 30m, 12h or 1d12h", quote(text))
}

// String writes the duration as configuration does, with no part that is zero.
func (d Duration) String() string {
	if d < Duration(day) {
		return trimZero(time.Duration(d).String())
	}
	days := d / Duration(day)
	rest := d % Duration(day)
	if rest == 0 {
		return fmt.Sprintf("%dd", int64(days))
	}
	return fmt.Sprintf("%dd%s", int64(days), trimZero(time.Duration(rest).String()))
}

// trimZero turns 1h0m0s into 1h.
func trimZero(text string) string {
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// MarshalText writes the duration for YAML and JSON.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the duration from YAML and JSON.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}
