//go:build linux

package main

import (
	"time"

	"posthouse/bench/beside"
	"posthouse/bench/raw"
)

// bench is one run of this program.
type bench struct {
	site     *beside.Site
	plain    string // the binary whose sessions are two goroutines each
	cert     raw.Certificate
	loop     *raw.Loop
	node     *node
	loads    []*load       // of the measurement
	sessions int           // that idle, where their memory is measured
	most     int           // that idle beside others
	settle   time.Duration // that a server has to give memory back, and the kernel to free what is dead
}

// mostFiles are enough for both ends of 50,000 sessions.
const mostFiles = 2*(50_000+crowd) + spareFiles

func main() { beside.Main(beside.Flags(), mostFiles, prepare) }

func prepare(s *beside.Site) (*beside.Contest[variant], error) {
	b := &bench{site: s, sessions: 8000, settle: 2 * time.Second}
	if s.Quick {
		b.sessions, b.settle = 200, 200*time.Millisecond
	}
	b.most = min(50_000, b.mostSessions()-crowd)
	b.sessions = min(b.sessions, b.most)
	var err error
	if b.plain, err = s.Build("posthouse-plain", "-tags", "plainrelay"); err != nil {
		return nil, err
	}
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
		Kinds: b.kinds(), Templates: templates, Settings: b.settings, Answers: b.answers, Rows: b.rows(), Facts: b.facts(),
	}, nil
}
