//go:build linux

package main

import "crypto/tls"

// row is one line of the table: work that the servers do in turn.
type row struct {
	name    string
	unit    string
	scale   float64 // from seconds of CPU for a request to the unit
	goal    float64 // ratio to the better peer; 0: none
	variant variant
	work    work
	run     func(b *bench, p *peer, w *work) (sample, error)
}

// goal is what a request may cost, compared with the better of nginx and HAProxy.
const goal = 1.10

const (
	microseconds = 1e6
	aGigabyte    = 1e9 / bodySize

	crowd  = 64 // connections that are busy at the same time
	movers = 8  // of bulk: more would only queue
	comers = 32 // new connections at a time
)

// rows are in the order of the table.
func (b *bench) rows() []*row {
	session := work{method: "GET", path: "/jmap/session", down: 256, clients: crowd}
	call := work{method: "POST", path: "/jmap/", up: 1 << 10, down: 2 << 10, clients: crowd}
	download := work{method: "GET", path: "/jmap/download/a/b/mail.eml", down: bodySize, clients: movers}
	upload := work{method: "PUT", path: "/dav/file/a/mail.mbox", up: bodySize, clients: movers}
	var (
		plain   = variant{}
		logging = variant{log: true}
		secured = variant{tls: true}
	)
	classic, hybrid := b.cert.Config("http/1.1", tls.X25519), b.cert.Config("http/1.1", tls.X25519MLKEM768, tls.X25519)
	return []*row{
		{"small request, 64 connections", "µs", microseconds, goal, plain, session, (*bench).drive},
		{"small request, 1 connection", "µs", microseconds, goal, plain, session.by(1), (*bench).drive},
		{"small request, a log line each", "µs", microseconds, goal, logging, session, (*bench).drive},
		{"POST of 1 KiB, answer of 2 KiB", "µs", microseconds, goal, plain, call, (*bench).drive},
		{"TLS: small request, 64 connections", "µs", microseconds, goal, secured, session.over(classic), (*bench).drive},
		{"TLS: POST of 1 KiB, answer of 2 KiB", "µs", microseconds, goal, secured, call.over(classic), (*bench).drive},
		{"GET of 1 MB", "s a GB", aGigabyte, goal, plain, download, (*bench).drive},
		{"PUT of 1 MB", "s a GB", aGigabyte, goal, plain, upload, (*bench).drive},
		{"TLS: GET of 1 MB", "s a GB", aGigabyte, goal, secured, download.over(classic), (*bench).drive},
		{"TLS: PUT of 1 MB", "s a GB", aGigabyte, goal, secured, upload.over(classic), (*bench).drive},
		{"new connection each", "µs", microseconds, goal, plain, session.anew(), (*bench).drive},
		{"TLS: new connection each, X25519", "µs", microseconds, goal, secured, session.over(classic).anew(), (*bench).shake},
		{"TLS: new connection each, resumed", "µs", microseconds, goal, secured, session.over(classic).anew().again(), (*bench).shake},
		// OpenSSL 3.0 has no X25519MLKEM768: the peers take X25519 of the two that are offered, so there is no goal.
		{"TLS: new connection each, X25519MLKEM768 offered", "µs", microseconds, 0, secured, session.over(hybrid).anew(), (*bench).shake},
	}
}

func (w work) by(clients int) work     { w.clients = clients; return w }
func (w work) over(c *tls.Config) work { w.tls = c; return w }
func (w work) anew() work              { w.each, w.clients = true, comers; return w }
func (w work) again() work             { w.resumed = true; return w }
