package healthcheck

import (
	"slices"
	"time"

	"posthouse/config"
)

// expiryWarning is how long before its end a certificate is spoken of: a renewal that works happens weeks earlier.
const expiryWarning = 14 * 24 * time.Hour

// target is what is known of one service on one node. A reload that leaves name, address and port alone leaves it.
type target struct {
	wanted
	streak   streak
	health   config.Health // as last reported
	told     bool          // whether anything has been reported
	greeting time.Duration // smoothed
	lost     bool          // reported down for want of an address, until a probe has decided
}

// take counts one outcome and says whether the health has changed in a way that others should hear of.
func (t *target) take(o outcome, now time.Time) (changed bool) {
	t.streak = t.streak.next(o.good(), t.rise, t.fall, now)
	t.find()
	h := t.health
	if !t.lost {
		h.State, h.Count, h.Since, h.Recovered = t.streak.state, t.streak.count, t.streak.since, t.streak.recovered
	}
	t.learn(&h, o)
	h.Reason, h.Transcript = "", ""
	if o.failure != nil {
		h.Reason, h.Transcript = o.failure.reason, o.transcript
	}
	return t.report(h)
}

// find ends the time without an address once a probe has decided.
func (t *target) find() {
	if t.lost && t.streak.state == config.Up {
		t.streak.recovered = t.streak.since
	}
	t.lost = t.lost && t.streak.state == config.Unknown
}

// unresolved takes the target down because its node's name has no address.
func (t *target) unresolved(reason string, now time.Time) (changed bool) {
	h := t.health
	if h.State != config.Down {
		h.Since = now
	}
	t.streak, t.lost = streak{recovered: t.streak.recovered}, true
	h.State, h.Count, h.Reason, h.Transcript = config.Down, 0, reason, ""
	return t.report(h)
}

// learn takes over what a probe saw; what it did not see stays as it was.
func (t *target) learn(h *config.Health, o outcome) {
	if o.greeting > 0 {
		t.greeting = smooth(t.greeting, o.greeting)
	}
	if moved(h.Greeting, t.greeting) {
		h.Greeting = t.greeting
	}
	if o.capabilities != nil && !slices.Equal(o.capabilities, h.Capabilities) {
		h.Capabilities = o.capabilities
	}
	if o.version != "" {
		h.Version = o.version
	}
	if !o.expiry.IsZero() {
		h.CertExpiry = o.expiry
	}
}

// report keeps h as the health that others know, unless it says nothing new.
func (t *target) report(h config.Health) bool {
	old := t.health
	same := t.told && h.State == old.State && h.Count == old.Count && h.Reason == old.Reason &&
		h.Greeting == old.Greeting && h.Version == old.Version && h.CertExpiry.Equal(old.CertExpiry) &&
		slices.Equal(h.Capabilities, old.Capabilities)
	if same {
		return false
	}
	t.health, t.told = h, true
	return true
}

// smooth is the moving average with a quarter for the newest: one slow greeting does not move a hedge, a few do.
func smooth(old, new time.Duration) time.Duration {
	if old == 0 {
		return new
	}
	return old + (new-old)/4
}

// moved says whether a greeting time differs by more than a fifth from the one that was told.
func moved(told, now time.Duration) bool {
	return (now - told).Abs() > told/5
}
