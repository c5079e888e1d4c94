package control

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"cmkd/rotator"
)

// Duration is how a request writes a span of time: as Go does, "1h30m", or as a
// number of seconds.
type Duration struct{ time.Duration }

// MarshalJSON writes the text.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads either.
func (d *Duration) UnmarshalJSON(data []byte) (err error) {
	if seconds, err := strconv.ParseFloat(string(data), 64); err == nil {
		if math.Abs(seconds) >= math.MaxInt64/float64(time.Second) {
			return rotator.Errorf(rotator.CodeInvalid, "%s seconds is too long", data)
		}
		d.Duration = time.Duration(seconds * float64(time.Second))
		return nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err == nil {
		if d.Duration, err = time.ParseDuration(text); err == nil {
			return nil
		}
	}
	return rotator.Errorf(rotator.CodeInvalid, `%s is no duration like "1h30m" or a number of seconds`, data)
}
