package healthcheck

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"posthouse/config"
)

func TestLearned(t *testing.T) {
	var greeting atomic.Int64
	greeting.Store(int64(100 * time.Millisecond))
	answer := func(j job) outcome {
		o := outcome{greeting: time.Duration(greeting.Load()), capabilities: []string{"SIZE 1"}, version: "Postfix", expiry: time.Now().Add(10 * 24 * time.Hour).Truncate(24 * time.Hour)}
		if j.node == "b" {
			o.capabilities = []string{"PIPELINING", "SIZE 1"}
		}
		return o
	}
	const yaml = `
cluster: mail.example.org
nodes: [{name: "[a-c]", address: "10.0.0.[1-3]", services: [smtp]}]
`
	scene(t, strings.Replace(strings.Replace(yaml, "[a-c]", "a", 1), "10.0.0.[1-3]\"", "10.0.0.1\"", 1)+"  \n", answer, func(t *testing.T, b *bench) {
		after(20 * time.Second)
		if h := b.of("a", "smtp"); h.Greeting != 100*time.Millisecond || h.Version != "Postfix" || len(h.Capabilities) != 1 || h.CertExpiry.IsZero() {
			t.Errorf("health %+v", h)
		}
		told := b.told()
		greeting.Store(int64(110 * time.Millisecond))
		after(60 * time.Second)
		if b.told() != told {
			t.Error("a greeting that moved by a tenth was reported")
		}
		greeting.Store(int64(900 * time.Millisecond))
		after(60 * time.Second)
		if h := b.of("a", "smtp"); h.Greeting < 700*time.Millisecond {
			t.Errorf("greeting %v after a minute of 900 ms", h.Greeting)
		}
		if n := strings.Count(b.said(), "certificate expires soon"); n != 1 {
			t.Errorf("the certificate is spoken of %d times, want once", n)
		}
	})
	scene(t, `
cluster: mail.example.org
nodes:
  - {name: a, address: 10.0.0.1, services: [smtp]}
  - {name: b, address: 10.0.0.2, services: [smtp]}
  - {name: c, address: 10.0.0.3, services: [smtp]}
`, answer, func(t *testing.T, b *bench) {
		after(time.Minute)
		if n := strings.Count(b.said(), "announce different capabilities"); n < 1 || n > 2 || !strings.Contains(b.said(), "PIPELINING") {
			t.Errorf("different capabilities are spoken of %d times:\n%s", n, b.said())
		}
	})
}

func TestOurOwnFaultCountsForNothing(t *testing.T) {
	starved := func(job) outcome {
		return outcome{failure: &failure{reason: "connect: too many open files", ours: true}}
	}
	scene(t, oneNode, starved, func(t *testing.T, b *bench) {
		b.Suspect(smtpOfA)
		after(time.Minute)
		checkState(t, b, config.Unknown, 0)
		if n := strings.Count(b.said(), "too many open files"); n != 1 {
			t.Errorf("said %d times, want once:\n%s", n, b.said())
		}
	})
}

// A ban is suspected once, when the node is down for it, and again only after it was up.
func TestBanIsSuspected(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	answer := func(job) outcome {
		if broken.Load() {
			return outcome{failure: failed("accepted and hung up without a word: %s", banned)}
		}
		return outcome{}
	}
	const yaml = `
cluster: mail.example.org
nodes: [{name: a, address: 10.0.0.1, services: [smtp, imap]}]
`
	scene(t, yaml, answer, func(t *testing.T, b *bench) {
		for i, want := range []int{0, 1, 1, 2} {
			switch i {
			case 0:
				after(7 * time.Second)
			case 3:
				broken.Store(false)
				after(time.Minute)
				broken.Store(true)
				after(time.Minute)
			default:
				after(time.Minute)
			}
			if n := strings.Count(b.said(), "event=ban-suspected"); n != want {
				t.Errorf("step %d: said %d times, want %d:\n%s", i, n, want, b.said())
			}
		}
	})
}
