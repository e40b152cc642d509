package relay

import (
	"bytes"
	"io"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What a node had said before its client's next command is old, however late the client takes it: the answer to the command is still to come.
func TestLateFlushIsNoAnswer(t *testing.T) {
	for name, hold := range map[string]func(*bench, *side){
		"nothing": func(*bench, *side) {},
		"a parcel": func(b *bench, s *side) {
			s.held = b.store.parcel([]byte("the rest\r\n"))
		},
		"a pipe": func(b *bench, s *side) {
			s.pipe, _ = b.store.pipe()
			s.pipe.n, _ = unix.Write(s.pipe.w, bytes.Repeat([]byte("x"), 4096))
		},
	} {
		b := newBench(t)
		client, node, s := b.start(Pair{})
		said := func(by, to *side, text string, want Facts) {
			t.Helper()
			b.pass(s, by, to, []byte(text))
			if f := s.Facts(); f.NodeSpokeLast != want.NodeSpokeLast || f.Flushed != want.Flushed {
				t.Errorf("%s: after %q %+v", name, text, f)
			}
		}
		said(&s.node, &s.client, "* 1 FETCH ", Facts{NodeSpokeLast: true, Flushed: true})
		hold(b, &s.client)
		if held := s.client.holds(); held {
			s.node.last.Store(s.node.last.Load() | moving)
			s.client.set(full)
		}
		said(&s.client, &s.node, "a2 SEARCH TEXT hay\r\n", Facts{Flushed: !s.client.holds()})
		go io.Copy(io.Discard, client)
		s.client.unset(full)
		b.turn(s)
		if f := s.Facts(); !f.Flushed || f.NodeSpokeLast {
			t.Errorf("%s is held: with a command that is not answered %+v", name, f)
		}
		said(&s.node, &s.client, "a2 OK\r\n", Facts{NodeSpokeLast: true, Flushed: true})
		node.Close()
	}
}

// Bulk that goes through a pipe at once is a word of the node's like any other.
func TestBulkIsAnAnswer(t *testing.T) {
	b := newBench(t)
	client, node, s := b.start(Pair{})
	go io.Copy(io.Discard, client)
	b.pass(s, &s.client, &s.node, []byte("a2 FETCH 1 BODY[]\r\n"))
	s.node.filled = bulk
	go node.Write(make([]byte, 4*chunk))
	for began := time.Now(); s.node.moved.Load() < 4*chunk; b.step() {
		if time.Since(began) > patience {
			t.Fatal("the bulk does not move")
		}
	}
	if f := s.Facts(); !f.Flushed || !f.NodeSpokeLast {
		t.Errorf("after bulk %+v", f)
	}
}

// A session that comes while a loop is in the middle of a step has heard its greeting after it began.
func TestGreetingIsTheLastWord(t *testing.T) {
	b := newBench(t)
	client, _, s := b.start(Pair{First: []byte("* OK\r\n")})
	hear(t, client, "* OK\r\n")
	if f := s.Facts(); !f.NodeSpokeLast || !f.Flushed || !f.LineEnded {
		t.Errorf("greeted: %+v", f)
	}
}
