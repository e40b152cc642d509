package proxy

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sys/unix"
)

// Without a descriptor a client is told to come later, by means of the reserve, and when there are descriptors again
// clients are served.
func TestNoDescriptors(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	r.connect().hear(greeting)
	release := exhaust(t)
	c := r.connect()
	c.hear("* BYE [UNAVAILABLE] no server available, try again later\r\n")
	c.hearEnd()
	release()
	r.connect().hear(greeting)
	if n := testutil.ToFloat64(r.server.Metrics.pauses); n == 0 {
		t.Error("no pause was counted")
	}
	if n := testutil.ToFloat64(r.server.Metrics.of("imap").ends[endOverload]); n != 1 {
		t.Errorf("%v clients were turned away, want 1", n)
	}
	if n := testutil.ToFloat64(r.server.Metrics.of("imap").started); n != 3 {
		t.Errorf("%v sessions began, want 3: those that end have begun", n)
	}
	r.saysNoDescriptor()
}

// saysNoDescriptor waits for what the log says once; a goroutine of its own says it.
func (r *rig) saysNoDescriptor() {
	r.t.Helper()
	eventually(r.t, "the log says why", func() bool {
		return len(r.log.lines("no descriptor for new sessions: raise the limit (LimitNOFILE=, ulimit -n)")) == 1
	})
}

// A reload that would take an address from the loops leaves it with them when there is no descriptor for that: its clients are served as
// the reload says all the same.
func TestReloadWithoutDescriptors(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	r.connect().hear(greeting)
	at := r.address(r.service.Name)
	release := exhaust(t)
	last, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	r.apply(with(r.topology, copyOf(r.service, trusted)))
	release()
	for range 2 {
		c, err := net.DialTCP("tcp4", nil, at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		client := newPeer(t, c)
		client.say("PROXY UNKNOWN\r\n")
		client.hear(greeting)
		r.apply(with(r.topology, copyOf(r.service, trusted))) // takes it
	}
	if r.lent() {
		t.Error("the address is still with the loops")
	}
}

// The reserve comes back when somebody else took its descriptor while it was given up.
func TestReserveComesBack(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	reserve := &r.server.reserve
	lose := func() {
		reserve.close()
		reserve.spent.Store(true)
	}
	there := func() bool {
		reserve.mu.Lock()
		defer reserve.mu.Unlock()
		return reserve.file != nil && !reserve.spent.Load()
	}
	lose()
	r.connect().hear(greeting)
	eventually(t, "the reserve is back after a session", there)

	lose()
	for _, l := range r.server.listeners {
		r.server.shed(l, l.fd, unix.EMFILE)
	}
	if !there() {
		t.Error("the reserve is not back after a client was turned away")
	}
}

// The loops, which many sessions wait for, do not wait for a log that is slow.
func TestSlowLogWithoutDescriptors(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	said := make(chan bool)
	r.log.mu.Lock()
	go func() {
		defer close(said)
		for _, l := range r.server.listeners {
			r.server.stuck(l, l.fd, unix.EMFILE)
			r.server.stuck(l, l.fd, unix.EINVAL)
		}
	}()
	select {
	case <-said:
	case <-time.After(patience):
		t.Error("who has no descriptor for a client waits for the log")
	}
	r.log.mu.Unlock()
	eventually(t, "both lines are there", func() bool {
		return len(r.log.lines("accept")) == 1 && strings.Contains(r.log.String(), "no-descriptors")
	})
}

// Nothing is left of it when no descriptor is: the loss is noticed.
func TestReserveIsLost(t *testing.T) {
	var r reserve
	release := exhaust(t)
	defer release()
	last, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	if r.take(); r.file != nil || !r.spent.Load() {
		t.Errorf("file %v, spent %v", r.file, r.spent.Load())
	}
}

// exhaust takes all descriptors but one.
func exhaust(t *testing.T) (release func()) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 256, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	var taken []*os.File
	release = func() {
		for _, f := range taken {
			f.Close()
		}
		taken = nil
		unix.Setrlimit(unix.RLIMIT_NOFILE, &before)
	}
	t.Cleanup(release)
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		taken = append(taken, f)
	}
	taken[0].Close()
	taken = taken[1:]
	return release
}

// Want of a descriptor is no fault of the node.
func TestJudgeDial(t *testing.T) {
	rows := []struct {
		err     error
		outcome outcome
		reason  string
	}{
		{unix.EMFILE, own, "no-descriptor"},
		{unix.EADDRNOTAVAIL, own, "no-port"},
		{unix.ECONNREFUSED, failed, "refused"},
		{unix.EHOSTUNREACH, failed, "unreachable"},
		{unix.ETIMEDOUT, failed, "timeout"},
		{os.ErrDeadlineExceeded, failed, "timeout"},
	}
	for _, row := range rows {
		if o, reason := judgeDial(os.NewSyscallError("connect", row.err)); o != row.outcome || reason != row.reason {
			t.Errorf("judgeDial(%v) = %v, %s", row.err, o, reason)
		}
	}
}

func TestManySessionsLeaveNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("2,000 sessions")
	}
	r := newRig(t, nil, newNode(t, echo))
	warm := r.connect()
	warm.hear(greeting)
	before := descriptors(t)
	for range 2000 {
		c := r.connect()
		c.hear(greeting)
		c.Close()
	}
	eventually(t, "all sessions are over", func() bool { return r.server.Sessions() == 1 })
	eventually(t, "all descriptors are back", func() bool { return descriptors(t) <= before+4 })
	m := r.server.Metrics.of("imap")
	if started, live := testutil.ToFloat64(m.started), testutil.ToFloat64(m.live); started != 2001 || live != 1 {
		t.Errorf("%v sessions started, %v live", started, live)
	}
	if n := r.server.Router.Table().Backends()[0].Sessions(); n != 1 {
		t.Errorf("the node is left with %d sessions", n)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(entries)
}

// A client does not get what is kept for the rest of the process: the number of its descriptor tells.
func TestRoof(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	r.connect().hear(greeting)
	usual := r.server.descriptors.Swap(0)
	c := r.connect()
	c.hear("* BYE [UNAVAILABLE] no server available, try again later\r\n")
	c.hearEnd()
	r.server.descriptors.Store(usual)
	r.connect().hear(greeting)
	if n := testutil.ToFloat64(r.server.Metrics.pauses); n != 1 {
		t.Errorf("%v pauses, want 1", n)
	}
	if n := testutil.ToFloat64(r.server.Metrics.of("imap").ends[endOverload]); n != 1 {
		t.Errorf("%v clients were turned away, want 1", n)
	}
	r.saysNoDescriptor()
}

func TestRoofOf(t *testing.T) {
	for _, test := range []struct {
		limit uint64
		want  int
	}{{128, 64}, {1024, 960}, {20000, 18976}, {65536, 64512}, {1 << 20, 1<<20 - 1024}, {1 << 63, 1<<30 - 1024}} {
		if got := roofOf(test.limit); got != test.want {
			t.Errorf("roofOf(%d) = %d, want %d", test.limit, got, test.want)
		}
	}
}
