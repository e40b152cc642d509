package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestExplainIsWhatSessionsDo opens a session from each of many loopback addresses and compares the node that greets
// with the one that explain had named from the file alone.
func TestExplainIsWhatSessionsDo(t *testing.T) {
	clients := 10_000
	if underRace || testing.Short() {
		clients = 1000
	}
	s := newServed(t, 5)
	s.write(s.topology(5, "defaults: {balance: client-hash}\noverrides:\n  node-2: {weight: 3}\n  node-4: {state: drain}\n"))
	named := namedFor(t, s.path, clients)
	s.start()
	got := make(map[string]int)
	for i := range clients {
		a := clientAt(i)
		node := greetedBy(t, s.front, a)
		if node != named[a] {
			t.Fatalf("%s is greeted by %s, explain had said %s", a, node, named[a])
		}
		got[node]++
	}
	if got["node-4"] > 0 || len(got) != 4 || got["node-2"] < clients/3 {
		t.Errorf("sessions by node: %v", got)
	}
}

func clientAt(i int) netip.Addr { return netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}) }

// namedFor is the node that explain --bulk names for each client.
func namedFor(t *testing.T, path string, clients int) map[netip.Addr]string {
	t.Helper()
	var ask strings.Builder
	for i := range clients {
		fmt.Fprintln(&ask, clientAt(i))
	}
	file := filepath.Join(t.TempDir(), "clients")
	if err := os.WriteFile(file, []byte(ask.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, errors bytes.Buffer
	if code := run([]string{"explain", "--config", path, "--service", "imap", "--bulk", file}, console{&out, &errors}); code != exitFine {
		t.Fatalf("explain = %d: %s", code, errors.String())
	}
	named := make(map[netip.Addr]string)
	for line := range strings.Lines(out.String()) {
		words := strings.Fields(line)
		if len(words) != 4 || words[1] != "imap" {
			t.Fatalf("explain said %q", line)
		}
		named[netip.MustParseAddr(words[0])] = words[3]
	}
	return named
}

// greetedBy is the node whose greeting a client of an address hears.
func greetedBy(t *testing.T, front string, from netip.Addr) string {
	t.Helper()
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: 10 * time.Second}
	c, err := dialer.Dial("tcp", front)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	greeting, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatalf("%s hears %q: %v", from, greeting, err)
	}
	for _, word := range strings.Fields(greeting) {
		if strings.HasPrefix(word, "node-") {
			return word
		}
	}
	return greeting
}

func TestPlaceInWords(t *testing.T) {
	network := netip.MustParsePrefix("192.0.2.0/24")
	for _, c := range []struct {
		where whereabouts
		want  string
	}{
		{whereabouts{}, "is anywhere: there is no geoip"},
		{whereabouts{Database: true, Merged: true}, "is where geoip has it; explain --config tells where that is"},
		{whereabouts{Database: true}, "is in no network of geoip"},
		{whereabouts{Database: true, Network: network, Country: "BR", Location: &[2]float64{-23.55, -46.64}, Centre: true},
			"is in 192.0.2.0/24, BR, at -23.55, -46.64 (the middle of the country)"},
	} {
		if got := c.where.place(); got != c.want {
			t.Errorf("%+v: %s, want %s", c.where, got, c.want)
		}
	}
}
