package routing

import (
	"math"
	"testing"
	"time"

	"posthouse/config"
)

func TestRamp(t *testing.T) {
	tests := []struct {
		name      string
		up        time.Duration // since it recovered; negative: never was down
		slowStart time.Duration
		step      uint64
		next      time.Duration // after it recovered; 0: none
	}{
		{"never down", -1, 31 * time.Second, rampSteps, 0},
		{"at once", 0, 0, rampSteps, 0},
		{"first moment", 0, 31 * time.Second, 1, time.Second},
		{"half", 15500 * time.Millisecond, 31 * time.Second, 16, 16 * time.Second},
		{"on a step", 16 * time.Second, 31 * time.Second, 17, 17 * time.Second},
		{"last step", 30500 * time.Millisecond, 31 * time.Second, 31, 31 * time.Second},
		{"done", 31 * time.Second, 31 * time.Second, rampSteps, 0},
		{"long done", time.Hour, 31 * time.Second, rampSteps, 0},
	}
	for _, test := range tests {
		h := config.Health{State: config.Up}
		if test.up >= 0 {
			h.Recovered = start
		}
		step, next := ramp(h, test.slowStart, start.Add(max(test.up, 0)))
		want := start.Add(test.next)
		if test.next == 0 {
			want = time.Time{}
		}
		if step != test.step || next.Sub(want).Abs() > time.Microsecond {
			t.Errorf("%s: ramp = %d, next %v, want %d, next %v", test.name, step, next, test.step, want)
		}
	}
	if step, _ := ramp(config.Health{Recovered: start.Add(time.Minute)}, time.Hour, start); step != 1 {
		t.Errorf("ramp of a node that recovers in the future = %d, want 1", step)
	}
}

// A ramp ends whatever slow_start is: each next time is a step further.
func TestRampEnds(t *testing.T) {
	for _, slowStart := range []time.Duration{1, 7, time.Millisecond, 30 * time.Second, 1000 * time.Hour} {
		h, now, last := config.Health{Recovered: start}, start, uint64(0)
		for range 2 * rampSteps {
			step, next := ramp(h, slowStart, now)
			if step == rampSteps && next.IsZero() {
				last = step
				break
			}
			if step < last || !next.After(now) {
				t.Fatalf("slow_start %v: step %d after %d, next %v after %v", slowStart, step, last, next, now)
			}
			last, now = step, next
		}
		if last != rampSteps {
			t.Errorf("slow_start %v ends with step %d, want %d", slowStart, last, rampSteps)
		}
	}
}

func TestSlowStartGrows(t *testing.T) {
	for _, balance := range balances {
		top := one(balance, 4, nodes(4, "node", "eu", "imaps")...)
		top.Services[0].SlowStart = 30 * time.Second
		health := map[config.Target]config.Health{{Node: "node-1", Service: "imaps"}: {State: config.Up, Recovered: start}}
		last := 0.0
		for up := time.Duration(0); up <= 32*time.Second; up += 8 * time.Second {
			table := NewTable(top, State{Health: health, Now: start.Add(up)})
			got := shares(table, choices, false)["node-1"]
			part := min(max(float64(up)/float64(30*time.Second), 1.0/rampSteps), 1)
			if want := part / (3 + part); math.Abs(got-want) > 0.02 {
				t.Errorf("%s: %v after it recovered node-1 has a share of %.3f, want %.3f", balance, up, got, want)
			}
			if got <= last {
				t.Errorf("%s: share of node-1 fell from %.3f to %.3f", balance, last, got)
			}
			if last = got; table.ramping.IsZero() != (up >= 30*time.Second) {
				t.Errorf("%s: %v after it recovered the next step is at %v", balance, up, table.ramping)
			}
		}
	}
}

// A node that starts slowly takes clients from the others, and the others do not swap theirs.
func TestSlowStartByHash(t *testing.T) {
	top := one(config.ClientHash, 4, nodes(8, "node", "eu", "imaps")...)
	top.Services[0].SlowStart = 30 * time.Second
	health := map[config.Target]config.Health{{Node: "node-1", Service: "imaps"}: {State: config.Up, Recovered: start}}
	before := owners(NewTable(top, State{Health: down("node-1")}), 20000)
	for up := time.Duration(0); up <= 32*time.Second; up += 4 * time.Second {
		after := owners(NewTable(top, State{Health: health, Now: start.Add(up)}), 20000)
		for i := range before {
			if after[i] != before[i] && after[i] != "node-1" {
				t.Fatalf("%v: client %d moved from %s to %s", up, i, before[i], after[i])
			}
		}
		before = after
	}
}
