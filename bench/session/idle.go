//go:build linux

package main

import (
	"fmt"
	"os"
	"time"

	"posthouse/bench/beside"
	"posthouse/bench/measure"
)

// openAtATime sessions: a storm would measure buffers of the accept path, or of handshakes.
const openAtATime = 50

// hold opens sessions, each of which says one line, and keeps them.
func (l *load) hold(sessions int) error {
	for len(l.clients) < sessions {
		for range min(openAtATime, sessions-len(l.clients)) {
			if err := l.open(); err != nil {
				return err
			}
			l.clients[len(l.clients)-1].mute = true
		}
		if err := l.spoken(1); err != nil {
			return err
		}
	}
	return nil
}

// spoken waits until every client has so many answers.
func (l *load) spoken(answers int) error {
	at := 0 // those before it have
	err := l.until(leaveTime, func() bool {
		for at < len(l.clients) && l.clients[at].said >= answers {
			at++
		}
		return at == len(l.clients)
	})
	if err != nil {
		return fmt.Errorf("client %d of %d has no answer %d: %w", at, len(l.clients), answers, err)
	}
	return nil
}

// release sees that all sessions are alive, and ends them.
func (l *load) release() error {
	for from := 0; from < len(l.clients); from += openAtATime {
		for _, c := range l.clients[from:min(from+openAtATime, len(l.clients))] {
			if err := c.again(); err != nil {
				return fmt.Errorf("an idle session: %w", err)
			}
		}
		if err := l.run(time.Now()); err != nil {
			return err
		}
	}
	if err := l.spoken(2); err != nil {
		return err
	}
	l.cut()
	return nil
}

// cut ends all sessions from both ends. No TIME_WAIT is left of them: thousands would go while the next server is looked at.
func (l *load) cut() {
	for _, c := range l.clients {
		if c.wire != nil {
			c.wire.Reset()
			c.wire = nil
			l.live--
		}
	}
	for c := range l.bench.node.live {
		c.cut()
	}
}

// idle is the memory of sessions of a server that has done nothing else. Without a server it is that of the nodes' sockets and clients'.
func (b *bench) idle(p *server, w *work, sessions int) (m beside.Memory, err error) {
	l := b.newLoad(p, w)
	if err := l.run(time.Now().Add(b.settle / 2)); err != nil {
		return m, err
	}
	before, err := p.Memory()
	if err != nil {
		return m, err
	}
	if err := l.hold(sessions); err != nil {
		return m, err
	}
	if err := l.run(time.Now().Add(b.settle)); err != nil {
		return m, err
	}
	after, err := p.Memory()
	if err != nil {
		return m, err
	}
	return after.Less(before), l.release()
}

// quiet waits until what rows before have left behind is gone. The probes of the servers leave some all the time: of 1,500 each 300 more or less
// in the second measurement are 10 bytes a session.
func (b *bench) quiet() error {
	defer b.loop.Serve()()
	return measure.AwaitTimeWaits(int64(b.sessions) / 4)
}

// idleRow measures the memory of idle sessions: two lines of the table.
func (b *bench) idleRow(name string, v variant, w work, process, all beside.Goal) *row {
	var direct beside.Memory
	w.verb, w.clients = say, b.sessions
	return &row{
		Lines:   []beside.Line{{Name: name + ", process", Unit: "KiB", Goal: process}, {Name: name + ", process and kernel", Unit: "KiB", Goal: all}},
		Variant: v,
		Fresh:   true,
		Before: func() (err error) {
			plain := w
			plain.tls = nil
			d := beside.Direct[variant](b.node.addresses(v.manners, 1)[0])
			d.Variant.greets = v.greets
			if err := b.quiet(); err != nil {
				return err
			}
			direct, err = b.idle(d, &plain, b.sessions)
			fmt.Fprintf(os.Stderr, "two sockets alone: %.2f KiB\n", float64(direct.Kernel)/1024/float64(b.sessions))
			return err
		},
		Run: func(p *server) ([]beside.Sample, error) {
			m, err := b.idle(p, &w, b.sessions)
			each := func(bytes int64) beside.Sample {
				return beside.Sample{Cost: float64(bytes) / 1024 / float64(b.sessions)}
			}
			return []beside.Sample{each(m.Process), each(m.Process + m.Kernel - direct.Kernel)}, err
		},
	}
}
