package relay

import (
	"io"
	"net"
	"testing"
	"time"
)

func TestFacts(t *testing.T) { both(t, testFacts) }

func testFacts(t *testing.T, f form) {
	r := newRig(t, f, Pair{First: []byte("* OK\r\n")})
	steps := []struct {
		from, to    *net.TCPConn
		text        string
		node, ended bool
		tls         bool
	}{
		{r.client, r.node, "a IDLE\r\n", false, true, false},
		{r.node, r.client, "+ idling\r\n", true, true, false},
		{r.node, r.client, "* 1 EXI", true, false, false},
		{r.client, r.node, "x", false, false, false},
		{r.client, r.node, "\x16\x03\x01 hello", false, false, true},
		{r.node, r.client, "\x16\x03\x03 hello", true, false, true},
	}
	hear(t, r.client, "* OK\r\n")
	for _, step := range steps {
		say(t, step.from, step.text)
		hear(t, step.to, step.text)
		var facts Facts
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
			facts = r.session.Facts()
			if facts.Flushed && facts.NodeSpokeLast == step.node && facts.LineEnded == step.ended && facts.TLS == step.tls {
				break
			}
		}
		if !facts.Flushed || facts.NodeSpokeLast != step.node || facts.LineEnded != step.ended || facts.TLS != step.tls || facts.Silent > patience {
			t.Errorf("after %q: %+v", step.text, facts)
		}
	}
}

// What waits for a reader is not flushed.
func TestFactsOfStalledReader(t *testing.T) { both(t, testFactsOfStalledReader) }

func testFactsOfStalledReader(t *testing.T, f form) {
	r := newRig(t, f, Pair{})
	go io.Copy(r.node, endless{})
	for deadline := time.Now().Add(patience); ; {
		facts := r.session.Facts()
		if !facts.Flushed && facts.Silent > 50*time.Millisecond {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("facts = %+v, want them not flushed", facts)
		}
	}
	r.session.Close(Cut)
	if got := <-r.result; got.End != Cut {
		t.Errorf("result = %+v", got)
	}
}
