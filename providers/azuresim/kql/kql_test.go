package kql_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"cmkd/providers/azuresim/kql"
)

func rows() []kql.Row {
	return []kql.Row{
		{"name": "b", "type": "x/y", "n": 2, "at": "2026-01-01T00:00:00.0000000Z", "properties": kql.Row{"key": "https://v/keys/K"}},
		{"name": "a", "type": "X/Y", "n": 2, "at": "2026-01-02T00:00:00.0000000Z"},
		{"name": "c", "type": "z", "n": 3, "at": "2026-01-03T00:00:00.0000000Z", "properties": kql.Row{}},
	}
}

func TestQuery_Run(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 3, 12, 0, 0, 0, time.UTC)
	for query, want := range map[string]string{
		"T | where type =~ 'x/y' | project name":                                            `[{"name":"b"},{"name":"a"}]`,
		"t | where type == 'x/y' | project name":                                            `[{"name":"b"}]`,
		"T | where tolower(properties.key) contains 'keys/k' | project properties.key":      `[{"properties_key":"https://v/keys/K"}]`,
		"T | where name in ('a', 'c') and not(type !~ 'z') | project name":                  `[{"name":"c"}]`,
		"T | where (name == 'a' or name == 'b') and isempty(properties) | project v = name": `[{"v":"a"}]`,
		"T | where at > ago(2d) | order by name asc | take 1 | project name":                `[{"name":"a"}]`,
		"T | summarize count(), last = max(at) by n":                                        `[{"count_":2,"last":"2026-01-02T00:00:00.0000000Z","n":2},{"count_":1,"last":"2026-01-03T00:00:00.0000000Z","n":3}]`,
		"T | extend x = name | where x == 'c' | project x, gone":                            `[{"gone":null,"x":"c"}]`,
	} {
		q, err := kql.Parse(query, "T", now)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		got, err := json.Marshal(q.Run(rows()))
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v; want %s", query, got, err, want)
		}
	}
}

// What is not of the subset is refused, never passed over.
func TestParse_refuses(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		"", "U", "T where", "T | evaluate pivot(x)", "T | where x ~~ 'y'", "T | where (x == 'y'", "T | where x in 'y'", "T | order x",
		"T | take some", "T | summarize avg(x)", "T | where at > ago(soon)", "T | where tolower x == 'y'", "T | where x == 'y", `T | where"`,
	} {
		_, err := kql.Parse(query, "T", time.Time{})
		var refused *kql.Error
		if !errors.As(err, &refused) || refused.Code == "" || refused.Text == "" {
			t.Errorf("%q: %v", query, err)
		}
	}
}

// FuzzParse sees to it that no query ends the process.
func FuzzParse(f *testing.F) {
	f.Add("T | where a.b =~ 'c' and d in ('e') | summarize n = count() by f | order by n | take 3")
	f.Fuzz(func(_ *testing.T, text string) {
		if q, err := kql.Parse(text, "T", time.Time{}); err == nil {
			q.Run(rows())
		}
	})
}
