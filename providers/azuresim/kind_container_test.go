package azuresim_test

import (
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

// TestContainerGroup_OpensItsKeyWhenItStarts: one without a version takes the
// newest at each start, and only a start feels that a version is gone.
func TestContainerGroup_OpensItsKeyWhenItStarts(t *testing.T) {
	e := mustEstate(t, oneKey+`container_groups:
  - {name: follows, key: kv/k, follows: true}
  - {name: holds, key: kv/k, version: oldest}
`)
	restart := func(name string) {
		e.call(204, "POST", strings.Replace(arm(groupType, name, "2022-09-01"), "?", "/restart?", 1), "")
		e.clock.Advance(time.Minute)
	}
	if got := dig(e.get(arm(groupType, "follows", "2022-09-01")), "properties.encryptionProperties.keyVersion"); got != "" {
		t.Errorf("keyVersion %v", got)
	}
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.clock.Advance(1000 * time.Hour)
	e.wantNeeds("it looks at no other time", "1 holds: in use", "2 follows: in use")
	restart("follows")
	e.wantNeeds("restarted", "1 holds: in use", "3 follows: in use")
	e.do(azuresim.Action{Do: "disable-version", Key: "kv/k", Version: "all"})
	e.clock.Advance(1000 * time.Hour)
	e.wantNeeds("running without a key", "1 holds: in use", "3 follows: in use")
	restart("follows")
	restart("holds")
	e.wantNeeds("restarted without a key", "1 holds: in use, no access", "3 follows: in use, no access")
	if got := str(e.get(arm(groupType, "follows", "2022-09-01")), "properties.provisioningState"); got != "Failed" {
		t.Errorf("state %s", got)
	}
	e.do(azuresim.Action{Do: "enable-version", Key: "kv/k", Version: "all"})
	e.clock.Advance(1000 * time.Hour)
	e.wantNeeds("the key is back", "1 holds: in use, no access", "3 follows: in use, no access")
	restart("follows")
	e.wantNeeds("started again", "1 holds: in use, no access", "3 follows: in use")
}
