//go:build linux

package main

import (
	"crypto/tls"

	"posthouse/bench/beside"
)

// goal is what a request may cost, compared with the better of nginx and HAProxy.
var goal = beside.Goal{Ratio: 1.10}

const (
	microseconds = 1e6
	aGigabyte    = 1e9 / bodySize

	crowd  = 64 // connections that are busy at the same time
	movers = 8  // of bulk: more would only queue
	comers = 32 // new connections at a time
)

// rows are in the order of the table.
func (b *bench) rows() []*row {
	session := work{method: "GET", path: "/jmap/session", down: 256, clients: crowd, scale: microseconds}
	call := work{method: "POST", path: "/jmap/", up: 1 << 10, down: 2 << 10, clients: crowd, scale: microseconds}
	download := work{method: "GET", path: "/jmap/download/a/b/mail.eml", down: bodySize, clients: movers, scale: aGigabyte}
	upload := work{method: "PUT", path: "/dav/file/a/mail.mbox", up: bodySize, clients: movers, scale: aGigabyte}
	var (
		plain   = variant{}
		logging = variant{log: true}
		secured = variant{tls: true}
	)
	x25519, hybrid := b.cert.Config("http/1.1", tls.X25519), b.cert.Config("http/1.1", tls.X25519MLKEM768, tls.X25519)
	return []*row{
		b.driven("small request, 64 connections", "µs", plain, session, goal),
		b.driven("small request, 1 connection", "µs", plain, session.by(1), goal),
		b.driven("small request, a log line each", "µs", logging, session, goal),
		b.driven("POST of 1 KiB, answer of 2 KiB", "µs", plain, call, goal),
		b.driven("TLS: small request, 64 connections", "µs", secured, session.over(x25519), goal),
		b.driven("TLS: POST of 1 KiB, answer of 2 KiB", "µs", secured, call.over(x25519), goal),
		b.driven("GET of 1 MB", "s a GB", plain, download, goal),
		b.driven("PUT of 1 MB", "s a GB", plain, upload, goal),
		b.driven("TLS: GET of 1 MB", "s a GB", secured, download.over(x25519), goal),
		b.driven("TLS: PUT of 1 MB", "s a GB", secured, upload.over(x25519), goal),
		b.driven("new connection each", "µs", plain, session.anew(), goal),
		b.shaken("TLS: new connection each, X25519", secured, session.over(x25519).anew(), goal),
		b.shaken("TLS: new connection each, resumed", secured, session.over(x25519).anew().again(), goal),
		// OpenSSL 3.0 has no X25519MLKEM768: the peers take X25519 of the two that are offered, so there is no goal.
		b.shaken("TLS: new connection each, X25519MLKEM768 offered", secured, session.over(hybrid).anew(), beside.Goal{}),
		b.streamsRow("", plain, nil),
		b.streamsRow("TLS: ", secured, x25519),
	}
}

func (w work) by(clients int) work     { w.clients = clients; return w }
func (w work) over(c *tls.Config) work { w.tls = c; return w }
func (w work) anew() work              { w.each, w.clients = true, comers; return w }
func (w work) again() work             { w.resumed = true; return w }

// driven is a row about the CPU time of requests.
func (b *bench) driven(name, unit string, v variant, w work, goal beside.Goal) *row {
	return one(name, unit, v, goal, func(p *server) (beside.Sample, error) { return b.drive(p, &w) })
}

// shaken is a row about requests with a handshake each.
func (b *bench) shaken(name string, v variant, w work, goal beside.Goal) *row {
	return one(name, "µs", v, goal, func(p *server) (beside.Sample, error) { return b.shake(p, &w) })
}

func one(name, unit string, v variant, goal beside.Goal, run func(*server) (beside.Sample, error)) *row {
	return &row{Lines: []beside.Line{{Name: name, Unit: unit, Goal: goal}}, Variant: v, Run: func(p *server) ([]beside.Sample, error) {
		s, err := run(p)
		return []beside.Sample{s}, err
	}}
}
