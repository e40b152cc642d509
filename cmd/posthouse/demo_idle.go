package main

import (
	"context"
	"encoding/base64"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"posthouse/mailtest"
)

const idlePause = 200 * time.Millisecond // between losing a session and asking for a new one

// idler is a way to hold a session open, as programs do that want to hear of new mail.
type idler struct {
	service string
	clients int    // in each region: as many as nodes that run it, or a few less, so that a death concerns one, mostly
	what    string // of it is said to have moved
	settle  func(d *demo, v *mailtest.Visit) error
}

var idlers = []idler{
	{"imaps", 3, "idle", (*demo).idleMail},
	{"jmap", 2, "events", (*demo).idleEvents},
}

// idle starts clients that hold a session open and get a new one when it is cut.
func (d *demo) idle(ctx context.Context, group *errgroup.Group) {
	for _, r := range d.cluster.regions {
		for _, i := range idlers {
			moves := &demoMoves{}
			group.Go(func() error { return d.reportMoves(ctx, r, i.what, moves) })
			for range i.clients {
				group.Go(func() error { d.idleClient(ctx, r, i, moves); return nil })
			}
		}
	}
}

func (d *demo) idleClient(ctx context.Context, r *demoRegion, i idler, moves *demoMoves) {
	from := ""
	for {
		d.idleOnce(ctx, r, i, func(node string) {
			moves.add(from, node)
			from = node
		})
		if !pause(ctx, idlePause) {
			return
		}
	}
}

// idleOnce opens a session, tells where it is once it waits, and holds it until it is cut or ctx ends.
func (d *demo) idleOnce(ctx context.Context, r *demoRegion, i idler, settled func(node string)) {
	session, cancel := context.WithCancel(ctx)
	defer cancel()
	visit, err := d.guest(session).Visit(session, i.service, r.front.address(i.service))
	if err != nil {
		return
	}
	defer visit.Conn.Close()
	if i.settle(d, visit) != nil {
		return
	}
	settled(visit.Node)
	visit.Conn.SetReadDeadline(time.Time{})
	io.Copy(io.Discard, visit.Conn)
	if ctx.Err() == nil {
		d.tally.cut.Add(1)
	}
}

// idleMail begins IDLE (RFC 9051, 6.3.13).
func (d *demo) idleMail(visit *mailtest.Visit) error {
	return visit.Play("C: b SELECT INBOX\nS~ b OK\nC: c IDLE\nS~ +")
}

// idleEvents begins an event stream (RFC 8620, 7.3), which may be on another node than the request before it.
func (d *demo) idleEvents(visit *mailtest.Visit) error {
	login := base64.StdEncoding.EncodeToString([]byte(d.visitor.Name + ":" + d.visitor.Password))
	if err := visit.Send("GET /jmap/eventsource/?types=*&closeafter=no&ping=10 HTTP/1.1\r\nHost: " + demoName +
		"\r\nAuthorization: Basic " + login + "\r\nConnection: close\r\n"); err != nil {
		return err
	}
	if _, err := visit.Expect("HTTP/1.1 200"); err != nil {
		return err
	}
	node, err := visit.Until(mailtest.NodeHeader + ": ")
	visit.Node = strings.TrimPrefix(node, mailtest.NodeHeader+": ")
	return err
}

// reportMoves prints the sessions that were cut and where they are again, those of a moment in one line.
func (d *demo) reportMoves(ctx context.Context, r *demoRegion, what string, moves *demoMoves) error {
	for pause(ctx, time.Second) {
		if lines := moves.take(); len(lines) > 0 {
			d.events.say(r.name, "%s moved: %s", what, strings.Join(lines, ", "))
		}
	}
	return nil
}

// demoMoves gathers sessions that moved from one node to another.
type demoMoves struct {
	mu    sync.Mutex // guards the following
	lines []string
}

func (m *demoMoves) add(from, to string) {
	if from == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines = append(m.lines, from+" -> "+to)
}

func (m *demoMoves) take() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	lines := m.lines
	m.lines = nil
	return lines
}
