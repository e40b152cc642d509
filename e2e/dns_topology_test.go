package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Where the name server of the tests is, and what it answers with: one address for each region.
const (
	dnsServer = "127.0.2.1"
	dnsPort   = "15353"
	dnsZone   = "mail.example.test"
	dnsEU     = "127.0.2.1"
	dnsUS     = "127.0.2.2"
	toEU      = "192.0.2.0/24" // clients by region
	toUS      = "198.51.100.0/24"
)

// dnsTopology is two regions, a node each that the test itself plays, and DNS for both.
type dnsTopology struct {
	eu, us net.Addr // the nodes
	more   string
	keys   string // directory; "" is unsigned
	limit  string // of equal answers; "" is none
}

// How nodes are probed: those of the own region every dnsInterval, others every dnsRemote.
const (
	dnsInterval = time.Second
	dnsRemote   = 2 * time.Second
	dnsTimeout  = 500 * time.Millisecond
	dnsFall     = 2
)

func (y dnsTopology) String() string {
	signed := ""
	if y.keys != "" {
		signed = fmt.Sprintf("  dnssec: {keys: %s}\n", y.keys)
	}
	limit := "none"
	if y.limit != "" {
		limit = y.limit
	}
	port := func(a net.Addr) int { return a.(*net.TCPAddr).Port }
	return fmt.Sprintf(`cluster: %s
region: eu
admin: {listen: %q}
max_shrink: 1
regions:
  eu: {addresses: [%s], prefixes: [%s]}
  us: {addresses: [%s], prefixes: [%s]}
nodes:
  - {name: eu-1, address: 127.0.0.1, region: eu, services: [imap], ports: {imap: %d}}
  - {name: us-1, address: 127.0.0.1, region: us, services: [imap], ports: {imap: %d}}
services:
  imap: {listen: ["%s:1143"], proxy_protocol: none, check: {interval: %s, remote_interval: %s, timeout: %s, fall: %d, rise: 2}}
dns:
  listen: ["%s:%s"]
  rate_limit: %s
%s  zones:
    %s:
      nameservers: {ns1: [%s]}
      ttl: 60
      hosts: {imap: [imap]}
      records: |
        text IN TXT "static"
        *.many IN TXT "wild"
        big IN TXT "%s" "%s" "%s" "%s" "%s"
%s`, dnsZone, admin, dnsEU, toEU, dnsUS, toUS, port(y.eu), port(y.us), front, dnsInterval, dnsRemote, dnsTimeout, dnsFall,
		dnsServer, dnsPort, limit, signed, dnsZone, dnsServer,
		strings.Repeat("1", 250), strings.Repeat("2", 250), strings.Repeat("3", 250), strings.Repeat("4", 250), strings.Repeat("5", 250), y.more)
}

func (y dnsTopology) write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(y.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// played is a node that greets and knows no more than probes of level protocol look at.
type played struct {
	net.Listener
	silent atomic.Bool // it accepts and says nothing
}

func playedNode(t *testing.T) *played {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &played{Listener: l}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go converse(c, p.silent.Load())
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	return p
}

// converse is an IMAP server that knows the commands of a probe, or a frozen one.
func converse(c net.Conn, silent bool) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if !silent {
		fmt.Fprint(c, "* OK [CAPABILITY IMAP4rev1] ready\r\n")
	}
	buffer := make([]byte, 512)
	for {
		n, err := c.Read(buffer)
		if err != nil {
			return
		}
		for line := range strings.Lines(string(buffer[:n])) {
			tag, command, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch strings.ToUpper(command) {
			case "CAPABILITY":
				fmt.Fprint(c, "* CAPABILITY IMAP4rev1\r\n")
			case "LOGOUT":
				fmt.Fprint(c, "* BYE\r\n")
			}
			fmt.Fprintf(c, "%s OK\r\n", tag)
		}
	}
}

// keyDir is a directory with a key for the zone.
func keyDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// dsOf makes a key for a topology's zone and returns what the zone above would have of it, as posthouse prints it.
func dsOf(t *testing.T, y dnsTopology) *dns.DS {
	t.Helper()
	file := filepath.Join(t.TempDir(), "topology.yaml")
	y.write(t, file)
	for _, command := range []string{"keygen", "ds"} {
		out, err := exec.Command(binary, "dns", command, "--config", file).Output()
		if err != nil {
			t.Fatalf("dns %s: %v", command, err)
		}
		if command == "keygen" {
			continue
		}
		rr, err := dns.NewRR(string(out))
		if ds, ok := rr.(*dns.DS); ok {
			return ds
		}
		t.Fatalf("dns ds printed %q: %v", out, err)
	}
	return nil
}
