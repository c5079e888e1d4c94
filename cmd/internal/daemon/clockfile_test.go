package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// twoClocks returns the clock of a simulated Azure and that of a daemon beside it, as
// two processes would have them: all that they share is a file.
func twoClocks(t *testing.T, speed float64) (leader, follower *SimulatedClock) {
	t.Helper()
	leader = NewSimulatedClock(time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC), time.Now(), speed)
	leader.file = filepath.Join(t.TempDir(), "clock")
	if err := leader.jump(0); err != nil {
		t.Fatal(err)
	}
	follower, err := ParseSimulatedClock(leader.Flag())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(follower.Close)
	return leader, follower
}

func TestSimulatedClock_JumpsForWhoeverFollowsIt(t *testing.T) {
	leader, follower := twoClocks(t, 1)
	early, late := follower.After(5*time.Hour), follower.After(7*time.Hour)
	before := follower.Now()
	if err := leader.jump(6 * time.Hour); err != nil {
		t.Fatal(err)
	}
	woken := <-early // or the test does not end
	if passed := woken.Sub(before); passed < 6*time.Hour || passed > 6*time.Hour+time.Minute {
		t.Errorf("%s passed for the daemon, want six hours", passed)
	}
	// No monotonic reading: the engine would take the jump for a clock that was set.
	if now := follower.Now(); now.Sub(before) != now.Round(0).Sub(before.Round(0)) {
		t.Errorf("the clock nobody sets saw %s pass", now.Sub(before))
	}
	select {
	case <-late:
		t.Error("whoever waits for seven hours was woken after six")
	default:
	}
	if gap := follower.Now().Sub(leader.Now()).Abs(); gap > time.Second {
		t.Errorf("the clocks are %s apart", gap)
	}
}

func TestSimulatedClock_ChangesItsSpeedForWhoeverFollowsIt(t *testing.T) {
	leader, follower := twoClocks(t, 1)
	hour := follower.After(time.Hour)
	before := leader.Now()
	if err := leader.accelerate(1e6); err != nil {
		t.Fatal(err)
	}
	if at := <-hour; at.Before(before.Add(time.Hour)) {
		t.Errorf("woken at %s, an hour after %s", at, before)
	}
	if got := follower.Timeline().Speed; got != 1e6 {
		t.Errorf("it runs ×%g", got)
	}
	for _, bad := range []float64{0, -1, 1e9} {
		if err := leader.accelerate(bad); err == nil {
			t.Errorf("speed %g is accepted", bad)
		}
	}
	if got := leader.Timeline().Speed; got != 1e6 {
		t.Errorf("a refused speed changed it to ×%g", got)
	}
}

func TestSimulatedClock_SetBackLetsNobodyWaitLonger(t *testing.T) {
	leader, follower := twoClocks(t, 1000)
	wait := follower.After(200 * time.Second) // 0.2 s
	if err := leader.show(leader.Now().Add(-24 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	at := <-wait
	if gap := at.Sub(leader.Now()).Abs(); gap > time.Hour {
		t.Errorf("woken at %s, the leader shows %s", at, leader.Now())
	}
}

func TestSimulatedClock_FileThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	if _, err := ParseSimulatedClock(filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "cmkd simulate writes it") {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bad"), []byte("noon"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ParseSimulatedClock(filepath.Join(dir, "bad")); err == nil || !strings.Contains(err.Error(), "is not EPOCH,ANCHOR,SPEED") {
		t.Errorf("a file that is no clock: %v", err)
	}
	// One that vanishes later stops nothing.
	leader, follower := twoClocks(t, 1000)
	if err := os.Remove(leader.file); err != nil {
		t.Fatal(err)
	}
	<-follower.After(60 * time.Second)
}
