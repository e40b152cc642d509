//go:build linux

package main

import (
	"crypto/tls"

	"posthouse/bench/beside"
)

// tlsRows are about TLS 1.3 that ends at the server, with TLS_AES_128_GCM_SHA256, an ECDSA P-256 certificate, and plain text to the nodes.
func (b *bench) tlsRows() []*row {
	x25519 := b.cert.Config(protocol, classic)
	var (
		secured = variant{tls: true}
		forBulk = variant{tls: true, bulk: true}
		line    = work{verb: say, clients: crowd, scale: microseconds, tls: x25519}
		down    = work{verb: write, size: bulkSize, clients: movers, scale: 1, tls: x25519}
		up      = work{verb: take, size: bulkSize, clients: movers, scale: 1, tls: x25519}
	)
	rows := []*row{
		b.shaken("TLS: handshake (X25519), a line each way, close", secured, x25519, false, beside.Goal{Ratio: 1.00}),
		b.shaken("TLS: the same, resumed", secured, x25519, true, beside.Goal{}),
		// OpenSSL 3.0 has no X25519MLKEM768: the peers take X25519 of the two that are offered, so there is no goal.
		b.shaken("TLS: the same, X25519MLKEM768 offered (peers: X25519)", secured, b.cert.Config(protocol, hybrid, classic), false, beside.Goal{}),
		b.driven("TLS: a line each way, 64 live sessions", "µs", secured, line, beside.Goal{Ratio: 1.05}),
		b.driven("TLS: bulk to the client, from writes", "s a GB", forBulk, down, beside.Goal{Ratio: 0.75}),
		b.driven("TLS: bulk from the client", "s a GB", forBulk, up, beside.Goal{Ratio: 0.95}),
		b.idleRow("TLS: idle session", secured, work{tls: x25519}, beside.Goal{Ratio: 0.55, Most: 9.6}, beside.Goal{}),
	}
	return append(rows, b.stalledRows("TLS: ", secured, x25519)...)
}

// shaken is a row about handshakes.
func (b *bench) shaken(name string, v variant, config *tls.Config, resumed bool, goal beside.Goal) *row {
	return &row{
		Lines:   []beside.Line{{Name: name, Unit: "µs", Goal: goal}},
		Variant: v,
		Run: func(p *server) ([]beside.Sample, error) {
			s, err := b.shake(p, config, resumed)
			return []beside.Sample{s}, err
		},
	}
}
