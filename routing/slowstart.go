package routing

import (
	"time"

	"posthouse/config"
)

// rampSteps is how finely a node's weight grows while it starts slowly. More would give the hash balances more
// classes of weight to look through, fewer would move more clients at a time.
const rampSteps = 32

// ramp is which of rampSteps parts of its weight a node has, never 0, and when it gets the next one; the zero time
// when it has them all. A node that has never been down has them all.
func ramp(h config.Health, slowStart time.Duration, now time.Time) (step uint64, next time.Time) {
	if h.Recovered.IsZero() || slowStart <= 0 {
		return rampSteps, time.Time{}
	}
	up := max(now.Sub(h.Recovered), 0)
	if up >= slowStart {
		return rampSteps, time.Time{}
	}
	const steps = rampSteps - 1
	done := int(float64(up) / float64(slowStart) * steps)
	wait := time.Duration(float64(slowStart) * float64(done+1) / steps)
	return uint64(done) + 1, now.Add(max(wait-up, 1)) // rounding must not make it a time that has passed
}

// earlier is the first of two times, of which zero ones are none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
