//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"posthouse/bench/raw"
)

// origin is what a PROXY header says of a client.
type origin struct {
	version byte // 0: there is no header yet
	client  netip.Addr
}

func (o origin) known() bool { return o.version > 0 }

var signature = []byte("\r\n\r\n\x00\r\nQUIT\n")

// readOrigin reads a header as far as it has come.
func readOrigin(p []byte) (o origin, rest []byte, err error) {
	switch {
	case len(p) >= 16 && bytes.HasPrefix(p, signature):
		end := 16 + int(binary.BigEndian.Uint16(p[14:]))
		if len(p) < end {
			return o, p, nil
		}
		if end >= 28 && p[13] == 0x11 { // TCP over IPv4
			o.client = netip.AddrFrom4([4]byte(p[16:]))
		}
		o.version = 2
		return o, p[end:], nil
	case bytes.HasPrefix(p, []byte("PROXY ")):
		line, rest, ok := bytes.Cut(p, []byte("\r\n"))
		if !ok {
			return o, p, nil
		}
		if fields := strings.Fields(string(line)); len(fields) == 6 {
			o.client, err = netip.ParseAddr(fields[2])
		}
		o.version = 1
		return o, rest, err
	case len(p) < 16:
		return o, p, nil
	}
	return o, nil, fmt.Errorf("no PROXY header: %q", p[:16])
}

// check compares it with what is true.
func (o origin) check(version byte, client int) error {
	if want := raw.Source(client); o.version != version || o.client != want {
		return fmt.Errorf("a PROXY header of version %d for %v, want version %d for %v", o.version, o.client, version, want)
	}
	return nil
}
