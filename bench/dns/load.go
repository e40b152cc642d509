//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"posthouse/bench/beside"
)

const (
	flights     = 4 // sockets: the server always has some to read while we look at others, and no queue of a usual size runs over
	streams     = 8 // TCP connections
	microsecond = 1e6
)

// udp asks over UDP, with a batch of questions on the way on each socket at any time.
func (b *bench) udp(p *server, w work) (beside.Sample, error) {
	l := &load{work: w, checked: p.Kind.Name != echo}
	for range flights {
		f, err := newFlight(p.Addr)
		if err != nil {
			return beside.Sample{}, err
		}
		defer unix.Close(f.fd)
		l.flights = append(l.flights, f)
	}
	return l.tally.Count(p.PIDs, b.site.Time, microsecond, l.run)
}

// load is questions on their way.
type load struct {
	tally   beside.Tally
	work    work
	next    int
	checked bool
	flights []*flight
	buffers [flights][batch]slot
}

// slot is a question on its way. Its index is the low bits of the id.
type slot struct {
	packet [512]byte
	work   int
	turn   uint16
	began  time.Time
}

func (l *load) run(until time.Time) error {
	for i, f := range l.flights {
		if f.waiting == 0 {
			for s := range batch {
				l.fill(i, s, s, time.Now())
			}
			if err := f.send(batch); err != nil {
				return err
			}
		}
	}
	for now := time.Now(); now.Before(until); now = time.Now() {
		for i, f := range l.flights {
			if err := l.turn(i, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// turn takes the answers that are there and sends as many new questions.
func (l *load) turn(i int, f *flight) error {
	n, err := f.receive()
	if err != nil {
		return err
	}
	now := time.Now()
	for k := range n {
		answer := f.answers[k][:f.in[k].length]
		if len(answer) < 2 {
			return fmt.Errorf("an answer of %d bytes", len(answer))
		}
		id := binary.BigEndian.Uint16(answer)
		s := &l.buffers[i][id%batch]
		if l.checked {
			if err := l.work[s.work].check(answer, s.turn*batch+id%batch); err != nil {
				return err
			}
		}
		l.tally.Add(now.Sub(s.began))
		l.fill(i, int(id%batch), k, now)
	}
	return f.send(n)
}

// fill makes the next question the k-th to be sent, in a slot.
func (l *load) fill(i, slot, k int, now time.Time) {
	s := &l.buffers[i][slot]
	s.work, s.began = l.next, now
	s.turn++
	s.turn %= math.MaxUint16 / batch
	packet := l.work[l.next].packet
	l.next = (l.next + 1) % len(l.work)
	copy(s.packet[:], packet)
	binary.BigEndian.PutUint16(s.packet[:], s.turn*batch+uint16(slot))
	f := l.flights[i]
	f.outV[k].Base = &s.packet[0]
	f.outV[k].SetLen(len(packet))
}

// pipelined asks over TCP connections, a batch at a time on each.
func (b *bench) pipelined(p *server, w work) (beside.Sample, error) {
	if p.Kind.Name == echo {
		return beside.Sample{Cost: math.NaN()}, nil
	}
	var all []*talk
	for range streams {
		t, err := dial(p)
		if err != nil {
			return beside.Sample{}, err
		}
		defer t.conn.Close()
		all = append(all, t)
	}
	next := 0
	var tally beside.Tally
	return tally.Count(p.PIDs, b.site.Time, microsecond, func(until time.Time) error {
		for now := time.Now(); now.Before(until); now = time.Now() {
			for _, t := range all {
				if err := t.ask(w, next, batch); err != nil {
					return err
				}
				next = (next + batch) % (len(w) - batch)
			}
			for _, t := range all {
				if err := t.read(batch, &tally); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// anew asks each question over a connection of its own.
func (b *bench) anew(p *server, w work) (beside.Sample, error) {
	if p.Kind.Name == echo {
		return beside.Sample{Cost: math.NaN()}, nil
	}
	next := 0
	var tally beside.Tally
	return tally.Count(p.PIDs, b.site.Time, microsecond, func(until time.Time) error {
		for time.Now().Before(until) {
			t, err := dial(p)
			if err == nil {
				err = t.ask(w, next, 1)
			}
			if err == nil {
				err = t.read(1, &tally)
			}
			if err != nil {
				return err
			}
			t.conn.(*net.TCPConn).SetLinger(0) // else the ports run out
			t.conn.Close()
			next = (next + 1) % len(w)
		}
		return nil
	})
}

// talk is a TCP connection with questions on their way.
type talk struct {
	conn  net.Conn
	out   []byte
	in    [1 << 16]byte
	asked []question
	began time.Time
}

func dial(p *server) (*talk, error) {
	c, err := net.Dial("tcp", p.Addr.String())
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(time.Minute))
	return &talk{conn: c}, nil
}

func (t *talk) ask(w work, from, n int) error {
	t.out, t.asked = t.out[:0], w[from:from+n]
	for id, q := range t.asked {
		t.out = binary.BigEndian.AppendUint16(t.out, uint16(len(q.packet)))
		start := len(t.out)
		t.out = append(t.out, q.packet...)
		binary.BigEndian.PutUint16(t.out[start:], uint16(id))
	}
	t.began = time.Now()
	_, err := t.conn.Write(t.out)
	return err
}

// read reads n answers, in any order.
func (t *talk) read(n int, tally *beside.Tally) error {
	have := 0
	for n > 0 {
		for n > 0 && have >= 2 && have >= 2+int(binary.BigEndian.Uint16(t.in[:])) {
			size := 2 + int(binary.BigEndian.Uint16(t.in[:]))
			id := binary.BigEndian.Uint16(t.in[2:])
			if int(id) >= len(t.asked) {
				return fmt.Errorf("an answer to %d, which nobody asked", id)
			}
			if err := t.asked[id].check(t.in[2:size], id); err != nil {
				return err
			}
			tally.Add(time.Since(t.began))
			have = copy(t.in[:], t.in[size:have])
			n--
		}
		if n == 0 {
			break
		}
		got, err := t.conn.Read(t.in[have:])
		if err == io.EOF {
			return fmt.Errorf("the server has closed, with %d answers missing", n)
		}
		if err != nil {
			return err
		}
		have += got
	}
	return nil
}
