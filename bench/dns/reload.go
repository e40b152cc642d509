//go:build linux

package main

import (
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"posthouse/bench/beside"
)

// changing is how long the slowest of a hundred answers takes while a topology of 1,023 nodes is reloaded each second, and while the health of
// the nearest region's node changes each second, as multiples of what it takes while nothing changes. All of it is done by the core that answers.
func (b *bench) changing(w work) *row {
	const twice = 2 // "at most doubled"
	return &row{
		Lines: []beside.Line{
			{Name: "99 % of answers, 5,000 a second", Unit: "µs"},
			{Name: "99 % of answers while reloading each second", Unit: "×", Goal: beside.Goal{Most: twice}},
			{Name: "99 % of answers while health changes each second", Unit: "×", Goal: beside.Goal{Most: twice}},
		},
		Run: func(p *server) ([]beside.Sample, error) {
			if !p.Kind.Ours {
				quiet, err := b.steadily(p, w, func(int) error { return nil })
				quiet.Cost = quiet.P99
				return []beside.Sample{quiet, {Cost: math.NaN()}, {Cost: math.NaN()}}, err
			}
			crowded := *p.Kind
			crowded.Config = "crowd.yaml"
			crowd, err := b.contest.Start(&crowded, variant{})
			if err != nil {
				return nil, err
			}
			defer crowd.Stop()
			return b.measureChanging(crowd, w)
		},
	}
}

func (b *bench) measureChanging(p *server, w work) ([]beside.Sample, error) {
	nodes, err := playNodes()
	if err != nil {
		return nil, err
	}
	defer nodes.close()
	for range 2 { // what was found at the start is settled, and probes see the nodes
		if err := nodes.turn(p); err != nil {
			return nil, err
		}
	}
	quiet, err := b.steadily(p, w, func(int) error { return nil })
	if err != nil {
		return nil, err
	}
	quiet.Cost = quiet.P99
	reloading, err := b.steadily(p, w, func(i int) error { return reload(p, i) })
	if err != nil {
		return nil, fmt.Errorf("while reloading: %w", err)
	}
	reloading.Cost = reloading.P99 / quiet.P99
	turning, err := b.steadily(p, w, func(int) error { return nodes.turn(p) })
	if err != nil {
		return nil, fmt.Errorf("while health changes: %w", err)
	}
	turning.Cost = turning.P99 / quiet.P99
	return []beside.Sample{quiet, reloading, turning}, nil
}

// steadily asks while three changes are made, a second apart.
func (b *bench) steadily(p *server, w work, change func(i int) error) (beside.Sample, error) {
	s, err := newSteady(p.Addr, w)
	if err != nil {
		return beside.Sample{}, err
	}
	defer unix.Close(s.fd)
	s.checked = p.Kind.Name != echo
	const times = 3
	each := time.Second
	if b.site.Quick {
		each = b.site.Time
	}
	failed := make(chan error, 1)
	go func() {
		tick := time.NewTicker(each)
		defer tick.Stop()
		var err error
		for i := 0; i < times && err == nil; i++ {
			<-tick.C
			err = change(i)
		}
		failed <- err
	}()
	var sample beside.Sample
	promptly(func() { sample, err = s.tally.Count(p.PIDs, times*each+each/2, microsecond, s.run) })
	return sample, errors.Join(err, <-failed)
}

// reload writes the topology with one more name, and returns when it is answered.
func reload(p *server, i int) error {
	file := filepath.Join(p.Dir, "crowd.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("new%d", i)
	if err := os.WriteFile(file+".new", append(text, "        "+name+" IN A 192.0.2.98\n"...), 0o644); err != nil {
		return err
	}
	if err := os.Rename(file+".new", file); err != nil {
		return err
	}
	return await(name+" to be answered", func() bool { return first(p, name) == "192.0.2.98" })
}

// nodes are those that can be up, as crowd.yaml.tmpl says: of eu, which is the nearest of the clients that are looked at, and of us. Probes
// only connect, which the kernel answers.
type nodes struct{ eu, us net.Listener }

const euNode, usNode = "127.0.0.10:29931", "127.0.0.11:29931"

func playNodes() (n *nodes, err error) {
	n = &nodes{}
	if n.us, err = net.Listen("tcp", usNode); err != nil {
		return nil, err
	}
	if n.eu, err = net.Listen("tcp", euNode); err != nil {
		n.us.Close()
		return nil, err
	}
	return n, nil
}

func (n *nodes) close() {
	n.us.Close()
	if n.eu != nil {
		n.eu.Close()
	}
}

// turn ends the node of eu, or starts it again, and returns when the answers have followed.
func (n *nodes) turn(p *server) (err error) {
	if n.eu != nil {
		n.eu.Close()
		n.eu = nil
		return leads(p, "us")
	}
	if n.eu, err = net.Listen("tcp", euNode); err != nil {
		n.eu = nil
		return err
	}
	return leads(p, "eu")
}

// leads waits until clients of eu are led to a region.
func leads(p *server, name string) error {
	i := slices.IndexFunc(regions, func(r region) bool { return r.Name == name })
	return await("clients of eu to be led to "+name, func() bool {
		return strings.HasPrefix(first(p, "imap"), fmt.Sprintf("127.0.2%d.", i)) // as crowd.yaml.tmpl says
	})
}

// first is the first address of a name for a client in Amsterdam, "" if there is none.
func first(p *server, name string) string {
	q := new(dns.Msg).SetQuestion(name+".mail.example.org.", dns.TypeA)
	edns(q)
	q.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: net.IPv4(193, 0, 6, 0).To4()}}
	m, _, err := (&dns.Client{Timeout: time.Second}).Exchange(q, p.Addr.String())
	if err != nil || len(m.Answer) == 0 {
		return ""
	}
	a, ok := m.Answer[0].(*dns.A)
	if !ok {
		return ""
	}
	return a.A.String()
}

// await looks until it is so.
func await(what string, so func() bool) error {
	for until := time.Now().Add(silence); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if so() {
			return nil
		}
	}
	return fmt.Errorf("waiting for %s: not within %v", what, silence)
}
