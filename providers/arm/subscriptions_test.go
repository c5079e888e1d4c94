package arm_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cmkd/providers/arm/wire/wiretest"
	"cmkd/rotator"
)

// listed is an element of the list of subscriptions, in the documented shape.
func listed(id, state string) string {
	return fmt.Sprintf(`{"id":"/subscriptions/%s","subscriptionId":"%s","displayName":"Example","state":"%s","authorizationSource":"RoleBased"}`, id, id, state)
}

// TestClient_Subscriptions reads every page, and leaves out none but what is deleted.
func TestClient_Subscriptions(t *testing.T) {
	t.Parallel()
	var ids []string
	for n := range 5 {
		ids = append(ids, fmt.Sprintf("%08d-0000-0000-0000-000000000000", n))
	}
	first := `{"value":[` + listed(ids[0], "Enabled") + "," + listed(ids[1], "Warned") + "," + listed(ids[2], "Deleted") +
		`],"nextLink":"https://management.azure.com/subscriptions?api-version=2022-12-01&$skiptoken=a"}`
	second := `{"value":[` + listed(ids[3], "Disabled") + "," + listed(ids[4], "PastDue") + `]}`
	c, transport := newClient(t, wiretest.NewClock(), wiretest.Queue(t, wiretest.Answer{Body: first}, wiretest.Answer{Body: second}))
	got, err := c.Subscriptions(t.Context())
	if want := []string{ids[0], ids[1], ids[3], ids[4]}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if url := transport.Requests()[0].URL; !strings.HasSuffix(url, "/subscriptions?api-version=2022-12-01") {
		t.Errorf("asked %s", url)
	}
}

// TestClient_Subscriptions_NothingIsNone: what does not say which subscriptions there are
// does not say that there are none.
func TestClient_Subscriptions_NothingIsNone(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]wiretest.Answer{
		"no page":             {Body: `{}`},
		"no id":               {Body: `{"value":[{"state":"Enabled"}]}`},
		"an id that is a way": {Body: `{"value":[` + listed("../../x", "Enabled") + `]}`},
		"a text":              {Body: `{"value":["x"]}`},
		"forbidden":           {Status: 403, Body: `{"error":{"code":"AuthorizationFailed","message":"no"}}`},
	} {
		c, _ := newClient(t, wiretest.NewClock(), wiretest.Queue(t, answer))
		if got, err := c.Subscriptions(t.Context()); rotator.CodeOf(err) == "" {
			t.Errorf("%s: got %q and no error", name, got)
		}
	}
}
