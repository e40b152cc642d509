package routing

import (
	"fmt"
	"testing"
	"time"

	"posthouse/config"
)

var eight = []string{"smtp", "submissions", "imaps", "pop3s", "sieve", "jmap", "webdav", "http"}

// large is a topology of nodes that run eight services in three regions.
func large(n int, balance config.Balance, weight func(i int) int) *config.Topology {
	var services []*config.Service
	for _, name := range eight {
		services = append(services, service(name, balance, 4))
	}
	t := topology(services, []string{"eu", "us", "ap"})
	for i := range n {
		added := node(fmt.Sprintf("node-%05d", i), t.Regions[i%3].Name, eight...)
		added.Weight = weight(i)
		t.Nodes = append(t.Nodes, added)
	}
	return t
}

func even(int) int      { return 1 }
func mixed(i int) int   { return []int{1, 2, 4}[i%5%3] }
func hundred(i int) int { return i%100 + 1 }
func unlike(i int) int  { return i + 1 }

// pool1024 has all nodes in one region.
func pool1024(balance config.Balance, weight func(i int) int) *Table {
	t := large(1024, balance, weight)
	for _, n := range t.Nodes {
		n.Region = "eu"
	}
	return NewTable(t, State{})
}

var chosen *Backend

func BenchmarkFirstChoice(b *testing.B) {
	weights := []struct {
		name string
		of   func(int) int
	}{{"even", even}, {"mixed", mixed}, {"hundred", hundred}, {"unlike", unlike}}
	for _, balance := range balances {
		for _, w := range weights {
			b.Run(string(balance)+"/"+w.name, func(b *testing.B) {
				table := pool1024(balance, w.of)
				q := request(0)
				if balance == config.AccountHash {
					q.Account = "somebody@example.org"
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					q.Client = client(i)
					c := table.Route(q)
					chosen = c.Next()
				}
			})
		}
	}
}

// BenchmarkSession counts sessions in and out, on all processors.
func BenchmarkSession(b *testing.B) {
	table := pool1024(config.LeastSessions, mixed)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c := table.Route(request(1))
			if n := c.Next(); n.Begin() {
				n.End()
			}
		}
	})
}

func BenchmarkWalk(b *testing.B) {
	for _, balance := range balances {
		b.Run(string(balance), func(b *testing.B) {
			table := pool1024(balance, mixed)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				c := table.Route(request(i))
				for n := c.Next(); n != nil; n = c.Next() {
					chosen = n
				}
			}
		})
	}
}

// BenchmarkNewTable is a reload without anything to start from; BenchmarkRebuild what a change of health costs.
func BenchmarkNewTable(b *testing.B) {
	for _, n := range []int{1024, 16384} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			topology := large(n, config.LeastSessions, mixed)
			b.ReportAllocs()
			for b.Loop() {
				NewTable(topology, State{})
			}
		})
	}
}

func BenchmarkRebuild(b *testing.B) {
	for _, n := range []int{1024, 16384} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := NewRouter(large(n, config.LeastSessions, mixed), noLog)
			greeting := time.Duration(0)
			b.ReportAllocs()
			for b.Loop() {
				greeting++
				r.SetHealth(config.Target{Node: "node-00001", Service: "imaps"}, config.Health{State: config.Up, Greeting: greeting})
				r.Flush()
			}
		})
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{1024, 16384} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			topology := large(n, config.LeastSessions, mixed)
			r := NewRouter(topology, noLog)
			b.ReportAllocs()
			for b.Loop() {
				r.Publish(topology)
			}
		})
	}
}

func BenchmarkSetHealth(b *testing.B) {
	r := NewRouter(large(1024, config.LeastSessions, mixed), noLog)
	target := config.Target{Node: "node-00001", Service: "imaps"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.SetHealth(target, config.Health{State: config.Up, Greeting: time.Duration(i)})
	}
}
