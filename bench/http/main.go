//go:build linux

package main

import (
	"fmt"
	"time"

	"posthouse/bench/beside"
	"posthouse/bench/raw"
)

// bench is one run of this program.
type bench struct {
	site    *beside.Site
	cert    raw.Certificate
	loop    *raw.Loop
	node    *node
	streams int
	settle  time.Duration // that a server has to give memory back, and the kernel to free what is dead
}

// mostFiles are enough for both ends of all streams.
const mostFiles = 20_000

func main() { beside.Main(beside.Flags(), mostFiles, prepare) }

func prepare(s *beside.Site) (*beside.Contest[variant], error) {
	b := &bench{site: s, streams: 2000, settle: 2 * time.Second}
	if s.Quick {
		b.streams, b.settle = 200, 200*time.Millisecond
	}
	var err error
	if b.cert, err = raw.NewCertificate(s.Dir); err != nil {
		return nil, err
	}
	if b.loop, err = raw.NewLoop(); err != nil {
		return nil, err
	}
	if b.node, err = newNode(b.loop); err != nil {
		return nil, err
	}
	return &beside.Contest[variant]{
		Kinds: kinds, Templates: templates, Settings: b.settings, Answers: b.answers, Rows: b.rows(),
		Facts: fmt.Sprintf("%d nodes, %d idle streams\n", nodeCount, b.streams),
	}, nil
}
