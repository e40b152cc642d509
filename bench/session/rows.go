//go:build linux

package main

import (
	"fmt"

	"posthouse/bench/beside"
)

const (
	microseconds = 1e6
	gigabyte     = 1e9 // the unit of bulk

	crowd  = 64 // sessions that are live at the same time
	movers = 4  // of bulk: more would only queue
	comers = 32 // new sessions at a time

	bulkSize = 64 << 20
)

// rows are in the order of the table.
func (b *bench) rows() []*row {
	var (
		connect = work{verb: say, clients: comers, each: true, scale: microseconds}
		line    = work{verb: say, clients: crowd, scale: microseconds}
		file    = work{verb: send, size: bulkSize, clients: movers, scale: 1}
		written = work{verb: write, size: bulkSize, clients: movers, scale: 1}
		upload  = work{verb: take, size: bulkSize, clients: movers, scale: 1}
		plain   = variant{}
		withV2  = variant{manners: manners{proxy: true}}
		greeted = variant{manners: manners{greets: true}}
		mail    = variant{manners: manners{greets: true, proxy: true}}
		logged  = variant{manners: manners{greets: true, proxy: true}, log: true}
		forBulk = variant{bulk: true}
	)
	rows := []*row{
		b.driven("connect, a line each way, close", "µs", plain, connect, beside.Goal{Ratio: 0.95}),
		b.driven("the same, PROXY v2 out (nginx: v1)", "µs", withV2, connect, beside.Goal{Ratio: 0.90}),
		b.driven("the same, IMAP greeting", "µs", greeted, connect, beside.Goal{Ratio: 0.95}),
		b.driven("the same, IMAP greeting, PROXY v2 out (nginx: v1)", "µs", mail, connect, beside.Goal{Ratio: 0.90}),
		b.driven("the same, and a log line each", "µs", logged, connect, beside.Goal{Ratio: 0.90}),
	}
	for _, count := range []int{1, 100, 1024} {
		name := fmt.Sprintf("connect, a line each way, close: nodes: %d", count)
		r := b.driven(name, "µs", variant{nodes: count}, connect, beside.Goal{Ratio: 0.95})
		r.Fresh = true // probes of so many nodes are not to go on beside other rows
		rows = append(rows, r)
	}
	many := line
	many.idle = b.most
	rows = append(rows,
		b.driven("a line each way, 64 live sessions", "µs", plain, line, beside.Goal{Ratio: 1.00}),
		b.driven("a line each way, 1 live session", "µs", plain, line.by(1), beside.Goal{Ratio: 0.95}),
		b.driven(fmt.Sprintf("a line each way, 64 live sessions beside %d idle ones", b.most), "µs", plain, many, beside.Goal{Ratio: 1.00}),
		b.driven("bulk to the client, from files", "s a GB", forBulk, file, beside.Goal{Ratio: 0.50}),
		b.driven("bulk to the client, from writes", "s a GB", forBulk, written, beside.Goal{Ratio: 0.95}),
		b.driven("bulk from the client", "s a GB", forBulk, upload, beside.Goal{Ratio: 1.10}),
		b.idleRow("idle session", plain, work{}, beside.Goal{Ratio: 0.20, Most: 0.65}, beside.Goal{Ratio: 0.70}),
	)
	rows = append(rows, b.stalledRows("", plain, nil)...)
	rows = append(rows, b.pauseRow())
	return append(rows, b.tlsRows()...)
}

func (w work) by(clients int) work { w.clients = clients; return w }

// driven is a row about the CPU time of a load.
func (b *bench) driven(name, unit string, v variant, w work, goal beside.Goal) *row {
	return &row{
		Lines:   []beside.Line{{Name: name, Unit: unit, Goal: goal}},
		Variant: v,
		Run: func(p *server) ([]beside.Sample, error) {
			s, err := b.drive(p, &w)
			return []beside.Sample{s}, err
		},
	}
}

func (b *bench) facts() string {
	return fmt.Sprintf("%d nodes unless said otherwise; %d idle sessions, %d descriptors a process; lines of %d bytes\n", usualNodes, b.sessions, b.site.Files, lineSize)
}
