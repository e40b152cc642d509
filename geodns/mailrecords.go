package geodns

import (
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/miekg/dns"

	"posthouse/config"
)

// mailDomain is what the records of a mail domain are made from.
type mailDomain struct {
	name     string // fully qualified
	hosts    []*Host
	ttl      uint32
	tlsrpt   string   // where reports go; "" asks for none
	given    []dns.RR // the MX records that the file has in place of ours
	topology *config.Topology
}

// mailServices are announced by SRV records. The priority prefers IMAP to POP3 for clients that could use either
// (RFC 6186, 3.4); those of a family that is not served say so.
var mailServices = []struct {
	label, service string
	priority       uint16
	deny           bool // say "not here" where it is not served
}{
	{"_imaps._tcp", "imaps", 0, true},
	{"_imap._tcp", "imap", 0, true},
	{"_pop3s._tcp", "pop3s", 10, true},
	{"_pop3._tcp", "pop3", 10, true},
	{"_submissions._tcp", "submissions", 0, true}, // RFC 8314, 5.1
	{"_submission._tcp", "submission", 0, true},
	{"_sieve._tcp", "sieve", 0, false},     // RFC 5804, 1.8
	{"_jmap._tcp", "jmap", 0, false},       // RFC 8620, 2.2
	{"_caldavs._tcp", "webdav", 0, false},  // RFC 6764, 3
	{"_carddavs._tcp", "webdav", 0, false}, // RFC 6764, 3
}

// davPaths is where calendars and address books begin on a node (RFC 6764, 4).
var davPaths = []struct{ label, path string }{
	{"_caldavs._tcp", "/dav/cal"},
	{"_carddavs._tcp", "/dav/card"},
}

// records is every record of the domain that is not an address.
func (m *mailDomain) records() []dns.RR {
	all := m.exchangers()
	for _, s := range mailServices {
		h := m.serving(s.service)
		switch {
		case h != nil:
			all = append(all, m.srv(s.label, s.priority, 1, m.port(s.service), h.Name))
		case s.deny:
			all = append(all, m.srv(s.label, 0, 0, 0, ".")) // RFC 6186, 3.4
		}
	}
	if m.serving("webdav") != nil {
		for _, p := range davPaths {
			all = append(all, m.txt(p.label, "path="+p.path))
		}
	}
	if m.web() != nil {
		all = append(all, m.txt("_mta-sts", "v=STSv1; id="+m.policyID()))
	}
	if m.tlsrpt != "" {
		all = append(all, m.txt("_smtp._tls", "v=TLSRPTv1; rua="+m.tlsrpt)) // RFC 8460, 3
	}
	return all
}

// webNames are the names below the domain at which the host that lists http answers: clients are set up by what they
// find there, and senders find the policy of MTA-STS.
var webNames = []string{"autoconfig", "autodiscover", "mta-sts"}

// web is the host that the web names lead to; nil: there are none.
func (m *mailDomain) web() *Host { return m.serving("http") }

// serving is the first host in the order of the file that lists a service.
func (m *mailDomain) serving(service string) *Host {
	i := slices.IndexFunc(m.hosts, func(h *Host) bool { return slices.Contains(h.Services, service) })
	if i < 0 {
		return nil
	}
	return m.hosts[i]
}

// exchangers is where mail goes: the nearest region, and the one after it should that be gone before our answers say
// so.
func (m *mailDomain) exchangers() []dns.RR {
	h := m.serving("smtp")
	if h == nil {
		return nil
	}
	mx := []dns.RR{&dns.MX{Hdr: header(m.name, dns.TypeMX, m.ttl), Preference: 10, Mx: h.Name}}
	if h.Fallback != "" {
		mx = append(mx, &dns.MX{Hdr: header(m.name, dns.TypeMX, m.ttl), Preference: 20, Mx: h.Fallback})
	}
	return mx
}

func (m *mailDomain) srv(label string, priority, weight, port uint16, target string) dns.RR {
	return &dns.SRV{Hdr: header(label+"."+m.name, dns.TypeSRV, m.ttl), Priority: priority, Weight: weight, Port: port, Target: target}
}

func (m *mailDomain) txt(label, text string) dns.RR {
	return &dns.TXT{Hdr: header(label+"."+m.name, dns.TypeTXT, m.ttl), Txt: chunked(text)}
}

// chunked splits a text into the strings that a TXT record is made of (RFC 1035, 3.3.14).
func chunked(text string) []string {
	const longest = 255
	var all []string
	for len(text) > longest {
		all, text = append(all, text[:longest]), text[longest:]
	}
	return append(all, text)
}

// port is where clients reach a service: the first address that any region listens on, else where nodes serve it.
func (m *mailDomain) port(service string) uint16 {
	s := m.topology.Service(service)
	for _, r := range m.topology.Regions {
		if l := s.ListenIn(r.Name); len(l) > 0 {
			return l[0].Port()
		}
	}
	return s.Port
}

// policyID changes with the names that the policy has to list (RFC 8461, 3.1), and is the same on every server. The policy is served by
// nodes, who alone know its mode and age: where these change the file gives a record in place of this one.
func (m *mailDomain) policyID() string {
	exchangers := m.given
	if exchangers == nil {
		exchangers = m.exchangers()
	}
	sum := fnv.New64a()
	for _, rr := range exchangers {
		fmt.Fprintf(sum, "%s\n", dns.CanonicalName(rr.(*dns.MX).Mx))
	}
	return fmt.Sprintf("%016x", sum.Sum64())
}
