//go:build linux

package beside

import (
	"fmt"
	"math"
	"slices"
	"time"

	"posthouse/bench/measure"
)

// Tally counts the work of a load while it is looked at.
type Tally struct {
	counting bool
	units    float64
	took     []time.Duration
}

// Add counts a piece of work of one unit that took so long.
func (t *Tally) Add(took time.Duration) {
	if t.counting {
		t.units++
		t.took = append(t.took, took)
	}
}

// Moved counts work that has no beginning: bytes.
func (t *Tally) Moved(units float64) {
	if t.counting {
		t.units += units
	}
}

// warmTime is how long a load runs until it is looked at: until pools are filled and memory is borrowed.
const warmTime = 250 * time.Millisecond

// Count lets the load run, for a while without and then with looking at it. The sample's cost is CPU time for a unit, times scale.
func (t *Tally) Count(pids func() []int, window time.Duration, scale float64, run func(until time.Time) error) (s Sample, err error) {
	if err = run(time.Now().Add(warmTime)); err != nil {
		return s, err
	}
	all := pids()
	t.took = make([]time.Duration, 0, 1<<18)
	before, err := measure.CPU(all)
	if err != nil {
		return s, err
	}
	began := time.Now()
	t.counting = true
	err = run(began.Add(window))
	t.counting = false
	wall := time.Since(began)
	after, cpuErr := measure.CPU(all)
	switch {
	case err != nil:
		return s, err
	case cpuErr != nil:
		return s, cpuErr
	case t.units == 0:
		return s, fmt.Errorf("nothing was done")
	}
	return t.sample(after-before, wall, scale), nil
}

func (t *Tally) sample(cpu, wall time.Duration, scale float64) Sample {
	slices.Sort(t.took)
	return Sample{
		Cost: cpu.Seconds() / t.units * scale,
		Rate: t.units / wall.Seconds(),
		P50:  t.percentile(0.50),
		P99:  t.percentile(0.99),
		P999: t.percentile(0.999),
		Busy: cpu.Seconds() / wall.Seconds(),
	}
}

// percentile is in µs; NaN of work that has no beginning.
func (t *Tally) percentile(share float64) float64 {
	if len(t.took) == 0 {
		return math.NaN()
	}
	return float64(measure.Percentile(t.took, share).Nanoseconds()) / 1e3
}
