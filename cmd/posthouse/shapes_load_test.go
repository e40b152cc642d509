package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
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

// How many sessions a shape gets, all of them at once. Each has four descriptors here, as clients, balancers and nodes
// are one process; 1,024 nodes that run everything have 6,144 listeners, and a thousand probes may run at once.
const (
	shapeSessions     = 2400
	shapeSessionsRace = 600
	shapeClients      = 48     // that open and close them
	shapeDescriptors  = 18_000 // of the process
)

// TestShapes starts each shape with 1,024 nodes and a balancer in each of its regions, opens sessions of all services from
// clients in the regions, holds them, and compares where they are with what the shape promises.
func TestShapes(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			began := time.Now()
			f := newShapeFile(t)
			d := f.read(s.name)
			f.move(d)
			f.write(d)
			regions := s.regions()
			var names resolver
			var fronts []*config.Topology
			var balancers []*balancer
			for i, region := range regions {
				fronts = append(fronts, f.load(region))
				if i == 0 {
					names = newResolver(fronts[0])
					f.startNodes(fronts[0], names)
				}
				balancers = append(balancers, f.runBalancer(fronts[i], names))
			}
			up := time.Now()
			load := newShapeLoad(t, f, s, fronts)
			load.open()
			targets := 0
			for _, b := range balancers {
				targets += allUp(t, b)
			}
			load.leave()
			t.Logf("%s: 1,024 nodes and %d balancers in %v, load and probes of %d targets in %v\n%s", s.name, len(regions),
				up.Sub(began).Round(time.Millisecond), targets, time.Since(up).Round(time.Millisecond), load.table())
		})
	}
}

// regions is where the clients of a shape are.
func (s shape) regions() []string {
	var all []string
	for _, p := range s.promises {
		if !slices.Contains(all, p.region) {
			all = append(all, p.region)
		}
	}
	return all
}

// shapeLoad is the sessions on a shape.
type shapeLoad struct {
	t        *testing.T
	sessions []*shapeSession
	pools    []*shapePool
	visitor  mailtest.Visitor
}

// shapeSession is a client's, from its region.
type shapeSession struct {
	service, region, front string
	groups                 []expected
	pool                   *shapePool
	from                   netip.Addr
	visit                  *mailtest.Visit
	err                    error
}

// newShapeLoad makes as many sessions for each service, in the regions as these have nodes.
func newShapeLoad(t *testing.T, f *shapeFile, s shape, fronts []*config.Topology) *shapeLoad {
	t.Helper()
	load := &shapeLoad{t: t, visitor: mailtest.Visitor{Name: shapeUser, Password: shapePassword, TLS: f.ca.Client("mail.example.org")}}
	var all []*shapeSession
	for _, p := range s.promises {
		topology := fronts[slices.Index(s.regions(), p.region)]
		for service := range strings.FieldsSeq(p.services) {
			if p.nodes == "" {
				continue
			}
			proto := &shapeSession{service: service, region: topology.Region, groups: p.expects(t), pool: load.pool(t, topology.Service(service), p)}
			proto.front = topology.Service(service).ListenIn(topology.Region)[0].String()
			all = append(all, proto)
		}
	}
	total, weight := shapeSessions, 0
	if underRace {
		total = shapeSessionsRace
	}
	for _, proto := range all {
		weight += size(fronts[0], proto.region)
	}
	from := netip.MustParseAddr("127.200.0.1")
	for _, proto := range all {
		for range total * size(fronts[0], proto.region) / weight {
			session := *proto
			session.from, from = from, from.Next()
			session.pool.promised++
			load.sessions = append(load.sessions, &session)
		}
	}
	rand.Shuffle(len(load.sessions), func(i, j int) { load.sessions[i], load.sessions[j] = load.sessions[j], load.sessions[i] })
	return load
}

// size is how many nodes a region has.
func size(t *config.Topology, region string) int {
	n := 0
	for _, node := range t.Nodes {
		if node.Region == region {
			n++
		}
	}
	return n
}

// each calls do for 0 to n-1, a few at a time.
func each(n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range shapeClients {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				do(int(i))
			}
		})
	}
	wg.Wait()
}

// open begins all sessions, each as soon as a client has finished the one before, and says where they are.
func (l *shapeLoad) open() {
	each(len(l.sessions), func(i int) {
		s, who := l.sessions[i], l.visitor
		who.From = s.from
		s.visit, s.err = who.Visit(context.Background(), playedBy(s.service), s.front)
	})
	for _, s := range l.sessions {
		switch {
		case s.err != nil:
			l.fail(s, "%v", s.err)
		case groupOf(s.groups, s.visit.Node) < 0:
			l.fail(s, "on %s, want %s", s.visit.Node, s.pool.nodes)
		default:
			s.pool.byNode[s.visit.Node]++
		}
	}
}

// leave ends all sessions politely, which shows that they were alive until then.
func (l *shapeLoad) leave() {
	each(len(l.sessions), func(i int) {
		if s := l.sessions[i]; s.err == nil {
			s.err = s.visit.Leave()
		}
	})
	for _, s := range l.sessions {
		switch {
		case s.visit == nil: // told already
		case s.err != nil:
			l.fail(s, "at its end: %v", s.err)
		case groupOf(s.groups, s.visit.Node) < 0: // of HTTP each request is sent somewhere
			l.fail(s, "at its end on %s, want %s", s.visit.Node, s.pool.nodes)
		}
	}
}

func (l *shapeLoad) fail(s *shapeSession, format string, args ...any) {
	l.t.Helper()
	if s.pool.failed++; s.pool.failed < 4 { // the others will look the same
		l.t.Errorf("%s from %q: %s", s.service, s.region, fmt.Sprintf(format, args...))
	}
}
