package proxy

import (
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/proxy/relay"
	"posthouse/routing"
)

func TestQuietEnough(t *testing.T) {
	const deadline = 25 * time.Second
	quiet := func(silent time.Duration) relay.Facts {
		return relay.Facts{Silent: silent, NodeSpokeLast: true, LineEnded: true, Flushed: true}
	}
	without := func(f relay.Facts, change func(*relay.Facts)) relay.Facts { change(&f); return f }
	long := quiet(time.Hour)
	rows := []struct {
		name   string
		facts  relay.Facts
		opaque bool
		passed time.Duration
		want   bool
	}{
		{"30 s at the start", quiet(30 * time.Second), false, 0, true},
		{"29 s at the start", quiet(29 * time.Second), false, 0, false},
		{"half of it halfway to half", quiet(16 * time.Second), false, deadline / 4, true},
		{"a second at half", quiet(time.Second), false, deadline / 2, true},
		{"less than a second", quiet(900 * time.Millisecond), false, deadline * 9 / 10, false},
		{"the client spoke last", without(long, func(f *relay.Facts) { f.NodeSpokeLast = false }), false, deadline, false},
		{"bytes on their way", without(long, func(f *relay.Facts) { f.Flushed = false }), false, deadline, false},
		{"in the middle of a line, for long", without(long, func(f *relay.Facts) { f.LineEnded = false }), false, 0, true},
		{"in the middle of a line, 4 s", without(quiet(4*time.Second), func(f *relay.Facts) { f.LineEnded = false }), false, deadline, false},
		{"TLS has no lines", without(quiet(2*time.Second), func(f *relay.Facts) { f.LineEnded = false }), true, deadline, true},
		{"STARTTLS neither", without(quiet(2*time.Second), func(f *relay.Facts) { f.LineEnded, f.TLS = false, true }), false, deadline, true},
	}
	for _, row := range rows {
		if got := quietEnough(row.facts, row.opaque, row.passed, deadline); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}

// drainRig runs a server until the test ends it.
func drainRig(t *testing.T, deadline time.Duration, change func(*config.Service), nodes ...*node) (r *rig, stop func()) {
	t.Helper()
	r = &rig{t: t, log: new(logBuffer), topology: newTopology(change, nodes...)}
	r.topology.Deadline = deadline
	r.service = r.topology.Services[0]
	log := slog.New(slog.NewJSONHandler(r.log, nil))
	r.server = &Server{Router: routing.NewRouter(r.topology, log), Log: log}
	c, err := r.server.Prepare(r.topology)
	if err != nil {
		t.Fatal(err)
	}
	c.Commit()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.server.Run(ctx); err != nil {
			t.Errorf("Run = %v", err)
		}
	}()
	stop = func() {
		cancel()
		select {
		case <-done:
		case <-time.After(deadline + patience):
			t.Error("Run did not end")
		}
	}
	t.Cleanup(stop)
	return r, stop
}

func TestShutdown(t *testing.T) {
	r, stop := drainRig(t, 3*time.Second, nil, newNode(t, echo))
	idle, busy, leaving := r.connect(), r.connect(), r.connect()
	for _, c := range []*peer{idle, busy, leaving} {
		c.hear(greeting)
	}
	at := r.address("imap")
	go func() { // never silent
		for {
			if _, err := io.WriteString(busy, "x"); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	leaving.Close()
	r.ended(1)
	stop()
	idle.hearEnd()
	busy.hearRest()
	if c, err := net.DialTCP("tcp4", nil, at); err == nil {
		c.Close()
		t.Error("somebody still listens")
	}
	ends := make(map[any]int)
	for _, line := range r.log.sessions() {
		ends[line["end"]]++
	}
	if ends["client"] != 1 || ends["drained"] != 1 || ends["cut"] != 1 {
		t.Errorf("ends = %v", ends)
	}
	lines := r.log.lines("drained")
	if len(lines) != 1 || lines[0]["closed_quiet"] != 1.0 || lines[0]["cut"] != 1.0 {
		t.Errorf("drained: %v", lines)
	}
}

// Sessions that wait for a node, or for their client's first bytes, are told at once.
func TestShutdownBeforeTheRelay(t *testing.T) {
	t.Run("in the walk", func(t *testing.T) {
		r, stop := drainRig(t, time.Minute, patiently(func(s *config.Service) { s.Protocol = config.SMTP }), newNode(t, mute))
		c := r.connect()
		eventually(t, "a session", func() bool { return r.server.Sessions() == 1 })
		go stop()
		c.hear("421 4.3.2 mail.example.org no server available, try again later\r\n")
		c.hearEnd()
		c.Close()
		r.expectEnd("shutdown")
		stop()
	})
	for name, change := range map[string]func(*config.Service){"before the hello": passthrough, "before the header": trusted} {
		t.Run(name, func(t *testing.T) {
			r, stop := drainRig(t, time.Minute, change, newNode(t, mute))
			c := r.connect()
			eventually(t, "a session", func() bool { return r.server.Sessions() == 1 })
			go stop()
			c.hearRest()
			c.Close()
			r.expectEnd("shutdown")
			stop()
		})
	}
}

// A drain is spread over the time that it has.
func TestShutdownIsPaced(t *testing.T) {
	const sessions, deadline = 20, 8 * time.Second // a fifth of it is left for those that a busy machine closes late
	r, stop := drainRig(t, deadline, nil, newNode(t, echo))
	for range sessions {
		r.connect().hear(greeting)
	}
	stop()
	if lines := r.log.lines("drained"); len(lines) != 1 || lines[0]["closed_quiet"] != float64(sessions) {
		t.Errorf("drained: %v", lines)
	}
}

func TestPace(t *testing.T) {
	const minute = time.Minute
	for _, row := range []struct {
		most, left int
		passed     time.Duration
		want       int
	}{
		{0, 0, 0, 0},
		{0, 100, 0, 0},
		{0, 100, 1, 1},
		{0, 1, 1, 1},
		{100, 100, minute / 5, 25},
		{100, 90, minute / 5, 15}, // ten have left by themselves
		{100, 60, minute / 5, 0},
		{100, 40, minute * 4 / 5, 40},
		{100, 3, minute, 3},
		{10, 100, minute * 2 / 5, 50}, // more came
	} {
		p := pace{row.most}
		if got := p.due(row.left, row.passed, minute); got != row.want {
			t.Errorf("due of %d that were %d after %v = %d, want %d", row.left, row.most, row.passed, got, row.want)
		}
	}
}

func TestNothingBeginsAfterRun(t *testing.T) {
	r, stop := drainRig(t, time.Second, nil, newNode(t, echo))
	change, err := r.server.Prepare(with(r.topology, copyOf(r.service, func(s *config.Service) { s.Name = "other" })))
	if err != nil {
		t.Fatal(err)
	}
	stop()
	change.Commit()
	if r.listening() != 0 {
		t.Error("Commit opened a listener after the end")
	}
	if _, err := r.server.Prepare(r.topology); err == nil {
		t.Error("Prepare after the end is no error")
	}
}

func TestList(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	c := r.connect()
	c.hear(greeting)
	c.say("x")
	c.hear("x")
	var list []Session
	eventually(t, "the session has counted its bytes", func() bool {
		list = r.list()
		return len(list) == 1 && list[0].Down == int64(len(greeting)+1) && list[0].Up == 1
	})
	got := list[0]
	if got.Service != "imap" || got.Node != "node-1" || got.Region != "r0" || got.Client.String() != c.LocalAddr().String() || len(got.ID) != idLength {
		t.Errorf("List = %+v", got)
	}
}
