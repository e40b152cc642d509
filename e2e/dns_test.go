package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// beginDNS opens the tests of the name server.
func beginDNS(t *testing.T) *outcome {
	t.Helper()
	o := begin(t)
	if noDNS != "" {
		t.Skip(noDNS)
	}
	return o
}

// kdig asks the name server, and returns what kdig prints.
func kdig(args ...string) (string, error) {
	all := append([]string{"@" + dnsServer, "-p", dnsPort, "+timeout=2", "+retry=0"}, args...)
	out, err := exec.Command("kdig", all...).CombinedOutput()
	return string(out), err
}

// addresses are those that a client of a network is answered with, "" for what goes wrong.
func addresses(subnet string) string {
	out, err := kdig("+short", "+subnet="+subnet, "imap."+dnsZone, "A")
	if err != nil || strings.Contains(out, ";;") {
		return ""
	}
	return strings.TrimSpace(out)
}

// TestDNSClients asks as resolvers and people do.
func TestDNSClients(t *testing.T) {
	o := beginDNS(t)
	eu, us := playedNode(t), playedNode(t)
	serve(t, dnsTopology{eu: eu.Addr(), us: us.Addr(), limit: "200/s"})
	imap := "imap." + dnsZone
	asked := 0
	for _, row := range []struct{ args, want string }{
		{imap + " A", `status: NOERROR(?s:.*)Flags: qr aa rd(?s:.*)IN\s+A\s+` + dnsEU},
		{imap + " A +subnet=" + toEU, `CLIENT-SUBNET: 192.0.2.0/24/\d+(?s:.*)IN\s+A\s+` + dnsEU},
		{imap + " A +subnet=" + toUS, `CLIENT-SUBNET: 198.51.100.0/24/24(?s:.*)IN\s+A\s+` + dnsUS},
		{imap + " A +subnet=0.0.0.0/0", `CLIENT-SUBNET: 0.0.0.0/0/0(?s:.*)IN\s+A\s+` + dnsEU},
		{imap + " A +tcp +subnet=" + toUS, `IN\s+A\s+` + dnsUS + `(?s:.*)\(TCP\)`},
		{imap + " AAAA", `status: NOERROR(?s:.*)AUTHORITY SECTION(?s:.*)SOA`},
		{"nothing." + dnsZone + " A", `status: NXDOMAIN(?s:.*)SOA`},
		{imap + " ANY", `HINFO\s+"RFC8482"`},
		{imap + " A +nsid", `NSID: .*"eu `},
		{imap + " A +cookie", `COOKIE: [0-9A-F]{48}`},
		{imap + " A +cookie +badcookie", `COOKIE: [0-9A-F]{48}`},
		{imap + " A +edns=1", `status: BADVERS`},
		{imap + " A +ednsopt=65001:0102", `status: NOERROR`},
		{"example.net A", `status: REFUSED`},
		{"version.bind TXT -c CH", `status: REFUSED`},
		{dnsZone + " AXFR", `REFUSED|NOTIMP|failed`},
		{"big." + dnsZone + " TXT +ignore", `Flags: qr aa tc`},
		{"big." + dnsZone + " TXT", `"5{250}"(?s:.*)\(TCP\)`}, // kdig comes back over TCP by itself
		{"text." + dnsZone + " TXT", `"static"`},
		{dnsZone + " NS", `IN\s+NS\s+ns1`},
		{dnsZone + " SOA", `IN\s+SOA\s+ns1`},
	} {
		out, err := kdig(strings.Fields(row.args)...)
		if !regexp.MustCompile(row.want).MatchString(out) {
			t.Errorf("kdig %s: %v, want %s in\n%s", row.args, err, row.want, out)
		}
		asked++
	}
	o.fact(t, "%d questions of kdig", asked)
}

// TestDNSFollowsHealth has an answer change in time after the death of a region's node: of the own region's by its interval, of
// another's by the longer one of those. A node that falls silent costs a probe's whole timeout.
func TestDNSFollowsHealth(t *testing.T) {
	for _, row := range []struct {
		what     string
		own      bool // the balancer's region
		silent   bool // the node accepts and says nothing, else it refuses
		interval time.Duration
	}{
		{"own region's death", true, false, dnsInterval},
		{"another region's death", false, false, dnsRemote},
		{"another region's silence", false, true, dnsRemote},
	} {
		t.Run(row.what, func(t *testing.T) {
			o := beginDNS(t)
			eu, us := playedNode(t), playedNode(t)
			p := serve(t, dnsTopology{eu: eu.Addr(), us: us.Addr()})
			eventually(t, 10*time.Second, "both up", func() error { return p.are("up", []string{"eu-1", "us-1"}, []string{"imap"}) })
			if addresses(toEU) != dnsEU || addresses(toUS) != dnsUS {
				t.Fatalf("eu is sent to %q, us to %q", addresses(toEU), addresses(toUS))
			}
			node, clients, other, refuge := us, toUS, toEU, dnsEU
			if row.own {
				node, clients, other, refuge = eu, toEU, toUS, dnsUS
			}
			node.silent.Store(row.silent)
			if !row.silent {
				node.Close()
			}
			began := time.Now()
			eventually(t, 30*time.Second, "the region to be avoided", func() error {
				if got := addresses(clients); got != refuge {
					return fmt.Errorf("its clients are sent to %q", got)
				}
				return nil
			})
			took, most := time.Since(began), dnsFall*row.interval+dnsTimeout+time.Second
			if took > most {
				t.Errorf("the answer changed after %v, which is more than %v", took, most)
			}
			if got := addresses(other); got != refuge {
				t.Errorf("clients of the region that is left are sent to %q", got)
			}
			o.fact(t, "the answer changed %.1f s after it (%v at most)", took.Seconds(), most)
		})
	}
}

// TestDNSSigned has delv check every signature, of what there is and of what there is not.
func TestDNSSigned(t *testing.T) {
	o := beginDNS(t)
	eu, us := playedNode(t), playedNode(t)
	y := dnsTopology{eu: eu.Addr(), us: us.Addr(), keys: keyDir(t)}
	ds := dsOf(t, y)
	anchors := filepath.Join(t.TempDir(), "anchors")
	text := fmt.Sprintf("trust-anchors { %s. static-ds %d %d %d %q; };\n", dnsZone, ds.KeyTag, ds.Algorithm, ds.DigestType, ds.Digest)
	if err := os.WriteFile(anchors, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	serve(t, y)
	const yes, no = "; fully validated", "; negative response, fully validated"
	for question, want := range map[string]string{
		"imap A": yes, "IMAP A": yes, "text TXT": yes, "big TXT": yes, "imap AAAA": no, "nothing A": no, "a.b.c A": no, "imap MX": no,
	} {
		name, kind, _ := strings.Cut(question, " ")
		out, err := exec.Command("delv", "-a", anchors, "+root="+dnsZone, "-p", dnsPort, "@"+dnsServer, name+"."+dnsZone, kind).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("delv %s: %v, want %q in\n%s", question, err, want, out)
		}
	}
	o.fact(t, "delv validates answers and denials")
}

// TestDNSReloads has dnsperf ask while the topology is written anew every second: no query is lost.
func TestDNSReloads(t *testing.T) {
	o := beginDNS(t)
	eu, us := playedNode(t), playedNode(t)
	y := dnsTopology{eu: eu.Addr(), us: us.Addr()}
	p := serve(t, y)
	last := 10 * time.Second
	if s, err := strconv.Atoi(os.Getenv("E2E_DNS_SECONDS")); err == nil {
		last = time.Duration(s) * time.Second
	}
	questions := filepath.Join(t.TempDir(), "questions")
	if err := os.WriteFile(questions, []byte(fmt.Sprintf("imap.%[1]s A\nnothing.%[1]s A\ntext.%[1]s TXT\nimap.%[1]s HTTPS\n", dnsZone)), 0o644); err != nil {
		t.Fatal(err)
	}
	perf := exec.Command("dnsperf", "-s", dnsServer, "-p", dnsPort, "-d", questions, "-l", fmt.Sprint(int(last.Seconds())), "-Q", "5000", "-q", "200", "-t", "3")
	var out strings.Builder
	perf.Stdout, perf.Stderr = &out, &out
	if err := perf.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- perf.Wait() }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	written := 0
	for running := true; running; {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("dnsperf: %v\n%s", err, &out)
			}
			running = false
		case <-tick.C:
			written++
			y.more = fmt.Sprintf("        new%d IN A 192.0.2.1\n", written)
			y.write(t, p.path)
		}
	}
	sent, lost := perfFigure(t, out.String(), "Queries sent"), perfFigure(t, out.String(), "Queries lost")
	reloads, err := p.metric(`posthouse_reloads_total{result="applied"}`)
	if err != nil || int(reloads) < written-2 {
		t.Errorf("%v reloads applied of %d, %v", reloads, written, err)
	}
	if lost != 0 || sent == 0 {
		t.Errorf("%d of %d queries lost\n%s", lost, sent, &out)
	}
	o.fact(t, "%d queries while the topology was reloaded %d times: none lost", sent, int(reloads))
}

// perfFigure is a number of dnsperf's report.
func perfFigure(t *testing.T, report, name string) int {
	t.Helper()
	m := regexp.MustCompile(name + `:\s+(\d+)`).FindStringSubmatch(report)
	if m == nil {
		t.Fatalf("dnsperf does not say %q:\n%s", name, report)
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// TestDNSTwice refuses a second process on the same address, which SO_REUSEPORT alone would let in.
func TestDNSTwice(t *testing.T) {
	beginDNS(t)
	eu, us := playedNode(t), playedNode(t)
	y := dnsTopology{eu: eu.Addr(), us: us.Addr()}
	serve(t, y)
	file := filepath.Join(t.TempDir(), "topology.yaml")
	text := strings.Replace(y.String(), admin, net.JoinHostPort(front, "9071"), 1)
	text = strings.Replace(text, front+":1143", front+":1144", 1)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	second := exec.Command(binary, "serve", "--config", file)
	out, err := second.CombinedOutput()
	if exitCode(err) != 1 || !strings.Contains(string(out), "another name server listens there") {
		t.Errorf("a second process: %v\n%s", err, out)
	}
}
