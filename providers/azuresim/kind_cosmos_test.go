package azuresim_test

import (
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

// TestCosmos_BackupsNeedTheVersionOfTheirTime: every four hours one, kept for
// eight.
func TestCosmos_BackupsNeedTheVersionOfTheirTime(t *testing.T) {
	e := mustEstate(t, oneKey+"cosmosdb_accounts:\n  - {name: cosmos, key: kv/k, pace: {check: 1h}}\n")
	e.wantNeeds("at first", "2 cosmos: backup", "2 cosmos: in use")
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.clock.Advance(time.Hour)
	e.wantNeeds("it switched", "2 cosmos: backup", "3 cosmos: in use")
	e.clock.Advance(3 * time.Hour)
	e.wantNeeds("a backup later", "2 cosmos: backup", "3 cosmos: backup", "3 cosmos: in use")
	e.do(azuresim.Action{Do: "disable-version", Key: "kv/k", Version: "previous"})
	e.clock.Advance(time.Hour)
	// The account does not notice that a restore would fail.
	e.wantNeeds("without the old version", "2 cosmos: backup, no access", "3 cosmos: backup", "3 cosmos: in use")
	e.clock.Advance(3*time.Hour + time.Second)
	e.wantNeeds("the last backup under it is gone", "3 cosmos: backup", "3 cosmos: in use")
}
