package healthcheck

import (
	"sync/atomic"
	"testing"
	"time"

	"posthouse/config"
)

func TestSuspectOfDeadNode(t *testing.T) {
	var broken atomic.Bool
	answer := func(j job) outcome {
		if broken.Load() {
			return bad(j)
		}
		return outcome{}
	}
	scene(t, oneNode, answer, func(t *testing.T, b *bench) {
		after(7 * time.Second)
		b.take()
		broken.Store(true)
		for range 1000 { // a storm is one suspicion
			b.Suspect(smtpOfA)
		}
		after(250 * time.Millisecond)
		checkState(t, b, config.Down, 0)
		probes := b.take()
		if len(probes) != 3 || probes[1].at-probes[0].at != suspectPause || probes[2].at-probes[1].at != suspectPause {
			t.Errorf("probes %v, want 3, 100 ms apart", probes)
		}
		b.Suspect(smtpOfA) // known by now
		after(time.Second)
		if p := b.take(); len(p) != 0 {
			t.Errorf("%d probes of a node that is down", len(p))
		}
	})
}

func TestSuspectCondemnsNobody(t *testing.T) {
	scene(t, oneNode, good, func(t *testing.T, b *bench) {
		after(7 * time.Second)
		b.take()
		for range 100 { // a storm that goes on for 10 s
			b.Suspect(smtpOfA)
			after(100 * time.Millisecond)
		}
		checkState(t, b, config.Up, 0)
		if n := len(b.take()); n < 10 || n > 45 {
			t.Errorf("%d probes of one that answers in 10 s of suspicion, want about four a second at most", n)
		}
		b.Suspect(config.Target{Node: "nobody", Service: "smtp"})
		after(time.Second)
	})
}

func TestSuspectDuringAProbe(t *testing.T) {
	var calls atomic.Int32
	answer := func(j job) outcome { // the third round is slow and saw the node alive; from then on it is dead
		n := calls.Add(1)
		if n == 3 {
			time.Sleep(time.Second)
		}
		if n > 3 {
			return bad(j)
		}
		return outcome{}
	}
	scene(t, oneNode, answer, func(t *testing.T, b *bench) {
		for calls.Load() < 3 {
			after(100 * time.Millisecond)
		}
		b.Suspect(smtpOfA)
		after(1500 * time.Millisecond)
		checkState(t, b, config.Down, 0)
	})
}

const oneTLSNode = `
cluster: mail.example.org
nodes: [{name: a, address: 10.0.0.1, services: [imaps]}]
`

func TestTLSInEveryFifthRound(t *testing.T) {
	scene(t, oneTLSNode, good, func(t *testing.T, b *bench) {
		after(10 * time.Minute)
		probes := b.take()
		if !probes[0].whole {
			t.Error("the first round is a plain connect")
		}
		whole := 0
		for _, p := range probes {
			if p.whole {
				whole++
			}
		}
		if whole < len(probes)/5-1 || whole > len(probes)/5+2 {
			t.Errorf("TLS in %d of %d rounds, want a fifth", whole, len(probes))
		}
	})
}

func TestPlainConnectClearsNothing(t *testing.T) {
	var broken atomic.Bool
	answer := func(j job) outcome {
		if broken.Load() && j.whole {
			return outcome{failure: failed("TLS handshake: alert")}
		}
		return outcome{}
	}
	scene(t, oneTLSNode, answer, func(t *testing.T, b *bench) {
		after(2 * time.Second)
		broken.Store(true)
		after(26*time.Second + 10*time.Second) // the next TLS round, and two more that follow it at once
		if h := b.of("a", "imaps"); h.State != config.Down {
			t.Errorf("state %v, want down", h.State)
		}
		b.take()
		after(30 * time.Second)
		for _, p := range b.take() {
			if !p.whole {
				t.Error("a plain connect while down")
			}
		}
		broken.Store(false)
		after(11 * time.Second)
		if h := b.of("a", "imaps"); h.State != config.Up {
			t.Errorf("state %v, want up", h.State)
		}
	})
}
