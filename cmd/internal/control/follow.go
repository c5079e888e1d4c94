package control

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"cmkd/rotator"
)

// maxEvent is the longest line of an event stream that is read.
const maxEvent = 1 << 20

// Follow hands each event that f selects to each, those there are and those to
// come, until each returns an error, which it returns, or ctx is done. Started
// again after the last event that it handed over, it misses none.
func (c *Client) Follow(ctx context.Context, f rotator.EventFilter, each func(rotator.Event) error) error {
	path := "/v1/events"
	if q := eventQuery(f); len(q) > 0 {
		path += "?" + q.Encode()
	}
	resp, err := c.send(ctx, http.MethodGet, path, nil, mediaStream)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // a stream has no end to wait for
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e rotator.Event
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return rotator.Errorf(rotator.CodeInternal, "the daemon sent an event that cannot be read: %v", err)
		}
		if err := each(e); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return rotator.Errorf(CodeUnreachable, "the daemon closed the connection").
		WithHint("systemctl status cmkd tells whether it still runs")
}
