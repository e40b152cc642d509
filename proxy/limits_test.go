package proxy

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/config"
)

// take begins a session and says whether it could.
func take(l *limiter, a string) (ticket, bool) { return l.begin(netip.MustParseAddr(a), time.Now()) }

func takes(t *testing.T, l *limiter, a string, want bool) ticket {
	t.Helper()
	got, ok := take(l, a)
	if ok != want {
		t.Errorf("begin(%s) = %v, want %v", a, ok, want)
	}
	return got
}

func TestSessionsLimit(t *testing.T) {
	l := new(limiter)
	l.set(config.Limits{Sessions: 2})
	first := takes(t, l, "192.0.2.1", true)
	takes(t, l, "192.0.2.2", true)
	takes(t, l, "192.0.2.3", false)
	first.end()
	takes(t, l, "192.0.2.3", true)
}

func TestClientSessionsLimit(t *testing.T) {
	l := new(limiter)
	l.set(config.Limits{ClientSessions: 1})
	four := takes(t, l, "192.0.2.1", true)
	takes(t, l, "192.0.2.1", false)
	takes(t, l, "192.0.2.2", true)
	six := takes(t, l, "2001:db8::1", true)
	takes(t, l, "2001:db8::ffff:1", false) // the same /64
	takes(t, l, "2001:db8:0:1::1", true)
	four.end()
	six.end()
	takes(t, l, "192.0.2.1", true)
	takes(t, l, "2001:db8::2", true)
}

func TestClientRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(limiter)
		l.set(config.Limits{ClientRate: config.Rate{Events: 3, Per: time.Second}})
		for range 3 {
			takes(t, l, "192.0.2.1", true).end()
		}
		takes(t, l, "192.0.2.1", false)
		takes(t, l, "192.0.2.2", true).end()
		time.Sleep(400 * time.Millisecond)
		takes(t, l, "192.0.2.1", true).end()
		takes(t, l, "192.0.2.1", false)
		time.Sleep(time.Hour)
		for range 3 { // never more than the bucket holds
			takes(t, l, "192.0.2.1", true).end()
		}
		takes(t, l, "192.0.2.1", false)
	})
}

// A reload may bring a limit, change it and take it away while sessions live; counts stay right.
func TestLimitsChange(t *testing.T) {
	l := new(limiter)
	before := takes(t, l, "192.0.2.1", true) // counted by no client's limit
	l.set(config.Limits{ClientSessions: 1})
	during := takes(t, l, "192.0.2.1", true)
	before.end()
	takes(t, l, "192.0.2.1", false)
	l.set(config.Limits{ClientRate: config.Rate{Events: 1, Per: time.Hour}})
	takes(t, l, "192.0.2.1", true).end()
	takes(t, l, "192.0.2.1", false)
	l.set(config.Limits{})
	during.end()
	if l.sessions != 0 || len(l.clients.all) != 0 {
		t.Errorf("%d sessions and %d clients are left", l.sessions, len(l.clients.all))
	}
}

// However many clients come, the table has a bound; and those that are as good as new are forgotten.
func TestClientTableIsBounded(t *testing.T) {
	l := new(limiter)
	l.set(config.Limits{ClientRate: config.Rate{Events: 1, Per: time.Hour}})
	now := time.Now()
	for i := range maxClients + 10_000 {
		ticket, ok := l.begin(numbered(i), now)
		if !ok {
			t.Fatalf("client %d is refused", i)
		}
		ticket.end()
	}
	if n := len(l.clients.all); n > maxClients {
		t.Errorf("%d clients in the table, bound %d", n, maxClients)
	}
	later := now.Add(2 * time.Hour)
	for i := range 200_000 {
		ticket, _ := l.begin(numbered(maxClients*2+i), later.Add(time.Duration(i)*time.Hour))
		ticket.end()
	}
	if n := len(l.clients.all); n > 100 || n != len(l.clients.index) {
		t.Errorf("%d clients are still remembered", n)
	}
}

func numbered(i int) netip.Addr {
	var b [16]byte
	b[0] = 0x20
	binary.BigEndian.PutUint32(b[4:], uint32(i))
	return netip.AddrFrom16(b)
}

func TestLimiterIsSafe(t *testing.T) {
	l := new(limiter)
	l.set(config.Limits{Sessions: 50, ClientSessions: 5})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 500 {
				if ticket, ok := l.begin(numbered(i%3), time.Now()); ok {
					ticket.end()
				}
			}
		})
	}
	group.Wait()
	if l.sessions != 0 || len(l.clients.all) != 0 {
		t.Errorf("%d sessions and %d clients are left", l.sessions, len(l.clients.all))
	}
}

func TestOverLimit(t *testing.T) {
	rows := []struct {
		protocol config.Protocol
		words    string
	}{
		{config.SMTP, "421 4.7.0 mail.example.org too many connections, try again later\r\n"},
		{config.IMAP, "* BYE [LIMIT] too many connections, try again later\r\n"},
		{config.POP3, "-ERR [SYS/TEMP] too many connections, try again later\r\n"},
		{config.Sieve, "BYE (TRYLATER) \"too many connections, try again later\"\r\n"},
		{config.TCP, ""},
	}
	for _, row := range rows {
		t.Run(string(row.protocol), func(t *testing.T) {
			r := newRig(t, func(s *config.Service) {
				s.Protocol = row.protocol
				s.Limits.ClientSessions = 1
			}, newNode(t, says("220 + OK\r\n")))
			first := r.connect()
			eventually(t, "the first session is there", func() bool { return r.server.Sessions() == 1 })
			second := r.connect()
			second.hear(row.words)
			second.hearEnd()
			second.Close()
			eventually(t, "the log says so", func() bool {
				for _, line := range r.log.sessions() {
					if line["end"] == "limit" {
						return true
					}
				}
				return false
			})
			first.Close()
		})
	}
}

func TestAllowAndDeny(t *testing.T) {
	rows := []struct {
		allow, deny, from string
		in                bool
	}{
		{"", "", "127.0.0.1", true},
		{"127.0.0.0/30", "", "127.0.0.2", true},
		{"127.0.0.0/30", "", "127.0.0.5", false},
		{"", "127.0.0.5/32", "127.0.0.5", false},
		{"", "127.0.0.5/32", "127.0.0.6", true},
		{"127.0.0.0/8", "127.0.0.5/32", "127.0.0.5", false},
		{"2001:db8::/32", "", "127.0.0.1", false},
	}
	for _, row := range rows {
		r := newRig(t, func(s *config.Service) {
			if row.allow != "" {
				s.Allow = []netip.Prefix{netip.MustParsePrefix(row.allow)}
			}
			if row.deny != "" {
				s.Deny = []netip.Prefix{netip.MustParsePrefix(row.deny)}
			}
		}, newNode(t, echo))
		c := r.connectFrom(row.from)
		if row.in {
			c.hear(greeting)
			continue
		}
		c.hear("* BYE [LIMIT] connection not accepted, try again later\r\n")
		c.hearEnd()
		r.expectEnd("denied")
	}
}

func TestPrefixes(t *testing.T) {
	set := newPrefixes([]netip.Prefix{
		netip.MustParsePrefix("10.1.2.3/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("::/127"),
	})
	for a, want := range map[string]bool{
		"10.255.0.1": true, "11.0.0.1": false, "192.0.2.7": true, "192.0.2.8": false, "2001:db8::1": true, "2001:db9::1": false, "::1": true, "0.0.0.1": false,
	} {
		if got := set.contains(netip.MustParseAddr(a)); got != want {
			t.Errorf("contains(%s) = %v", a, got)
		}
	}
	if all := newPrefixes([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}); !all.contains(netip.MustParseAddr("192.0.2.1")) || all.contains(netip.MustParseAddr("::1")) {
		t.Error("0.0.0.0/0 is every IPv4 address and nothing else")
	}
}

func BenchmarkLimiter(b *testing.B) {
	b.ReportAllocs()
	l := new(limiter)
	l.set(config.Limits{Sessions: 1000, ClientSessions: 10, ClientRate: config.Rate{Events: 1 << 20, Per: time.Second}})
	now := time.Now()
	for i := 0; b.Loop(); i++ {
		ticket, _ := l.begin(numbered(i), now.Add(time.Duration(i)*time.Microsecond))
		ticket.end()
	}
}
