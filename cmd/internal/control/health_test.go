package control

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cmkd/rotator"

	"github.com/google/go-cmp/cmp"
)

func TestHealthOf(t *testing.T) {
	t.Parallel()
	read := map[rotator.OperationKind]int{}
	for name, test := range map[string]struct {
		engine *fakeEngine
		want   Health
	}{
		"all is well": {
			&fakeEngine{beat: noon{}.Now().Add(-29 * time.Second), summary: &rotator.Summary{Live: read}},
			Health{Live: true, Ready: true, Problems: []string{}},
		},
		"stands still": {
			&fakeEngine{beat: noon{}.Now().Add(-90 * time.Second), summary: &rotator.Summary{Live: read}},
			Health{Problems: []string{"the engine has made no step for 1m30s"}},
		},
		"is behind its clock, but moves": {
			&fakeEngine{beat: noon{}.Now().Add(-time.Hour), beats: 9, summary: &rotator.Summary{Live: read}},
			Health{Live: true, Ready: true, Problems: []string{}},
		},
		"has not begun": {
			&fakeEngine{summary: &rotator.Summary{}},
			Health{Problems: []string{"the engine has not begun", "the store is still being read"}},
		},
		"still reads the store": {
			&fakeEngine{beat: noon{}.Now(), summary: &rotator.Summary{}},
			Health{Live: true, Problems: []string{"the store is still being read"}},
		},
		"cannot store": {
			&fakeEngine{beat: noon{}.Now(), summary: &rotator.Summary{Blocked: "disk is full"}},
			Health{Live: true, Problems: []string{"nothing can be stored: disk is full"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				if diff := cmp.Diff(test.want, HealthOf(test.engine, noon{})); diff != "" {
					t.Error(diff)
				}
				if took := time.Since(began); took > heartbeatGrace {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

func TestServer_Health(t *testing.T) {
	t.Parallel()
	seen := make(chan Access, 1)
	for name, test := range map[string]struct {
		beat   time.Time
		status int
		says   string
	}{
		"ready":     {noon{}.Now(), 200, `{"live":true,"ready":true,"problems":[]}`},
		"not ready": {noon{}.Now().Add(-time.Minute), 503, `{"live":false,"ready":false,"problems":["the engine has made no step for 1m0s"]}`},
	} {
		client, _ := serve(t, &fakeEngine{beat: test.beat}, func(o *Options) { o.Observe = func(a Access) { seen <- a } })
		status, body := send(t, client.Socket(), "GET", "/v1/health", "", nil, "")
		if status != test.status || strings.TrimSpace(body) != test.says {
			t.Errorf("%s: %d %s", name, status, body)
		}
		if a := <-seen; a.Status != test.status || a.Err != nil {
			t.Errorf("%s is observed as %+v", name, a)
		}
	}
}
