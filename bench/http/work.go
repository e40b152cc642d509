//go:build linux

package main

import (
	"crypto/tls"
	"fmt"
	"net/netip"

	"posthouse/bench/raw"
)

// work is what clients do, over and over.
type work struct {
	method, path string
	up, down     int // bytes of the body and of the response's
	clients      int // at a time
	each         bool
	tls          *tls.Config // nil: plain
	resumed      bool        // of a new connection each: all but the first of a client resume
	scale        float64     // from seconds of CPU for a request to the line's unit
}

// digits is how long the numbers in a request are: their places stay, so that a request is made by writing over them.
const digits = 8

// head is a request's, with room for its number, and where that is. It has the fields that a mail program sends.
func (w *work) head(from netip.Addr) (head []byte, at int) {
	head = fmt.Appendf(nil, "%s %s?number=", w.method, w.path)
	at = len(head)
	head = fmt.Appendf(head, "%0*d&down=%0*d HTTP/1.1\r\nHost: %s\r\n"+
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.5.0\r\n"+
		"Accept: application/json, text/plain, */*\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"+
		"Authorization: Bearer c2VjcmV0LXRva2VuLW9mLWEtYmVuY2htYXJrLWNsaWVudA==\r\nX-Bench-From: %s\r\n",
		digits, 0, digits, w.down, raw.ServerName, from)
	if w.up > 0 {
		head = fmt.Appendf(head, "Content-Type: application/json\r\nContent-Length: %d\r\n", w.up)
	}
	return append(head, "\r\n"...), at
}

// put writes a number into a head.
func put(place []byte, number int) {
	for i := digits - 1; i >= 0; i-- {
		place[i] = byte('0' + number%10)
		number /= 10
	}
}

// reader checks a response as it comes.
type reader struct {
	in     []byte // a head that has not ended
	inside bool   // the head has ended
	want   []byte // the rest of the body
}

// take uses what has come for a response with this body. done: it was the last of it.
func (r *reader) take(p, want []byte) (done bool, err error) {
	if !r.inside {
		if p, err = r.head(p, want); err != nil || !r.inside {
			return false, err
		}
	}
	if len(p) > len(r.want) || string(p) != string(r.want[:len(p)]) {
		return false, fmt.Errorf("the response's body differs behind byte %d", len(want)-len(r.want))
	}
	r.want = r.want[len(p):]
	if len(r.want) > 0 {
		return false, nil
	}
	r.inside = false
	return true, nil
}

// head reads the head of a response as far as it has come, and returns what is behind it.
func (r *reader) head(p, want []byte) (rest []byte, err error) {
	if len(r.in) > 0 {
		r.in = append(r.in, p...)
		p = r.in
	}
	end := headLength(p)
	if end == 0 {
		r.in = append(r.in[:0], p...)
		return nil, nil
	}
	m, err := parse(p[:end])
	switch {
	case err != nil:
		return nil, err
	case string(m.start[:min(len(m.start), len(fine))]) != fine:
		return nil, fmt.Errorf("the response is %q", m.start)
	case m.length != len(want) || m.chunked:
		return nil, fmt.Errorf("the response has length %d, chunked %v; want %d", m.length, m.chunked, len(want))
	}
	r.inside, r.want, r.in = true, want, r.in[:0]
	return p[end:], nil
}

const fine = "HTTP/1.1 200 "
