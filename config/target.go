package config

import "time"

// Target is one service on one node: what is probed, counted and reported on. Services of one node that share a
// probe are still targets of their own.
type Target struct{ Node, Service string }

// HealthState is what the probes say of a target.
type HealthState uint8

// The zero value is Unknown, which counts as up: checks are wrong more often than the cluster is gone.
const (
	Unknown    HealthState = iota
	Up                     // answers
	Failing                // was up, Count of fall probes have failed since; still used
	Down                   // fall probes have failed
	Recovering             // was down, Count of rise probes have succeeded since; not used yet
)

// Usable says whether sessions may be sent there by choice.
func (s HealthState) Usable() bool { return s == Unknown || s == Up || s == Failing }

func (s HealthState) String() string {
	return [...]string{"unknown", "up", "failing", "down", "recovering"}[s]
}

// Health is what the probes know of a target.
type Health struct {
	State        HealthState
	Count        int           // probes that spoke against State, or for it, so far
	Since        time.Time     // when State was reached
	Recovered    time.Time     // when it last came up after having been down; zero: never
	Greeting     time.Duration // how long its greeting takes, smoothed; 0: not known
	Capabilities []string      // as announced before login, upper case, sorted
	Version      string        // as its greeting names it
	CertExpiry   time.Time     // of its certificate; zero: not seen
	Reason       string        // why the last probe failed; "" when it did not
	Transcript   string        // what was said in the last failed probe
}
