package geodns

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"posthouse/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// serverAt runs a server with the test zone on addresses until the test ends.
func serverAt(t testing.TB, addresses ...string) *Server {
	t.Helper()
	s := &Server{Log: slog.New(slog.DiscardHandler)}
	d := newData(t, testTopology)
	d.Zones.topology.DNS.RateLimit = 0
	s.Use(d)
	change, err := s.Prepare(listening(addresses...))
	if err != nil {
		t.Fatal(err)
	}
	change.Commit()
	running(t, s)
	return s
}

// running runs a server until the test ends.
func running(t testing.TB, s *Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// listening is a topology with these addresses of DNS.
func listening(addresses ...string) *config.Topology {
	t := &config.Topology{DNS: &config.DNS{}}
	for _, a := range addresses {
		if port, every := strings.CutPrefix(a, ":"); every {
			t.DNS.Listen = append(t.DNS.Listen, netip.AddrPortFrom(netip.Addr{}, netip.MustParseAddrPort("0.0.0.0:"+port).Port()))
			continue
		}
		t.DNS.Listen = append(t.DNS.Listen, netip.MustParseAddrPort(a))
	}
	return t
}

// lastPort is what freePort gave last: the kernel gives ports from 32768 on to those who ask for any, so that one below stays free
// until it is bound. Where it begins is left to chance for the sake of other processes that test the same.
var lastPort atomic.Int32

func init() { lastPort.Store(10000 + rand.Int32N(20000)) }

// freePort is a port that is free for UDP and TCP on every address of the machine, another one each time.
func freePort(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := strconv.Itoa(int(lastPort.Add(1)))
		l, err := net.Listen("tcp", ":"+port)
		if err != nil {
			continue
		}
		u, err := net.ListenPacket("udp", ":"+port)
		l.Close()
		if err == nil {
			u.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return ""
}

// has6 says whether the machine speaks IPv6.
func has6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err == nil {
		l.Close()
	}
	return err == nil
}

// exchange asks a server for the addresses of imap and returns how many came.
func exchange(network, address string) (int, error) {
	client := &dns.Client{Net: network, Timeout: patience}
	m, _, err := client.Exchange(new(dns.Msg).SetQuestion("imap.mail.example.org.", dns.TypeA), address)
	if err != nil {
		return 0, err
	}
	return len(m.Answer), nil
}

func TestServerAnswers(t *testing.T) {
	port := freePort(t)
	for _, row := range []struct {
		listen string
		ask    []string
	}{
		{"127.0.0.1:" + port, []string{"127.0.0.1:" + port}},
		{"[::1]:" + port, []string{"[::1]:" + port}},
		{"0.0.0.0:" + port, []string{"127.0.0.1:" + port, "127.0.0.9:" + port}},
		{":" + port, []string{"127.0.0.1:" + port, "127.0.0.9:" + port, "[::1]:" + port}},
		{"[::]:" + port, []string{"127.0.0.9:" + port, "[::1]:" + port}},
	} {
		t.Run(row.listen, func(t *testing.T) {
			if !has6() && !strings.Contains(row.listen, ".") {
				t.Skip("no IPv6 here")
			}
			serverAt(t, row.listen)
			for _, address := range row.ask {
				for _, network := range []string{"udp", "tcp"} {
					// The client's socket is connected: it takes an answer from the address that it asked, and from no other.
					if n, err := exchange(network, address); n != 2 || err != nil {
						t.Errorf("%s %s: %d addresses, %v", network, address, n, err)
					}
				}
			}
		})
	}
}

// TestServerKeepsOthersAway has a second server on the same address, on a wildcard over it, and one behind another's back.
func TestServerKeepsOthersAway(t *testing.T) {
	port := freePort(t)
	serverAt(t, "127.0.0.1:"+port)
	for _, address := range []string{"127.0.0.1:" + port, "0.0.0.0:" + port} {
		second := &Server{Log: slog.New(slog.DiscardHandler)}
		_, err := second.Prepare(listening(address))
		if err == nil || !strings.Contains(err.Error(), "another name server listens there") {
			t.Errorf("a second server on %s: %v", address, err)
		}
	}
	other, err := net.ListenPacket("udp", "127.0.0.1:0") // speaks UDP only
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	third := &Server{Log: slog.New(slog.DiscardHandler)}
	if _, err := third.Prepare(listening(other.LocalAddr().String())); err == nil {
		t.Error("a server beside a socket of another's")
	}
}

// TestServerReloads moves a server from one address to another while clients ask a third one that stays: none of them waits for an answer
// that does not come.
func TestServerReloads(t *testing.T) {
	stays, first, second := "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t)
	s := serverAt(t, stays, first)
	stop := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if n, err := exchange("udp", stays); n != 2 || err != nil {
				t.Errorf("%d addresses, %v", n, err)
				return
			}
		}
	})
	d := s.Data()
	for range 20 {
		first, second = second, first
		change, err := s.Prepare(listening(stays, first))
		if err != nil {
			t.Fatal(err)
		}
		s.Use(&Data{Zones: d.Zones, Places: d.Places})
		change.Commit()
		if n, err := exchange("udp", first); n != 2 || err != nil {
			t.Errorf("the new address: %d addresses, %v", n, err)
		}
	}
	close(stop)
	asking.Wait()
	if _, err := net.DialTimeout("tcp", second, patience); err == nil {
		t.Error("the old address still listens")
	}
}

func TestServerRefusesWhatItCannotBind(t *testing.T) {
	s := serverAt(t, "127.0.0.1:"+freePort(t))
	fine := "127.0.0.1:" + freePort(t)
	if _, err := s.Prepare(listening(fine, "198.51.100.1:5353")); err == nil || !strings.Contains(err.Error(), "no interface has this address") {
		t.Errorf("an address of nobody: %v", err)
	}
	change, err := s.Prepare(listening(fine)) // nothing of the refused change holds it
	if err != nil {
		t.Fatal(err)
	}
	change.Abort()
	l, err := net.Listen("tcp", fine)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

// TestServerWaitsForData has a client that asks before there is anything to answer with.
func TestServerWaitsForData(t *testing.T) {
	s, address := &Server{Log: slog.New(slog.DiscardHandler)}, "127.0.0.1:"+freePort(t)
	change, err := s.Prepare(listening(address))
	if err != nil {
		t.Fatal(err)
	}
	change.Commit()
	running(t, s)
	conn, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.Write(asks{name: "imap.mail.example.org.", kind: dns.TypeA}.pack(t))
	s.Use(newData(t, testTopology))
	conn.SetDeadline(time.Now().Add(patience))
	if n, err := conn.Read(make([]byte, 512)); err != nil || n < headerSize {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestServerEndsWithQuestions closes an address where questions wait for the first data: there is nothing to answer them with.
func TestServerEndsWithQuestions(t *testing.T) {
	s, address := &Server{Log: slog.New(slog.DiscardHandler)}, "127.0.0.1:"+freePort(t)
	change, err := s.Prepare(listening(address))
	if err != nil {
		t.Fatal(err)
	}
	change.Commit()
	question := asks{name: "imap.mail.example.org.", kind: dns.TypeA}.pack(t)
	for range 10 * Workers() { // the kernel chooses the socket by the client's port
		udp, err := net.Dial("udp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer udp.Close()
		udp.Write(question)
	}
	tcp, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	tcp.Write(append([]byte{0, byte(len(question))}, question...))
	l := s.listeners[netip.MustParseAddrPort(address)]
	close(l.ended) // as close begins, and the threads are faster than the rest of it
	l.running.Wait()
	s.running.Wait()
	s.tcp.unserve(l.tcp)
}

// TestServerEndsWithoutData ends a server that never had any.
func TestServerEndsWithoutData(t *testing.T) {
	s := &Server{Log: slog.New(slog.DiscardHandler)}
	change, err := s.Prepare(listening("127.0.0.1:" + freePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	change.Commit()
	running(t, s)
}
