package proxy

import (
	"net/netip"
	"sync"
	"time"

	"posthouse/config"
)

// limiter counts the sessions of one service against its limits. It outlives reloads, which change only the limits.
type limiter struct {
	mu       sync.Mutex // guards the following
	limits   config.Limits
	sessions int
	clients  clientTable // empty while no limit needs it
}

func (l *limiter) set(limits config.Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limits.ClientRate != l.limits.ClientRate {
		l.clients.forgetRates()
	}
	l.limits = limits
}

// ticket is a session that was counted in.
type ticket struct {
	limiter *limiter
	network uint64 // of the client's key, and the other half of it
	six     bool
	client  bool // in the table of clients too
}

// begin counts a session in, unless a limit forbids it. Each begin that was true needs one end of its ticket.
func (l *limiter) begin(a netip.Addr, now time.Time) (ticket, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limits.Sessions > 0 && l.sessions >= l.limits.Sessions {
		return ticket{}, false
	}
	key := keyOf(a)
	t := ticket{limiter: l, network: key.network, six: key.six, client: l.limits.ClientSessions > 0 || l.limits.ClientRate.Events > 0}
	if t.client && !l.beginClient(key, now.Sub(base)) {
		return ticket{}, false
	}
	l.sessions++
	return t, true
}

// beginProbe counts in a session that no limit applies to.
func (l *limiter) beginProbe() ticket {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sessions++
	return ticket{limiter: l}
}

func (l *limiter) beginClient(key clientKey, now time.Duration) bool {
	perClient, rate := l.limits.ClientSessions, l.limits.ClientRate
	fresh := client{key: key}
	c := l.clients.of(key)
	known := c != nil
	if !known {
		c = &fresh
	}
	if perClient > 0 && int(c.sessions) >= perClient {
		return false
	}
	if rate.Events > 0 {
		if c.refill(rate, now); c.tokens < 1 {
			return false
		}
		c.tokens--
	}
	c.sessions++
	if !known {
		l.clients.add(fresh, now, rate.Per)
	}
	return true
}

// end counts the session out. The zero ticket counts nothing.
func (t ticket) end() {
	l := t.limiter
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sessions--
	if !t.client {
		return
	}
	c := l.clients.of(clientKey{t.network, t.six})
	if c.sessions--; c.sessions == 0 && l.limits.ClientRate.Events == 0 {
		l.clients.remove(c.key)
	}
}
