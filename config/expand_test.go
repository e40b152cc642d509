package config

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// first, last and number of what an entry of nodes becomes.
func TestRanges(t *testing.T) {
	for _, c := range []struct{ entry, first, last string }{
		{`name: a, address: 10.0.0.1`, "a 10.0.0.1", "a 10.0.0.1"},
		{`name: a, address: 10.0.0.1+`, "a 10.0.0.1", "a 10.0.0.1"},
		{`name: "n-[1-12]", address: 10.0.0.1+`, "n-1 10.0.0.1", "n-12 10.0.0.12"},
		{`name: "n-[001-192]", address: 10.1.1.1+`, "n-001 10.1.1.1", "n-192 10.1.1.192"},
		{`name: "n-[08-11]", address: "10.0.0.[8-11]"`, "n-08 10.0.0.8", "n-11 10.0.0.11"},
		{`name: "n-[255-256]", address: 10.1.1.255+`, "n-255 10.1.1.255", "n-256 10.1.2.0"},
		{`name: "n-[1-65536]", address: 10.0.0.0+`, "n-1 10.0.0.0", "n-65536 10.0.255.255"},
		{`name: "n-[1-2]", address: "2001:db8::ffff+"`, "n-1 2001:db8::ffff", "n-2 2001:db8::1:0"},
		{`name: "n-[1-9]", address: "2001:db8::[1-9]"`, "n-1 2001:db8::1", "n-9 2001:db8::9"},
		{`name: "r[1-2]-n[11-12]", address: "10.0.[1-2].[11-12]"`, "r1-n11 10.0.1.11", "r2-n12 10.0.2.12"},
		{`name: "n-[1-2]", address: [10.0.0.1+, "2001:db8::[1-2]"]`, "n-1 10.0.0.1 2001:db8::1", "n-2 10.0.0.2 2001:db8::2"},
		{`name: "n-[01-02]", address: "n-[01-02].example.net"`, "n-01 n-01.example.net", "n-02 n-02.example.net"},
		{`name: a, address: mail_1.internal`, "a mail_1.internal", "a mail_1.internal"},
		{`name: "[1-3]", address: 10.0.0.1+`, "1 10.0.0.1", "3 10.0.0.3"},
	} {
		topology, err := parse("cluster: a\nnodes: [{"+c.entry+"}]\n", Options{})
		if err != nil {
			t.Errorf("{%s}: %v", c.entry, err)
			continue
		}
		first, last := shown(topology.Nodes[0]), shown(topology.Nodes[len(topology.Nodes)-1])
		if first != c.first || last != c.last {
			t.Errorf("{%s} is %s to %s, want %s to %s", c.entry, first, last, c.first, c.last)
		}
	}
}

func shown(n *Node) string {
	s := n.Name
	for _, a := range n.Addresses {
		s += " " + a.String()
	}
	return strings.TrimSpace(s + " " + n.Host)
}

func TestPlus(t *testing.T) {
	for _, c := range []struct {
		from string
		i    int
		want string
	}{
		{"10.1.1.255", 1, "10.1.2.0"},
		{"0.0.0.0", 1 << 20, "0.16.0.0"},
		{"255.255.255.254", 1, "255.255.255.255"},
		{"255.255.255.255", 1, ""},
		{"2001:db8::ffff:ffff", 1, "2001:db8::1:0:0"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1, ""},
	} {
		got, ok := plus(netip.MustParseAddr(c.from), c.i)
		if ok != (c.want != "") || ok && got.String() != c.want {
			t.Errorf("plus(%s, %d) = %v, %t; want %q", c.from, c.i, got, ok, c.want)
		}
	}
}

func TestPatternSteps(t *testing.T) {
	p, err := parsePattern("a[08-11]b[1-4]")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for i := range 4 {
		all = append(all, p.at(i))
	}
	if got, want := fmt.Sprint(all), "[a08b1 a09b2 a10b3 a11b4]"; got != want {
		t.Errorf("steps %s, want %s", got, want)
	}
}
