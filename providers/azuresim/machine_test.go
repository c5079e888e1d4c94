package azuresim_test

import (
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

const machineType = "Microsoft.Compute/virtualMachines"

// power is the power state of the machine vm.
func (e *estate) power() string {
	e.tb.Helper()
	view := e.get(strings.Replace(arm(machineType, "vm", "2024-07-01"), "vm?", "vm/instanceView?", 1))
	statuses := view["statuses"].([]any)
	last := statuses[len(statuses)-1].(map[string]any)
	state := strings.TrimPrefix(str(last, "code"), "PowerState/")
	if str(last, "displayStatus") != "VM "+state || last["level"] != "Info" {
		e.tb.Errorf("status %v", last)
	}
	if _, agent := view["vmAgent"]; agent == (state == "deallocated") && state != "starting" {
		e.tb.Errorf("agent of a machine that is %s: %v", state, agent)
	}
	return state
}

func TestMachine_PowerOverHTTP(t *testing.T) {
	e := mustEstate(t, dependents)
	for _, c := range []struct{ action, moving, end, disk string }{
		{"powerOff", "stopping", "stopped", "Attached"},
		{"start", "starting", "running", "Attached"},
		{"deallocate", "deallocating", "deallocated", "Reserved"},
		{"deallocate", "deallocated", "deallocated", "Reserved"},
		{"start", "starting", "running", "Attached"},
	} {
		r := e.call(202, "POST", strings.Replace(arm(machineType, "vm", "2024-07-01"), "vm?", "vm/"+c.action+"?", 1), "")
		if got := e.power(); got != c.moving {
			t.Errorf("%s: at first %s, want %s", c.action, got, c.moving)
		}
		if got := e.finish(r); str(got, "status") != "Succeeded" {
			t.Errorf("%s: %v", c.action, got)
		}
		if got := e.power(); got != c.end {
			t.Errorf("%s: %s, want %s", c.action, got, c.end)
		}
		if got := str(e.get(arm("Microsoft.Compute/disks", "vm-data", "2023-04-02")), "properties.diskState"); got != c.disk {
			t.Errorf("%s: the disk is %s", c.action, got)
		}
	}
}

// What somebody stopped does not start when the key comes back; what the loss
// of the key stopped does.
func TestMachine_StoppedIsNotShutDown(t *testing.T) {
	for _, c := range []struct{ do, without, after string }{
		{"start-machine", "stopped", "running"},
		{"stop-machine", "stopped", "stopped"},
		{"deallocate-machine", "deallocated", "deallocated"},
	} {
		t.Run(c.do, func(t *testing.T) {
			e := mustEstate(t, dependents)
			e.do(azuresim.Action{Do: c.do, Resource: "vm"})
			e.do(azuresim.Action{Do: "disable-version", Key: "kv/k", Version: "all"})
			e.clock.Advance(2 * time.Hour)
			if got := e.power(); got != c.without {
				t.Errorf("without its key %s, want %s", got, c.without)
			}
			e.call(202, "POST", strings.Replace(arm(machineType, "vm", "2024-07-01"), "vm?", "vm/start?", 1), "")
			e.clock.Advance(time.Hour)
			if got := e.power(); got != c.without {
				t.Errorf("started without its key: %s", got)
			}
			e.do(azuresim.Action{Do: "enable-version", Key: "kv/k", Version: "all"})
			e.clock.Advance(2 * time.Hour)
			if got := e.power(); got != c.after {
				t.Errorf("with its key %s, want %s", got, c.after)
			}
		})
	}
	if err := mustEstate(t, dependents).sim.Do(azuresim.Action{Do: "stop-machine", Resource: "st"}); err == nil {
		t.Error("an account was stopped")
	}
}
