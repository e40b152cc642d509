//go:build linux

package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/miekg/dns"

	"posthouse/bench/beside"
	"posthouse/bench/measure"
)

// rows are in the order of the table.
func (b *bench) rows() []*row {
	plain := questions(func(*rand.Rand, int) question { return ask("imap", dns.TypeA) })
	ecs := questions(func(r *rand.Rand, _ int) question { return ask("imap", dns.TypeA, subnet(r)) })
	denied := questions(func(r *rand.Rand, _ int) question {
		return ask(fmt.Sprintf("x%x", r.Uint64()), dns.TypeA).denied()
	})
	mixed := questions(mix)
	odd := questions(func(_ *rand.Rand, i int) question {
		return []question{
			ask("imap", dns.TypeANY).empty(), ask("text", dns.TypeTXT, edns), ask("imap", dns.TypeHTTPS).empty(), ask("IMaP", dns.TypeA), ask("ns1", dns.TypeLOC).empty(),
		}[i%5]
	})
	signed := questions(func(*rand.Rand, int) question { return ask("static", dns.TypeA, do) })
	us := func(name string, g beside.Goal) beside.Line { return beside.Line{Name: name, Unit: "µs", Goal: g} }
	to := func(peer string, ratio float64) beside.Goal { return beside.Goal{Ratio: ratio, To: peer} }
	return []*row{
		b.row(b.udp, plain, us("plain", to(gdnsd, 1)), us("plain, beside the ceiling", to(echo, 1.12))),
		b.row(b.udp, ecs, us("ECS, random subnets", to(gdnsd, 0.97)), us("ECS, beside Knot", to(knot, 0.55))),
		b.row(b.udp, denied, us("NXDOMAIN", to(gdnsd, 1))),
		b.row(b.udp, mixed, us("mixed", to(gdnsd, 1))),
		b.row(b.udp, odd, us("ANY and other odd questions", to(gdnsd, 1.3))),
		b.signed(b.row(b.udp, signed, us("signed", beside.Goal{}))),
		b.row(b.pipelined, plain, us("TCP, pipelined", to(gdnsd, 0.7))),
		b.row(b.anew, plain, us("TCP, a connection each", to(gdnsd, 1.5))),
		b.changing(ecs),
		b.loading(),
	}
}

// row asks, and gives its figure to each of its lines: they have different goals.
func (b *bench) row(how func(*server, work) (beside.Sample, error), w work, lines ...beside.Line) *row {
	return &row{Lines: lines, Run: func(p *server) ([]beside.Sample, error) {
		s, err := how(p, w)
		all := make([]beside.Sample, len(lines))
		for i := range all {
			all[i] = s
		}
		return all, err
	}}
}

// signed is a row for those that sign: gdnsd does not.
func (b *bench) signed(r *row) *row {
	run := r.Run
	r.Variant = variant{signed: true}
	r.Run = func(p *server) ([]beside.Sample, error) {
		if name := p.Kind.Name; name == gdnsd || name == powerDNS || name == echo {
			return []beside.Sample{{Cost: math.NaN()}}, nil
		}
		return run(p)
	}
	return r
}

// mix is what resolvers ask a name server of a mail cluster.
func mix(r *rand.Rand, _ int) question {
	switch n := r.IntN(100); {
	case n < 35:
		return ask("imap", dns.TypeA, edns)
	case n < 60:
		return ask("imap", dns.TypeA, subnet(r))
	case n < 75:
		return ask("imap", dns.TypeAAAA, subnet(r))
	case n < 85:
		return ask(fmt.Sprintf("x%x", r.Uint64()), dns.TypeA, edns).denied()
	case n < 95:
		return ask("text", dns.TypeTXT, edns)
	}
	return ask("imap", dns.TypeHTTPS, edns).empty()
}

// loading is the time from the start to the first answer, with the database of cities, the memory after it, and the most that there was
// until then.
func (b *bench) loading() *row {
	mib := func(name string, g beside.Goal) beside.Line { return beside.Line{Name: name, Unit: "MiB", Goal: g} }
	return &row{
		Lines: []beside.Line{
			{Name: "start to the first answer", Unit: "s"},
			mib("memory, loaded", beside.Goal{Ratio: 1.2, To: gdnsd}), mib("memory, peak while loading", beside.Goal{Most: 150}),
		},
		Variant: variant{city: true},
		Fresh:   true,
		Run: func(p *server) ([]beside.Sample, error) {
			p.Stop() // its pages of the binary would count as half of each one's
			began := time.Now()
			again, err := b.contest.Start(p.Kind, p.Variant)
			if err != nil {
				return nil, err
			}
			took := time.Since(began)
			defer again.Stop()
			m, err := again.Memory()
			if err != nil {
				return nil, err
			}
			peak, err := measure.Peak(again.PIDs())
			return []beside.Sample{{Cost: took.Seconds()}, {Cost: float64(m.Process) / (1 << 20)}, {Cost: float64(peak) / (1 << 20)}}, err
		},
	}
}
