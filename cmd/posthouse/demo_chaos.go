package main

import (
	"context"
	"strings"
	"time"

	"posthouse/mailtest"
)

// mishap is what befalls nodes for a while.
type mishap struct {
	nodes []string
	kind  mishapKind
}

type mishapKind struct {
	begins, ends string // in words
	begin        func(*mailtest.Node)
	end          func(*mailtest.Node) error
}

var (
	death = mishapKind{
		"killed, as by kill -9: sessions are cut", "started again",
		(*mailtest.Node).Kill, (*mailtest.Node).Start,
	}
	frost = mishapKind{
		"frozen, as by SIGSTOP: accepts, says nothing", "thawed",
		(*mailtest.Node).Freeze, func(n *mailtest.Node) error { n.Thaw(); return nil },
	}
)

// mishaps come in turn: the ordinary death first, the death of a whole region before anybody has to wait long.
var mishaps = []mishap{
	{[]string{"eu-1"}, death},
	{[]string{"us-1"}, frost},
	{[]string{"ap-1", "ap-2", "ap-3"}, death},
	{[]string{"us-2"}, death},
	{[]string{"ap-1"}, frost},
	{[]string{"eu-2", "eu-3"}, death},
	{[]string{"eu-1"}, frost},
}

// chaos lets one mishap happen every so often, for half that time.
func (d *demo) chaos(ctx context.Context, every time.Duration) error {
	for i := 0; pause(ctx, every/2); i++ {
		m := mishaps[i%len(mishaps)]
		d.befall(m)
		if !pause(ctx, every/2) {
			return nil
		}
		d.relieve(m)
	}
	return nil
}

func (d *demo) befall(m mishap) {
	d.events.bad("chaos", "%s %s", strings.Join(m.nodes, ", "), m.kind.begins)
	for _, name := range m.nodes {
		m.kind.begin(d.nodes[name])
	}
}

// relieve ends a mishap. A node whose port somebody took in the meantime stays away until its next turn.
func (d *demo) relieve(m mishap) {
	for _, name := range m.nodes {
		if err := m.kind.end(d.nodes[name]); err != nil {
			d.events.bad("chaos", "%v", err)
		}
	}
	d.events.good("chaos", "%s %s", strings.Join(m.nodes, ", "), m.kind.ends)
}
