package proxy

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/proxy/relay"
	"posthouse/routing"
)

// still is a relay of a session that says and does nothing.
type still struct{}

func (still) Facts() relay.Facts { return relay.Facts{Flushed: true, NodeSpokeLast: true} }
func (still) Close(relay.End)    {}

// crowd is a Server with sessions that only stand there.
func crowd(tb testing.TB, sessions int) *Server {
	tb.Helper()
	s := &Server{ids: newIDs()}
	var backends []*routing.Backend
	for _, name := range []string{"node-1", "node-2"} {
		backends = append(backends, &routing.Backend{Node: &config.Node{Name: name, Region: "eu"}, Service: &config.Service{Name: "imaps"}})
	}
	for i := range sessions {
		n := &session{server: s, approach: direct, id: s.ids.next(time.Now()), backend: backends[i%2],
			source: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1)}
		n.relay.Store(&link{still{}})
		s.live.add(n)
	}
	return s
}

// However the sessions stand, pages have them all, in order, once.
func TestListInAnyOrder(t *testing.T) {
	const sessions, limit = 5000, 7
	s := crowd(t, sessions)
	var all []string
	for after := ""; ; {
		page, total := s.List(Filter{Subject: routing.Subject{Node: "node-2"}}, after, limit)
		if total != sessions/2 {
			t.Fatalf("%d in all, want %d", total, sessions/2)
		}
		if len(page) == 0 {
			break
		}
		for _, row := range page {
			all = append(all, row.ID)
		}
		after = page[len(page)-1].ID
	}
	if !slices.IsSorted(all) || len(slices.Compact(all)) != sessions/2 {
		t.Errorf("the pages have %d sessions, sorted %t", len(all), slices.IsSorted(all))
	}
}

// Who is killed twice is one.
func TestKilledOnce(t *testing.T) {
	s := crowd(t, 10)
	for i, want := range []int{5, 0} {
		if got := s.Kill(Filter{Subject: routing.Subject{Node: "node-1"}}); got != want {
			t.Errorf("kill %d = %d, want %d", i+1, got, want)
		}
	}
	if got := s.Kill(Filter{Subject: routing.Subject{Service: "imaps"}}); got != 5 {
		t.Errorf("of all %d are killed, want those that are left", got)
	}
}

// BenchmarkList is a page of a busy balancer.
func BenchmarkList(b *testing.B) {
	s := crowd(b, 100_000)
	for b.Loop() {
		if page, _ := s.List(Filter{}, "", 100); len(page) != 100 {
			b.Fatal(len(page))
		}
	}
}

// BenchmarkAcceptWhileListing is what a client that comes and goes waits for the registry while pages are asked for without a pause.
func BenchmarkAcceptWhileListing(b *testing.B) {
	s := crowd(b, 100_000)
	stop, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				s.List(Filter{}, "", 100)
			}
		}
	}()
	worst := time.Duration(0)
	for b.Loop() {
		began := time.Now()
		n := new(session)
		s.live.add(n)
		s.live.remove(n)
		worst = max(worst, time.Since(began))
	}
	b.ReportMetric(float64(worst.Microseconds()), "worst-µs")
	close(stop)
	<-done
}
