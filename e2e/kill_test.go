package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// loaded is the services under load while nodes die: with words and without, in plain text and TLS.
var loaded = []string{"imap", "imaps", "pop3", "sieve", "smtp", "submission", "submissions"}

// victims are the nodes that die; p1 could not live on without d1 anyway.
var victims = []string{"d1", "p1"}

// TestKill kills a Dovecot and a Postfix under load: no client that they had not greeted may notice, and a second later
// nobody is sent to them any more.
func TestKill(t *testing.T) {
	o := begin(t)
	servers.restoreAfter(t)
	p := serve(t, topology{proxy: "v2"})
	eventually(t, 15*time.Second, "all up", func() error { return p.are("up", everybody, loaded) })

	var lost, total int
	var known, wait time.Duration
	for range 3 {
		l := startLoad(t, 32, 20*time.Millisecond, loaded...)
		l.after(t, 500)
		from := time.Now()
		servers.must(t, "kill9", victims...)
		to := time.Now()
		eventually(t, 3*time.Second, "nodes known to be down", func() error { return p.are("down", victims, loaded) })
		known = max(known, time.Since(to))
		l.after(t, 500)
		all := l.finish()
		requireNone(t, "lost", pick(all, func(a attempt) bool { return a.err != nil && !a.mayFail(from, to) }))
		requireVictims(t, all, from)
		requireAvoided(t, p, to.Add(time.Second))
		lost += len(pick(all, attempt.failed))
		total += len(all)
		wait = max(wait, slowest(all).heard)
		servers.must(t, "start", victims...)
		comeBack(t, p)
	}
	if known > time.Second {
		t.Errorf("new sessions avoided dead nodes after %v, want 1 s", known)
	}
	o.fact(t, "3 times: %d sessions, %d lost that a dead node had greeted, none else; known down after %v at most, longest wait for a greeting %v",
		total, lost, known.Round(time.Millisecond), wait.Round(time.Millisecond))
}

// requireAvoided is that no session that began later was tried on a victim in vain.
func requireAvoided(t *testing.T, p *posthouse, after time.Time) {
	t.Helper()
	for _, r := range p.records("session") {
		ended, err := time.Parse(time.RFC3339Nano, fmt.Sprint(r["time"]))
		if err != nil {
			t.Fatal(err)
		}
		took, _ := r["total_ms"].(float64)
		began := ended.Add(-time.Duration(took * float64(time.Millisecond)))
		if r["failed"] != nil && began.After(after) {
			t.Errorf("a session met a dead node more than a second after its death: %v", r)
		}
	}
}

// mayFail says that a session was lost by right: the node that had answered it was killed in its middle.
func (a attempt) mayFail(from, to time.Time) bool {
	answered := slices.Contains(victims, a.node) || a.node == "" && a.heard > 0 && scripts[a.service].tls // in the handshake
	return answered && a.began.Before(to) && a.ended.After(from) && a.began.Add(a.heard).Before(to)
}

// requireNone fails the test with some of the attempts that should not be.
func requireNone(t *testing.T, what string, these []attempt) {
	t.Helper()
	if len(these) == 0 {
		return
	}
	t.Errorf("%d sessions were %s:", len(these), what)
	for _, a := range these[:min(10, len(these))] {
		t.Log(a)
	}
}

// requireVictims is that the load did reach the victims before, or the test shows nothing.
func requireVictims(t *testing.T, all []attempt, before time.Time) {
	t.Helper()
	for _, v := range victims {
		if len(pick(all, func(a attempt) bool { return a.node == v && a.ended.Before(before) })) < 20 {
			t.Errorf("%s had hardly any load", v)
		}
	}
}

// comeBack is that sessions reach the victims again.
func comeBack(t *testing.T, p *posthouse) {
	t.Helper()
	eventually(t, 20*time.Second, "up again", func() error { return p.are("up", everybody, loaded) })
	l := startLoad(t, 4, 10*time.Millisecond, loaded...)
	l.after(t, 200)
	requireVictims(t, l.finish(), time.Now())
	requireNone(t, "lost", pick(l.attempts, attempt.failed))
}

// TestFreeze stops a Dovecot and a Postfix by SIGSTOP under load: the kernel goes on to accept for them, but they never
// speak. No client may see an error, and none waits longer than one hedge; where there is no hedge (port 25), than the
// greeting's timeout. Clients that they had greeted go on when they thaw.
func TestFreeze(t *testing.T) {
	const (
		hedge    = time.Second
		greeting = 2 * time.Second
		slack    = 700 * time.Millisecond // of two busy cores
	)
	o := begin(t)
	servers.restoreAfter(t)
	keys := map[string]string{"smtp": "timeouts: {greeting: 2s}"}
	for _, s := range loaded {
		if s != "smtp" && s != "imap" { // imap: auto, which is less
			keys[s] = "timeouts: {hedge: 1s}"
		}
	}
	p := serve(t, topology{proxy: "v2", keys: keys})
	eventually(t, 15*time.Second, "all up", func() error { return p.are("up", everybody, loaded) })

	l := startLoad(t, 24, 20*time.Millisecond, loaded...)
	l.after(t, 300)
	from := time.Now()
	servers.must(t, "stop", victims...)
	to := time.Now()
	eventually(t, 20*time.Second, "nodes known to be down", func() error { return p.are("down", victims, loaded) })
	known := time.Now()
	l.after(t, 300)
	thaw := time.Now()
	servers.must(t, "cont", victims...)
	eventually(t, 20*time.Second, "up again", func() error { return p.are("up", everybody, loaded) })
	all := l.finish()

	limit := map[bool]time.Duration{false: hedge + slack, true: greeting + slack}
	requireNone(t, "lost", pick(all, attempt.failed))
	requireNone(t, "too late", pick(all, func(a attempt) bool { return a.heard > limit[a.service == "smtp"] }))
	requireNone(t, "sent to a node that was known to be down", pick(all, func(a attempt) bool {
		return a.began.After(known) && a.began.Before(thaw) && a.heard > slack
	}))
	requireVictims(t, all, from)
	delayed := pick(all, func(a attempt) bool { return a.began.After(from) && a.heard > slack })
	if len(delayed) == 0 {
		t.Error("nobody met a frozen node: the test shows nothing")
	}
	mail := func(a attempt) bool { return a.service == "smtp" }
	rest := func(a attempt) bool { return a.service != "smtp" }
	o.fact(t, "%d sessions, no error, %d met a frozen node; longest wait %v (hedge %v), without hedge %v; known down after %v",
		len(all), len(delayed), slowest(pick(all, rest)).heard.Round(time.Millisecond), hedge,
		slowest(pick(all, mail)).heard.Round(time.Millisecond), known.Sub(to).Round(10*time.Millisecond))
	comeBack(t, p)
}
