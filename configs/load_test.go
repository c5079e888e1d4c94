package configs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoad_NoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	big := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(big, bytes.Repeat([]byte("#"), MaxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(dir, "secret.yaml")
	if err := os.WriteFile(secret, nil, 0); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "cmkd.yaml")
	tests := map[string]struct{ path, want string }{
		"missing":        {missing, missing + ": no such file or directory (`cmkd config init > " + missing + "` writes an example to begin with)"},
		"unnamed":        {"", ": no such file or directory (`cmkd config init > /etc/cmkd/cmkd.yaml` writes an example to begin with)"},
		"directory":      {dir, dir + ": is a directory (name the file in it)"},
		"too big":        {big, big + ": is larger than 8 MiB (give dependents no settings that are the default)"},
		"through a file": {big + "/cmkd.yaml", big + "/cmkd.yaml: not a directory"},
	}
	if os.Getuid() != 0 {
		tests["forbidden"] = struct{ path, want string }{secret, secret +
			": permission denied (let the daemon's group read it: `chgrp cmkd " + secret + " && chmod 640 " + secret + "`)"}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(test.path)
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %v", err, test.want)
			}
		})
	}
}

func TestUnreadable_Forbidden(t *testing.T) {
	t.Parallel()
	err := unreadable("cmkd.yaml", &os.PathError{Op: "open", Path: "cmkd.yaml", Err: os.ErrPermission})
	if want := "chgrp cmkd cmkd.yaml"; !strings.Contains(err.Error(), want) {
		t.Errorf("%v does not say %s", err, want)
	}
}

// TestParse_Spellings reads one configuration in every way YAML has.
func TestParse_Spellings(t *testing.T) {
	t.Parallel()
	const id = "11111111-2222-3333-4444-555555555555"
	for name, text := range map[string]string{
		"block":            "socket_group: ops\nroles:\n  viewers:\n    - user:alice\n    - uid:7\ndefaults:\n  discover:\n    - " + id + "\n",
		"flow":             "{socket_group: ops, roles: {viewers: [user:alice, uid:7]}, defaults: {discover: [" + id + "]}}",
		"JSON":             `{"socket_group": "ops", "roles": {"viewers": ["user:alice", "uid:7"]}, "defaults": {"discover": ["` + id + `"]}}`,
		"carriage returns": "socket_group: ops\r\nroles:\r\n  viewers: [user:alice, uid:7]\r\ndefaults:\r\n  discover: [" + id + "]\r\n",
		"byte order mark":  "\ufeffsocket_group: ops\nroles: {viewers: [user:alice, uid:7]}\ndefaults: {discover: [" + id + "]}\n",
		"comments":         "# a\n---\n# b\nsocket_group: ops # c\nroles:\n  # d\n  viewers: [user:alice, uid:7]\ndefaults: {discover: [" + id + "]}\n...\n",
		"aliases":          "roles: {viewers: &v [&a 'user:alice', uid:7]}\nsocket_group: &g ops\ndefaults: &d {discover: [" + id + "]}\n",
		"folded":           "socket_group: >-\n  ops\nroles:\n  viewers: ['user:alice', \"uid:7\"]\ndefaults: {discover: [" + id + "]}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := MustParse(t, text)
			got := fmt.Sprint(c.SocketGroup, c.Roles.Viewers, c.Defaults.Discover.In)
			if want := "ops [user:alice uid:7] [" + id + "]"; got != strings.Replace(want, "ops ", "ops", 1) && got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestParse_Aliases(t *testing.T) {
	t.Parallel()
	c := MustParse(t, `
keys:
  - &base
    name: a
    uri: https://contoso.vault.azure.net/keys/a
    soak: &long 5h
    retire: auto
    discover: &subscriptions [11111111-2222-3333-4444-555555555555]
  - <<: *base
    name: b
    uri: https://contoso.vault.azure.net/keys/b
    retire: manual
  - name: c
    uri: https://contoso.vault.azure.net/keys/c
    soak: *long
    discover: *subscriptions
`)
	for i, want := range []string{"a auto 5h 1", "b manual 5h 1", "c manual 5h 1"} {
		k := c.Keys[i]
		if got := fmt.Sprintf("%s %s %s %d", k.Name, k.Retire, k.Soak, len(k.Discover.In)); got != want {
			t.Errorf("key %d: got %s, want %s", i, got, want)
		}
	}
}

func TestParse_AliasesDoNotMultiply(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("roles:\n  viewers: &v [" + strings.Repeat("uid:1,", 3000) + "]\nkeys:\n")
	text.WriteString("  - discover: &d [" + strings.Repeat("x,", 300) + "]\n")
	for range 1000 {
		text.WriteString("  - discover: *d\n")
	}
	_, err := Parse("bomb.yaml", []byte(text.String()))
	if err == nil || !strings.Contains(err.Error(), "nested or repeated too much") {
		t.Errorf("got %.200v", err)
	}
}

func TestParse_Nothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "keys: []\n", "keys:\nroles:\n", "~"} {
		c, err := Parse("cmkd.yaml", []byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if len(c.Warnings()) != 1 || c.Store != Default().Store {
			t.Errorf("%q: %v, store %s", text, c.Warnings(), c.Store)
		}
	}
}

// TestParse_Secrets shows that no message repeats a secret.
func TestParse_Secrets(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"azure: {client_secret: hunter2}", "azure: {clientSecret: hunter2}", "azure: {client_id: hunter2~x}",
		"azure: {certificate: 'x hunter2'}", "password: hunter2", "azure: {certificate: \"-----BEGIN CERTIFICATE-----hunter2\"}",
		"store: /x?sig=hunter2", "keys: [{name: k, dependents: [{settings: {sas_token: hunter2}}]}]",
		"azure: {tenant_id: 'password=hunter2'}",
		"alerts: {receivers: [{name: a, shoutrrr: {credential: 'slack://hook:hunter2@webhook'}}]}",
		"alerts: {receivers: [{name: a, shoutrrr: 'slack://hook:hunter2@webhook'}]}",
		"alerts: {receivers: [{name: a, shoutrrr: {url: 'slack://hook:hunter2@webhook'}}]}",
		"alerts: {receivers: [{name: a, alertmanager: {urls: ['https://u:hunter2@a.example.com']}}]}",
		"alerts: {receivers: [{name: a, alertmanager: {urls: ['https://a.example.com/?x=hunter2']}}]}",
		"alerts: {receivers: [{name: a, alertmanager: {urls: ['https://u:hunter2 @a.example.com']}}]}",
		"alerts: {receivers: [{name: a, alertmanager: {urls: ['https://a.example.com'], bearer_token: hunter2}}]}",
		"alerts: {receivers: [{name: a, exec: {command: [/bin/page, --api-key=hunter2]}}]}",
		"alerts: {runbook: 'https://u:hunter2@a.example.com'}",
		"web: {credential: 'Bearer hunter2'}", "web: {token: hunter2}",
		"web: {certificate: \"-----BEGIN PRIVATE KEY-----hunter2\"}",
	} {
		_, err := Parse("cmkd.yaml", []byte(text))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Many keys, none of which may be noticed more than another.
func bigConfig(keys, dependents int) []byte {
	var b bytes.Buffer
	b.WriteString("keys:\n")
	for i := range keys {
		fmt.Fprintf(&b, "  - name: k%d\n    uri: https://contoso.vault.azure.net/keys/k%[1]d\n    schedule: \"%d %d 1 * *\"\n    dependents:\n",
			i, i%60, i/60%24)
		for j := range dependents {
			fmt.Fprintf(&b, "      - id: /subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/"+
				"Microsoft.Storage/storageAccounts/a%dx%d\n        nudge: never\n", i, j)
		}
	}
	return b.Bytes()
}

func BenchmarkParse(b *testing.B) {
	for _, keys := range []int{100, 1000, 4000} {
		data := bigConfig(keys, 10)
		b.Run(fmt.Sprintf("%d_dependents", keys*10), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse("cmkd.yaml", data, kinds()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/config.*.yaml")
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil {
			f.Add(data)
		}
	}
	f.Add([]byte(Example()))
	f.Add([]byte(Minimal()))
	f.Add([]byte("a: &a [*a]\n<<: *a\n? b\n: !!str c\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("fuzz.yaml", data, kinds())
		if err != nil {
			checkErrors(t, err, bytes.Count(data, []byte("\n"))+bytes.Count(data, []byte("\r"))+1)
			return
		}
		printed, err := Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse("printed.yaml", printed, kinds()); err != nil {
			t.Fatalf("what is printed cannot be read: %v\n%s", err, printed)
		}
	})
}

// checkErrors holds each problem to the form that all have.
func checkErrors(t *testing.T, err error, lines int) {
	t.Helper()
	var problems Errors
	ok := errors.As(err, &problems)
	if !ok || len(problems) == 0 {
		t.Fatalf("%T: %v", err, err)
	}
	for i, p := range problems {
		if p.Message == "" || p.Line > lines+1 || strings.Contains(p.String(), "\n") {
			t.Errorf("problem %d: %+v", i, p)
		}
		if i > 0 && p.Line < problems[i-1].Line {
			t.Errorf("problem %d on line %d comes after line %d", i, p.Line, problems[i-1].Line)
		}
	}
}
