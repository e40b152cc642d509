package relay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"
)

// FuzzSession plays a script to a session of the engine and to a plain one, and compares what both ends get to see and what is said at the end.
// A byte is a step: its low three bits say what, the others how much.
func FuzzSession(f *testing.F) {
	f.Add([]byte{0, 1, 0, 1, 2, 3})                   // lines each way, the client ends first
	f.Add([]byte{0x39, 0x39, 0x39, 0x38, 0x38, 3, 2}) // bulk each way, the node ends first
	f.Add([]byte{1, 0, 4})                            // the client resets
	f.Add([]byte{1, 0, 5})                            // the node resets
	f.Add([]byte{0x29, 0x28, 2, 1, 5})                // the client ends, the node goes on and resets
	f.Add([]byte{0x29, 3, 0, 0x38, 4})                // the node ends, the client goes on and resets
	f.Add([]byte{0x11, 0x10, 6})                      // closed by us
	f.Add([]byte{0x31, 0x30, 7, 2})                   // both at once
	engine, kept := forms(f)
	f.Fuzz(func(t *testing.T, script []byte) {
		script = script[:min(len(script), 12)]
		want := perform(t, kept, script, nil)
		if got := perform(t, engine, script, nil); got != want {
			t.Errorf("script %x\nengine:\n%splain:\n%s", script, got, want)
		}
	})
}

// forms are both of them, for as long as the test runs.
func forms(t testing.TB) (*Engine, *plainForm) {
	engine, kept := new(Engine), new(plainForm)
	t.Cleanup(func() {
		engine.Close()
		kept.Close()
	})
	return engine, kept
}

// sizes are of a line, of less and more than a chunk, and of what is spliced.
var sizes = [8]int{1, 12, 100, 4000, 32 << 10, 40_000, 100_000, 400_000}

// play is a session under a script.
type play struct {
	t      testing.TB
	ends   [2]end
	sent   [2]int // by each end
	closed [2]bool
	bulky  bool
	said   bytes.Buffer // what was seen
}

// perform returns what was seen. dress puts TLS on the ends; nil: there is none.
func perform(t *testing.T, f form, script []byte, dress func(*Pair, *[2]end)) string {
	p := &play{t: t}
	pair := Pair{First: []byte("* OK\r\n")}
	p.ends[0], pair.Client = connection(t)
	p.ends[1], pair.Node = connection(t)
	if dress != nil {
		dress(&pair, &p.ends)
	}
	result := make(chan Result, 1)
	pair.Owner = ending(func(r Result) { result <- r })
	s := f.Start(pair)
	p.hear(0, pair.First)
	for _, step := range script {
		if !p.step(s, step&7, sizes[step>>3&7]) {
			break
		}
	}
	p.ends[0].Close()
	io.Copy(io.Discard, p.ends[1]) // so that it is clear who was first
	p.ends[1].Close()
	select {
	case r := <-result:
		fmt.Fprintf(&p.said, "%+v\n", r)
	case <-time.After(patience):
		t.Fatalf("the session did not end\n%s", p.said.String())
	}
	return p.said.String()
}

// step is false when the session is over.
func (p *play) step(s Session, what byte, size int) bool {
	switch what {
	case 0, 1:
		return p.say(s, int(what), size)
	case 2, 3:
		return p.closes(int(what - 2))
	case 4, 5:
		return p.resets(int(what - 4))
	case 6:
		s.Close(Drained)
		for i := range p.ends {
			p.rest(i)
		}
		return false
	}
	return p.crossing(size)
}

func (p *play) content(from, size int) []byte {
	b := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)
	return append([]byte{byte('A' + from)}, b[len(b)-size+1:]...)
}

// say lets an end say something, and the other one hear it.
func (p *play) say(s Session, from, size int) bool {
	if p.closed[from] {
		return true
	}
	content := p.content(from, size)
	go p.ends[from].Write(content)
	p.hear(1-from, content)
	p.sent[from] += size
	p.facts(s, size)
	return true
}

func (p *play) hear(at int, content []byte) {
	got := make([]byte, len(content))
	n, err := io.ReadFull(p.ends[at], got)
	fmt.Fprintf(&p.said, "%d hears %d, the same: %v, %v\n", at, n, bytes.Equal(got, content), err != nil)
}

// facts are compared until something may have been spliced, as whether a line ended is not seen then.
func (p *play) facts(s Session, size int) {
	var f Facts
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if f = s.Facts(); f.Up == int64(p.sent[0]) && f.Down == int64(p.sent[1]+len("* OK\r\n")) && f.Flushed {
			break
		}
	}
	if p.bulky = p.bulky || size >= chunk; p.bulky {
		return
	}
	f.Silent = 0
	fmt.Fprintf(&p.said, "%+v\n", f)
}

// crossing lets both ends say something at once.
func (p *play) crossing(size int) bool {
	p.bulky = true
	for i, c := range p.ends {
		if !p.closed[i] {
			go c.Write(p.content(i, size))
		}
	}
	for i := range p.ends {
		if !p.closed[i] {
			p.hear(1-i, p.content(i, size))
			p.sent[i] += size
		}
	}
	return true
}

func (p *play) closes(from int) bool {
	if p.closed[from] {
		return true
	}
	p.closed[from] = true
	p.ends[from].CloseWrite()
	p.rest(1 - from)
	return !p.closed[1-from]
}

// resets sees a reset passed on, but for where it would have overtaken bytes: whether they had been acknowledged then is the kernel's secret.
func (p *play) resets(from int) bool {
	p.ends[from].SetLinger(0)
	p.ends[from].Close()
	if p.closed[from] {
		return false // nobody looks at the socket before something is said to it
	}
	_, err := io.Copy(io.Discard, p.ends[1-from])
	fmt.Fprintf(&p.said, "%d is over: %v\n", 1-from, err == nil || errors.Is(err, syscall.ECONNRESET))
	return false
}

// rest reads to the end.
func (p *play) rest(at int) {
	n, err := io.Copy(io.Discard, p.ends[at])
	fmt.Fprintf(&p.said, "%d ends after %d, %v\n", at, n, err)
}
