package daemon

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cmkd/rotator"
)

// writeHook writes a program that keeps what it is told, each time in a file of its own: the
// simulated estate may have alerts beside those of the test.
func writeHook(t *testing.T, dir, name string) (program, heard string) {
	t.Helper()
	program, heard = filepath.Join(dir, name), filepath.Join(dir, name+".heard")
	if err := os.WriteFile(program, []byte("#!/bin/sh\ncat > "+heard+".$$\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return program, heard
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestRun_Receivers tries the configured receivers out, and those of a reload.
func TestRun_Receivers(t *testing.T) {
	dir := shortDir(t)
	first, heard := writeHook(t, dir, "first")
	receivers := func(list string) string { return demoKeys + "alerts: {receivers: [" + list + "]}\n" }
	writeConfig(t, dir, receivers(fmt.Sprintf("{name: first, exec: {command: [%q]}}", first)))
	r := start(t, dir)
	results, err := r.client.TestReceivers(t.Context(), "")
	if err != nil || len(results) != 1 || results[0].Kind != "exec" || results[0].Problem != nil {
		t.Fatalf("results are %+v (%v)", results, err)
	}
	var told struct {
		Test   bool
		Note   string
		Alerts []struct{ Summary, Runbook string }
	}
	files, err := filepath.Glob(heard + ".*")
	if err != nil {
		t.Fatal(err)
	}
	var data []byte
	for _, file := range files {
		one, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if data = append(data, one...); json.Unmarshal(one, &told) == nil && told.Test {
			break
		}
	}
	if !told.Test || !strings.Contains(told.Note, "simulated") ||
		len(told.Alerts) != 1 || !strings.HasPrefix(told.Alerts[0].Runbook, "/usr/share/doc/cmkd/alerts.md#") {
		t.Errorf("the program was told %s", data)
	}

	second, _ := writeHook(t, dir, "second")
	writeConfig(t, dir, receivers(fmt.Sprintf("{name: second, exec: {command: [%q]}}, {name: gone, exec: {command: [/nowhere/hook]}}", second)))
	if _, err := r.client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	results, err = r.client.TestReceivers(t.Context(), "")
	if err != nil || len(results) != 2 || results[0].Receiver != "second" || results[0].Problem != nil ||
		results[1].Problem == nil || !strings.Contains(results[1].Problem.Message, "/nowhere/hook") {
		t.Errorf("after a reload the results are %+v (%v)", results, err)
	}
	_, err = r.client.TestReceivers(t.Context(), "first")
	if rotator.CodeOf(err) != rotator.CodeNotFound {
		t.Errorf("a receiver that was taken out answers %v", err)
	}

	writeConfig(t, dir, receivers("{name: second, alertmanager: {urls: ['https://am.example.com'], ca: /nowhere/ca.pem}}"))
	if _, err := r.client.Reload(t.Context()); rotator.CodeOf(err) != rotator.CodeInvalid || !strings.Contains(err.Error(), "second") {
		t.Errorf("a receiver that cannot be made is answered by %v", err)
	}
	if got, err := r.client.Receivers(t.Context()); err != nil || len(got) != 2 {
		t.Errorf("after a refused reload the receivers are %+v (%v)", got, err)
	}
}

// TestRun_Web serves page, metrics and health where the configuration says.
func TestRun_Web(t *testing.T) {
	dir, address := shortDir(t), free(t)
	writeConfig(t, dir, demoKeys+"web: {listen: '"+address+"'}\n")
	r := start(t, dir)
	if line := r.logged("web page"); line["url"] != "http://"+address+"/" {
		t.Errorf("the page is logged as %v", line)
	}
	for path, says := range map[string]string{
		"/": "<!doctype html>", "/healthz": "alive", "/readyz": "ready", "/v1/summary": `"keys":1`,
		"/metrics": `cmkd_build_info{clock="×20000 from`,
	} {
		if status, body := fetch(t, "http://"+address+path); status != http.StatusOK || !strings.Contains(strings.ToLower(body), strings.ToLower(says)) {
			t.Errorf("%s answers %d %.200s", path, status, body)
		}
	}
	for counted := false; !counted; { // an event is counted soon after it was stored
		if t.Context().Err() != nil {
			t.Fatal("the metrics count nothing")
		}
		_, body := fetch(t, "http://"+address+"/metrics")
		counted = strings.Contains(body, "cmkd_store_commits_total") && strings.Contains(body, `cmkd_events_total{type="daemon-started"} 1`)
	}
	if status, _ := fetch(t, "http://"+address+"/v1/audit/verify"); status != http.StatusNotFound {
		t.Errorf("the page's API answers %d for what is not for it", status)
	}
}

func fetch(t *testing.T, url string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func TestRun_WebRefused(t *testing.T) {
	for name, test := range map[string]struct{ web, says string }{
		"others could come without a token": {"{listen: '0.0.0.0:9808'}", "web"},
		"a certificate that is not there":   {"{listen: '127.0.0.1:9808', certificate: /nowhere/web.pem}", "/nowhere/web.pem"},
		"a credential without systemd":      {"{listen: '127.0.0.1:9808', credential: cmkd-web-token}", "LoadCredential=cmkd-web-token"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := shortDir(t)
			writeConfig(t, dir, demoKeys+"web: "+test.web+"\n")
			err := Run(t.Context(), Options{ConfigPath: filepath.Join(dir, "cmkd.yaml"), Clock: sim.Clock(), Log: io.Discard, Notifier: &recorder{}})
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("the daemon answers %v, want a mention of %s", err, test.says)
			}
		})
	}
}
