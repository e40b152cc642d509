//go:build linux

package main

import (
	"bytes"
	"fmt"
	"strconv"

	"posthouse/bench/raw"
)

// message is what this program reads of a head, a request's or a response's.
type message struct {
	start     []byte // the first line, without its end
	length    int    // Content-Length; -1: none
	chunked   bool
	forwarded forwarded
}

// forwarded are the fields in which a server tells a node who the client is, and the client's own word on that.
type forwarded struct{ from, client, proto, host, standard []byte }

// parse reads a head, up to and with its empty line. The message refers to it.
func parse(head []byte) (m message, err error) {
	m.length = -1
	first, rest, _ := bytes.Cut(head, crlf)
	m.start = first
	for len(rest) > len(crlf) {
		var line []byte
		line, rest, _ = bytes.Cut(rest, crlf)
		name, value, ok := bytes.Cut(line, colon)
		if !ok {
			return m, fmt.Errorf("no field: %q", line)
		}
		if err := m.field(name, bytes.TrimSpace(value)); err != nil {
			return m, err
		}
	}
	return m, nil
}

var crlf, colon, headEnd = []byte("\r\n"), []byte(":"), []byte("\r\n\r\n")

// field keeps one field. What must be there once must not be there twice.
func (m *message) field(name, value []byte) (err error) {
	switch len(name) { // of what is looked for: most fields are passed by with this comparison
	case len("Forwarded"):
		return once(&m.forwarded.standard, name, "Forwarded", value)
	case len("X-Bench-From"):
		return once(&m.forwarded.from, name, "X-Bench-From", value)
	case len("Content-Length"):
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if m.length >= 0 {
				return fmt.Errorf("two lengths")
			}
			m.length, err = strconv.Atoi(string(value))
		}
	case len("X-Forwarded-For"):
		return once(&m.forwarded.client, name, "X-Forwarded-For", value)
	case len("X-Forwarded-Host"): // and X-Forwarded-Port, which nobody sends
		return once(&m.forwarded.host, name, "X-Forwarded-Host", value)
	case len("X-Forwarded-Proto"):
		if bytes.EqualFold(name, []byte("Transfer-Encoding")) {
			m.chunked = true
			return nil
		}
		return once(&m.forwarded.proto, name, "X-Forwarded-Proto", value)
	}
	return err
}

func once(field *[]byte, name []byte, wanted string, value []byte) error {
	if !bytes.EqualFold(name, []byte(wanted)) {
		return nil
	}
	if *field != nil {
		return fmt.Errorf("%s twice", wanted)
	}
	*field = value
	return nil
}

// check compares what a node was told with what is true.
func (f *forwarded) check(scheme string) error {
	switch {
	case !bytes.Equal(f.client, f.from):
		return fmt.Errorf("X-Forwarded-For %q of client %q", f.client, f.from)
	case string(f.proto) != scheme:
		return fmt.Errorf("X-Forwarded-Proto %q, want %q", f.proto, scheme)
	case string(f.host) != raw.ServerName:
		return fmt.Errorf("X-Forwarded-Host %q, want %q", f.host, raw.ServerName)
	case f.standard == nil:
		return fmt.Errorf("no Forwarded")
	}
	return nil
}

// number reads the decimal digits behind a name in a request line; -1: the name is not there.
func number(line []byte, name string) (n int) {
	at := bytes.Index(line, []byte(name))
	if at < 0 {
		return -1
	}
	for _, digit := range line[at+len(name):] {
		if digit < '0' || digit > '9' {
			break
		}
		n = n*10 + int(digit-'0')
	}
	return n
}

// headLength is how long a head is, with its empty line; 0: it has not ended.
func headLength(p []byte) int {
	if end := bytes.Index(p, headEnd); end >= 0 {
		return end + len(headEnd)
	}
	return 0
}
