package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// twoRegions is a topology whose nodes are in two regions, each with clients of its own, and DNS at an address.
func (s *served) twoRegions(address, more string) string {
	text := strings.Replace(s.topology(2, more), "- {name: node-1, ", "- {name: node-1, region: eu, ", 1)
	text = strings.Replace(text, "- {name: node-2, ", "- {name: node-2, region: us, ", 1)
	return text + fmt.Sprintf(`region: eu
state_dir: %s
regions:
  eu: {addresses: [127.0.0.1], prefixes: [192.0.2.0/24]}
  us: {addresses: [127.0.0.2], prefixes: [198.51.100.0/24]}
dns:
  listen: [%q]
  zones:
    mail.example.org:
      nameservers: {ns1: [127.0.0.1]}
      hosts: {imap: [imap]}
`, filepath.Join(filepath.Dir(s.path), "state"), address)
}

// askDNS is the first record of an answer, without its name, for a client of a network; or what went wrong.
func askDNS(address, name string, kind uint16, subnet string) dns.RR {
	q := new(dns.Msg).SetQuestion(name, kind)
	if subnet != "" {
		q.SetEdns0(1232, false)
		ip := dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: parseIP(subnet)}
		q.IsEdns0().Option = []dns.EDNS0{&ip}
	}
	m, _, err := (&dns.Client{Timeout: 5 * time.Second}).Exchange(q, address)
	if err != nil || len(m.Answer) == 0 {
		return nil
	}
	return m.Answer[0]
}

func parseIP(text string) (ip []byte) {
	for part := range strings.SplitSeq(text, ".") {
		n, _ := strconv.Atoi(part)
		ip = append(ip, byte(n))
	}
	return ip
}

// leads says whether a client is sent to an address.
func leads(server, subnet, address string) bool {
	a, ok := askDNS(server, "imap.mail.example.org.", dns.TypeA, subnet).(*dns.A)
	return ok && a.A.String() == address
}

// TestServeNames sends clients to their regions, away from one that dies, and back.
func TestServeNames(t *testing.T) {
	s, server := newServed(t, 2), freePort(t)
	s.write(s.twoRegions(server, ""))
	s.start()
	poll(t, "to be ready", func() bool {
		r, err := http.Get("http://" + s.admin + "/readyz")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	if !leads(server, "192.0.2.0", "127.0.0.1") || !leads(server, "198.51.100.0", "127.0.0.2") {
		t.Error("clients are not sent to their own regions")
	}
	s.nodes[1].Kill()
	poll(t, "us to be avoided", func() bool { return leads(server, "198.51.100.0", "127.0.0.1") })
	if !leads(server, "192.0.2.0", "127.0.0.1") {
		t.Error("clients of the other region are moved as well")
	}
	if err := s.nodes[1].Start(); err != nil {
		t.Fatal(err)
	}
	poll(t, "us to be back", func() bool { return leads(server, "198.51.100.0", "127.0.0.2") })
}

// TestServeSerial has the serial grow with every load, also over a restart.
func TestServeSerial(t *testing.T) {
	s, server := newServed(t, 2), freePort(t)
	s.write(s.twoRegions(server, ""))
	s.start()
	serial := func() uint32 {
		soa, ok := askDNS(server, "mail.example.org.", dns.TypeSOA, "").(*dns.SOA)
		if !ok {
			return 0
		}
		return soa.Serial
	}
	var first uint32
	poll(t, "an answer", func() bool { first = serial(); return first != 0 })
	s.write(s.twoRegions(server, "max_shrink: 0.4\n"))
	poll(t, "a larger serial", func() bool { return serial() > first })
	second := serial()
	file := filepath.Join(filepath.Dir(s.path), "state", serialFile)
	poll(t, "the serial to be kept", func() bool {
		text, err := os.ReadFile(file)
		return err == nil && strings.TrimSpace(string(text)) == fmt.Sprint(second)
	})
	s.end()
	// The clock may have been set back meanwhile: what was kept counts.
	if err := os.WriteFile(file, []byte("4000000000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	poll(t, "the serial after the one that was kept", func() bool { return serial() == 4000000001 })
}

// TestServeMovesNames has the name server go to another address and away, with the file.
func TestServeMovesNames(t *testing.T) {
	s, first, second := newServed(t, 2), freePort(t), freePort(t)
	s.write(s.twoRegions(first, ""))
	s.start()
	poll(t, "an answer", func() bool { return leads(first, "192.0.2.0", "127.0.0.1") })
	s.write(s.twoRegions(second, ""))
	poll(t, "an answer at the other address", func() bool { return leads(second, "192.0.2.0", "127.0.0.1") })
	poll(t, "silence at the first", func() bool { return !leads(first, "192.0.2.0", "127.0.0.1") })
	text, _, _ := strings.Cut(s.twoRegions(second, ""), "dns:\n")
	s.write(text)
	poll(t, "silence", func() bool { return !leads(second, "192.0.2.0", "127.0.0.1") })
}

// TestServeRefusesATakenNameServer keeps what is in effect when the address of DNS cannot be bound.
func TestServeRefusesATakenNameServer(t *testing.T) {
	s, server := newServed(t, 2), freePort(t)
	s.write(s.twoRegions(server, ""))
	s.start()
	poll(t, "an answer", func() bool { return leads(server, "192.0.2.0", "127.0.0.1") })
	s.write(s.twoRegions(s.admin, ""))
	poll(t, "a refusal", func() bool { return strings.Contains(s.log.String(), "another name server listens there") })
	if !leads(server, "192.0.2.0", "127.0.0.1") {
		t.Error("the name server in effect is gone")
	}
}

// TestExplainNameLive has the balancer tell what it answers at the moment, through a drain and back, and without DNS.
func TestExplainNameLive(t *testing.T) {
	s, server := newServed(t, 2), freePort(t)
	s.write(s.twoRegions(server, ""))
	s.start()
	poll(t, "us to be its clients' region", func() bool { return leads(server, "198.51.100.0", "127.0.0.2") })
	ask := []string{"explain", "--live", "--client", "198.51.100.7", "--name", "imap.mail.example.org"}
	s.must(`(?s)order +by prefix 198\.51\.100\.0/24: us, eu\n.*region +us can serve imap - answered\n.*\bA 127\.0\.0\.2\n$`, ask...)

	s.must(`^node node-2: ended`, "drain", "node", "node-2", "--within", "50ms")
	poll(t, "us to be avoided", func() bool { return leads(server, "198.51.100.0", "127.0.0.1") })
	s.must(`(?s)region +us cannot serve imap: .*region +eu can serve imap - answered\n.*\bA 127\.0\.0\.1\n$`, ask...)
	s.must(`(?s)"rule": "prefix".*"region": "us",\s+"chosen": false`, append(ask, "--json")...)
	s.must(`^node node-2 is active\n$`, "resume", "node", "node-2")
	poll(t, "us to be back", func() bool { return leads(server, "198.51.100.0", "127.0.0.2") })
	s.must(`\bA 127\.0\.0\.2\n$`, ask...)

	s.must(`\bNS ns1\.mail\.example\.org\.\n$`, "explain", "--live", "--client", "198.51.100.7", "--name", "mail.example.org", "--type", "ns")
	if code, out, _ := s.ph("explain", "--live", "--client", "198.51.100.7", "--name", "none.mail.example.org"); code != exitNo || !strings.Contains(out, "NXDOMAIN") {
		t.Errorf("explain of a name that is not there = %d: %s", code, out)
	}
	if status, got := s.call("GET", "/api/v1/explain?client=192.0.2.1&name=imap.mail.example.org&type=B"); status != http.StatusBadRequest {
		t.Errorf("a type that does not exist = %d %v", status, got)
	}
	if code, _, errors := s.ph(append(ask, "--bulk", "-")...); code != exitNo || !strings.Contains(errors, "are for files") {
		t.Errorf("--live --bulk = %d: %s", code, errors)
	}

	text, _, _ := strings.Cut(s.twoRegions(server, ""), "dns:\n")
	s.write(text)
	poll(t, "DNS to be gone", func() bool {
		code, _, errors := s.ph(ask...)
		return code == exitNo && strings.Contains(errors, "no section dns")
	})
}

// TestServeCookies has a client's cookie outlive a restart: the answer brings it back as it was.
func TestServeCookies(t *testing.T) {
	s, server := newServed(t, 2), freePort(t)
	s.write(s.twoRegions(server, ""))
	s.start()
	const client = "0102030405060708"
	exchange := func(cookie string) (got string) {
		q := new(dns.Msg).SetQuestion("mail.example.org.", dns.TypeSOA)
		q.SetEdns0(1232, false)
		q.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: cookie}}
		m, _, err := (&dns.Client{Timeout: 5 * time.Second}).Exchange(q, server)
		if err != nil || m.IsEdns0() == nil {
			return ""
		}
		for _, o := range m.IsEdns0().Option {
			if o, ok := o.(*dns.EDNS0_COOKIE); ok {
				got = o.Cookie
			}
		}
		return got
	}
	var cookie, again string
	poll(t, "a cookie", func() bool { cookie = exchange(client); return len(cookie) == 48 })
	s.end()
	file := filepath.Join(filepath.Dir(s.path), "state", string(cookieFile))
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v; want mode 0600", file, info, err)
	}
	s.start()
	poll(t, "an answer after the restart", func() bool { again = exchange(cookie); return again != "" })
	if again != cookie {
		t.Errorf("the cookie %s is %s after a restart", cookie, again)
	}
}
