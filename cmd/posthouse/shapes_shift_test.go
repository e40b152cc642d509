package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posthouse/config"
	"posthouse/mailtest"
)

// TestShapesShift turns 1,024 machines from a unified cluster into a dedicated one and that into a weighted one, by two
// edits of the file, while clients come and go and others stay. No session is lost. Each edit is held as long as its
// max_shrink does not allow for it.
func TestShapesShift(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	s := newShift(t)
	s.hold()
	stop := s.crowd()

	s.change("dedicated", nil, "topology held") // by default half of a pool may go: IMAP would lose 640 of 1,024 nodes
	s.hold()
	s.change("dedicated", 1, "topology reloaded")
	s.hold()

	s.change("weighted", 0.25, "topology held") // WebDAV would lose 64 of 128
	s.hold()
	s.change("weighted", 1, "topology reloaded")
	s.hold()

	came, lost := stop()
	s.leave()
	t.Logf("%d sessions came and went meanwhile, %d were lost\n%s", came, lost, s.table.String())
}

// shift is a serve over a file that changes, and the sessions that it must keep.
type shift struct {
	*shapeFile
	log      lockedBuffer
	began    time.Time
	balancer *balancer
	machines map[string]netip.Addr // by the name in their greetings
	visitor  mailtest.Visitor
	count    atomic.Int64 // of clients so far
	each     int          // sessions that stay, of each service at each step
	clients  int          // that come and go, at a time
	held     []*mailtest.Visit
	table    strings.Builder
}

func newShift(t *testing.T) *shift {
	s := &shift{shapeFile: newShapeFile(t), began: time.Now(), machines: make(map[string]netip.Addr), each: 48, clients: 16}
	if underRace {
		s.each, s.clients = 12, 6
	}
	s.visitor = mailtest.Visitor{Name: shapeUser, Password: shapePassword, TLS: s.ca.Client("mail.example.org")}
	s.edit("unified", nil)
	unified := s.load("")
	for _, n := range unified.Nodes {
		s.machines[n.Name] = n.Addresses[0]
	}
	s.startNodes(unified, nil) // a machine goes on with everything, whatever its role is
	s.serve()
	return s
}

// edit writes a shape into the file: its nodes are the same machines, one pool after the other.
func (s *shift) edit(shape string, maxShrink any) {
	s.t.Helper()
	d := s.read(shape)
	s.move(d)
	if maxShrink != nil {
		d["max_shrink"] = maxShrink
	}
	next := netip.MustParseAddr("127.16.0.1")
	for _, n := range d["nodes"].([]any) {
		node := n.(document)
		node["address"] = next.String() + "+"
		for range rangeSize(s.t, node["name"].(string)) {
			next = next.Next()
		}
	}
	s.write(d)
}

// rangeSize is how many nodes a name with a range stands for.
func rangeSize(t *testing.T, name string) int {
	t.Helper()
	var first, last int
	if _, err := fmt.Sscanf(name[strings.Index(name, "["):], "[%d-%d]", &first, &last); err != nil {
		t.Fatal(err)
	}
	return last - first + 1
}

// change edits the file and waits for what the log says to it.
func (s *shift) change(shape string, maxShrink any, said string) {
	s.t.Helper()
	before := strings.Count(s.log.String(), said)
	s.edit(shape, maxShrink)
	poll(s.t, said, func() bool { return strings.Count(s.log.String(), said) > before })
	fmt.Fprintf(&s.table, "%v: %s, max_shrink %v: %s\n", time.Since(s.began).Round(10*time.Millisecond), shape, maxShrink, said)
}

func (s *shift) serve() {
	log := slog.New(slog.NewTextHandler(&s.log, nil))
	r := &reloader{path: filepath.Join(s.dir, "topology.yaml"), options: config.Options{Serve: true}, log: log}
	topology, err := r.first()
	if err != nil {
		s.t.Fatal(err)
	}
	s.balancer = newBalancer(topology, log)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, s.balancer, r) }()
	s.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			s.t.Errorf("serve = %v", err)
		}
		if s.t.Failed() {
			s.t.Logf("the log:\n%s", troubles(s.log.String()))
		}
	})
	poll(s.t, "the fronts", func() bool {
		for _, l := range topology.Listeners() {
			if !dialable(l.Address) {
				return false
			}
		}
		return true
	})
}

// visit opens a session for one more client.
func (s *shift) visit(service string) (*mailtest.Visit, error) {
	who, n := s.visitor, s.count.Add(1)
	who.From = netip.AddrFrom4([4]byte{127, 200, byte(n >> 8), byte(n)})
	return who.Visit(context.Background(), service, s.balancer.Topology().Service(service).Listen[0].String())
}

// crowd begins sessions of all services, many at a time, until it is told to stop and say how many there were and how
// many of them were lost.
func (s *shift) crowd() (stop func() (came, lost int64)) {
	var all []string
	topology := s.balancer.Topology()
	for _, service := range topology.Services {
		if service.Live {
			all = append(all, service.Name)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var came, lost atomic.Int64
	for range s.clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				came.Add(1)
				service := all[rand.IntN(len(all))]
				if err := s.comeAndGo(service); err != nil && lost.Add(1) < 10 { // the others will look the same
					s.t.Errorf("%s: %v", service, err)
				}
			}
		})
	}
	return func() (int64, int64) {
		cancel()
		wg.Wait()
		return came.Load(), lost.Load()
	}
}

func (s *shift) comeAndGo(service string) error {
	v, err := s.visit(service)
	if err != nil {
		return err
	}
	return v.Leave()
}

// hold opens sessions that stay, and sees that those nodes take them that the topology in effect has for them.
func (s *shift) hold() {
	s.t.Helper()
	topology := s.balancer.Topology()
	nodes := make(map[netip.Addr]*config.Node)
	for _, n := range topology.Nodes {
		nodes[n.Addresses[0]] = n
	}
	for _, service := range topology.Services {
		if !service.Live {
			continue
		}
		pools := make(map[string]int)
		for _, v := range s.visits(service.Name) {
			n := nodes[s.machines[v.Node]]
			if n == nil || !n.Runs(service.Name) || n.WeightFor(service.Name) == 0 || n.State != config.Active {
				s.t.Errorf("%s went to %s, which is %+v", service.Name, v.Node, n)
				continue
			}
			pools[strings.TrimRight(n.Name, "0123456789")]++
		}
		fmt.Fprintf(&s.table, "    %-12s %v\n", service.Name, pools)
	}
}

// visits is sessions of a service that stay.
func (s *shift) visits(service string) []*mailtest.Visit {
	s.t.Helper()
	all := make([]*mailtest.Visit, s.each)
	each(s.each, func(i int) {
		var err error
		if all[i], err = s.visit(service); err != nil {
			s.t.Errorf("%s: %v", service, err)
		}
	})
	all = slices.DeleteFunc(all, func(v *mailtest.Visit) bool { return v == nil })
	s.held = append(s.held, all...)
	return all
}

// leave ends the sessions that stayed: those that were lost cannot say goodbye.
func (s *shift) leave() {
	s.t.Helper()
	var lost atomic.Int64
	each(len(s.held), func(i int) {
		if v := s.held[i]; v.Leave() != nil {
			lost.Add(1)
		}
	})
	if n := lost.Load(); n != 0 {
		s.t.Errorf("of %d sessions that stayed %d were lost", len(s.held), n)
	}
	fmt.Fprintf(&s.table, "%v: all of the %d sessions that stayed were alive\n", time.Since(s.began).Round(10*time.Millisecond), len(s.held))
}
