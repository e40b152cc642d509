package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// resolver is a running unbound that asks our name server for the zone.
type resolver struct{ port string }

// resolve starts an unbound. It checks signatures below an anchor unless that is nil, and passes client subnets on if it is to.
func resolve(t *testing.T, port string, anchor *dns.DS, subnets bool) resolver {
	t.Helper()
	modules, more := "iterator", ""
	if anchor != nil {
		modules = "validator " + modules
		more += fmt.Sprintf("  trust-anchor: \"%s DS %d %d %d %s\"\n", anchor.Hdr.Name, anchor.KeyTag, anchor.Algorithm, anchor.DigestType, anchor.Digest)
	}
	if subnets {
		modules = "subnetcache " + modules
		more += fmt.Sprintf("  send-client-subnet: %s\n", dnsServer)
	}
	dir := t.TempDir()
	text := fmt.Sprintf(`server:
  interface: %s@%s
  access-control: 127.0.0.0/8 allow
  do-daemonize: no
  username: ""
  chroot: ""
  directory: %q
  pidfile: ""
  use-syslog: no
  do-not-query-localhost: no
  module-config: %q
  use-caps-for-id: yes
  local-zone: "test." nodefault
%sremote-control:
  control-enable: no
stub-zone:
  name: %s
  stub-addr: %s@%s
`, dnsServer, port, dir, modules, more, dnsZone, dnsServer, dnsPort)
	file := filepath.Join(dir, "unbound.conf")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	unbound := exec.Command("unbound", "-d", "-c", file)
	var said strings.Builder
	unbound.Stdout, unbound.Stderr = &said, &said
	startWithTest(t, unbound)
	t.Cleanup(func() {
		unbound.Process.Kill()
		if unbound.Wait(); t.Failed() {
			t.Logf("unbound:\n%s", &said)
		}
	})
	eventually(t, 15*time.Second, "unbound to listen", func() error {
		c, err := net.Dial("tcp", net.JoinHostPort(dnsServer, port))
		if err == nil {
			c.Close()
		}
		return err
	})
	return resolver{port}
}

// ask is what kdig prints of an answer of the resolver.
func (r resolver) ask(args ...string) string {
	out, _ := exec.Command("kdig", append([]string{"@" + dnsServer, "-p", r.port, "+timeout=5", "+retry=0"}, args...)...).CombinedOutput()
	return string(out)
}

// wants asks each question and compares what kdig prints with a pattern.
func (r resolver) wants(t *testing.T, rows map[string]string) {
	t.Helper()
	for args, want := range rows {
		name, rest, _ := strings.Cut(args, " ")
		out := r.ask(append([]string{name + "." + dnsZone}, strings.Fields(rest)...)...)
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%s through unbound: want %s in\n%s", args, want, out)
		}
	}
}

// TestDNSResolver has a resolver in front, as clients do.
func TestDNSResolver(t *testing.T) {
	o := beginDNS(t)
	eu, us := playedNode(t), playedNode(t)
	serve(t, dnsTopology{eu: eu.Addr(), us: us.Addr()})
	resolve(t, "15354", nil, false).wants(t, map[string]string{
		"imap A": dnsEU, "imap AAAA": "status: NOERROR", "nothing A": "status: NXDOMAIN", "text TXT": `"static"`, "big TXT": "5{250}",
	})
	o.fact(t, "unbound, with capitals that it chooses, resolves through it")
}

// TestDNSValidatingResolver has a resolver in front that believes only what is signed by the key of our DS: what there is, and by
// RFC 9824 what there is not. What signs with another key it does not believe. A resolver that does not know of NXNAME hears NOERROR
// for a name that does not exist, with the proof that there is nothing.
func TestDNSValidatingResolver(t *testing.T) {
	o := beginDNS(t)
	eu, us := playedNode(t), playedNode(t)
	y := dnsTopology{eu: eu.Addr(), us: us.Addr(), keys: keyDir(t)}
	anchor := dsOf(t, y)
	serve(t, y)
	const believed, denied = `status: NOERROR(?s:.*)Flags: qr rd ra ad;(?s:.*)`, `status: NOERROR(?s:.*)Flags: qr rd ra ad; QUERY: 1; ANSWER: 0;(?s:.*)IN\s+NSEC\s`
	rows := map[string]string{
		"imap A +dnssec":           believed + `\sA\s+` + dnsEU,
		"text TXT +dnssec":         believed + `"static"`,
		"big TXT +dnssec":          believed + `5{250}`,
		"one.many TXT +dnssec":     believed + `"wild"`,
		"one.two.many TXT +dnssec": believed + `"wild"`,
		"imap AAAA +dnssec":        denied,
		"one.many A +dnssec":       denied,
		"many TXT +dnssec":         denied,
		"nothing A +dnssec":        denied + `.*(NXNAME|TYPE128)`,
		"a.b.c MX +dnssec":         denied + `.*(NXNAME|TYPE128)`,
		"imap A +adflag":           believed + `\sA\s+` + dnsEU,
	}
	r := resolve(t, "15354", anchor, true)
	r.wants(t, rows)
	r.wants(t, rows) // from its cache now
	// Client subnets and signatures together, in turns, so that neither is answered with what the other was told.
	for range 2 {
		r.wants(t, map[string]string{
			"imap A +dnssec +subnet=" + toUS: believed + `\sA\s+` + dnsUS,
			"imap A +dnssec +subnet=" + toEU: believed + `\sA\s+` + dnsEU,
		})
	}

	other := dsOf(t, dnsTopology{eu: eu.Addr(), us: us.Addr(), keys: keyDir(t)})
	resolve(t, "15355", other, false).wants(t, map[string]string{
		"imap A +dnssec": "status: SERVFAIL", "text TXT": "status: SERVFAIL", "nothing A": "status: SERVFAIL", "imap A +cdflag": `status: NOERROR(?s:.*)\sA\s+` + dnsEU,
	})
	o.fact(t, "unbound validates %d answers and denials, with client subnets beside them, and refuses a zone that another key signs", len(rows))
}
