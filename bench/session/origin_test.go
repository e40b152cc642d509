//go:build linux

package main

import (
	"net/netip"
	"testing"
)

func TestReadOrigin(t *testing.T) {
	const v2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x7f\x00\x03\x05\x7f\x00\x00\x01\x10\x00\x20\x00"
	const local = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
	client := netip.MustParseAddr("127.0.3.5")
	for name, tt := range map[string]struct {
		in   string
		want origin
		rest string
		ok   bool
	}{
		"v1":             {"PROXY TCP4 127.0.3.5 127.0.0.1 4096 8192\r\nL", origin{1, client}, "L", true},
		"v1, a part":     {"PROXY TCP4 127.0.3.5 127", origin{}, "PROXY TCP4 127.0.3.5 127", true},
		"v2":             {v2 + "L", origin{2, client}, "L", true},
		"v2, a part":     {v2[:20], origin{}, v2[:20], true},
		"v2 of a probe":  {local, origin{version: 2}, "", true},
		"a few bytes":    {"L 000", origin{}, "L 000", true},
		"a line instead": {"L 00000000 000000 0000000000 abc", origin{}, "", false},
	} {
		got, rest, err := readOrigin([]byte(tt.in))
		if got != tt.want || string(rest) != tt.rest || (err == nil) != tt.ok {
			t.Errorf("%s: readOrigin = %+v, %q, %v; want %+v, %q, ok %v", name, got, rest, err, tt.want, tt.rest, tt.ok)
		}
	}
	for name, tt := range map[string]struct {
		o  origin
		ok bool
	}{
		"the client's":    {origin{2, netip.MustParseAddr("127.0.3.1")}, true},
		"of another":      {origin{2, netip.MustParseAddr("127.0.3.2")}, false},
		"another version": {origin{1, netip.MustParseAddr("127.0.3.1")}, false},
	} {
		if err := tt.o.check(2, 0); (err == nil) != tt.ok {
			t.Errorf("%s: check = %v", name, err)
		}
	}
}
