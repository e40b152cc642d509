package geodns

import (
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// stream is bytes that are sent in pieces over one connection.
type stream struct {
	bytes []byte
	cuts  func(left int) int // how many of those that are left go next
}

// send returns all messages that come back. An end that is not polite is one too: a server may close with bytes unread that are no question.
func (s stream) send(t testing.TB, address string) [][]byte {
	c := dialTCP(t, address)
	defer c.Close()
	var sending sync.WaitGroup
	sending.Go(func() {
		for left := s.bytes; len(left) > 0; {
			n := s.cuts(len(left))
			if _, err := c.Write(left[:n]); err != nil {
				break
			}
			left = left[n:]
		}
		c.(*net.TCPConn).CloseWrite()
	})
	back, err := io.ReadAll(c)
	if timeout, is := err.(net.Error); is && timeout.Timeout() {
		t.Errorf("no end after %d bytes", len(back))
	}
	sending.Wait()
	return messages(t, back)
}

// pure says what the answers to a stream are: those that must come, and those that may, because they are behind what is no question.
// Each answer is as of the seconds since began, for it may have a cookie of then.
func (s stream) pure(w *worker, began time.Time) (must, may [][]string) {
	sound := true
	for rest := s.bytes; ; {
		question, size, err := firstQuestion(rest)
		if size == 0 || err != nil {
			return must, may
		}
		rest = rest[size:]
		var answers []string
		for now := began.Unix(); now <= time.Now().Unix(); now++ {
			w.now = uint32(now)
			answers = append(answers, string(w.slow(question, netip.MustParseAddr("127.0.0.1"), false, nil)))
		}
		switch {
		case answers[0] == "":
			sound = false
		case sound:
			must = append(must, answers)
		default:
			may = append(may, answers)
		}
	}
}

// check compares what came back with the pure answers, byte for byte, in any order.
func (s stream) check(t testing.TB, server *Server, began time.Time, came [][]byte) {
	back := make(map[string]int)
	for _, m := range came {
		back[string(m)]++
	}
	w := server.newWorker(0)
	w.begin()
	must, may := s.pure(w, began)
	take := func(answers []string) bool {
		for _, a := range answers {
			if back[a] > 0 {
				back[a]--
				return true
			}
		}
		return false
	}
	for _, answers := range must {
		if !take(answers) {
			t.Errorf("%x has not come", answers[0])
		}
	}
	for _, answers := range may {
		take(answers)
	}
	for answer, n := range back {
		if n > 0 {
			t.Errorf("%x came %d times too often", answer, n)
		}
	}
}

// resolverQuestions are what resolvers ask over TCP, on both paths.
var resolverQuestions = []asks{
	{name: "imap.mail.example.org.", kind: dns.TypeA},
	{name: "IMAP.mail.example.org.", kind: dns.TypeAAAA, rd: true, edns: true, size: 1232},
	{name: "imap.mail.example.org.", kind: dns.TypeA, subnet: "100.96.1.0/24"},
	{name: "nothing.mail.example.org.", kind: dns.TypeMX, cookie: []byte("12345678")},
	{name: "x.wild.mail.example.org.", kind: dns.TypeTXT, edns: true},
	{name: "x.below.mail.example.org.", kind: dns.TypeA},
	{name: "mail.example.org.", kind: dns.TypeANY, edns: true},
	{name: "mail.example.org.", kind: dns.TypeAXFR},
	{name: "www.example.net.", kind: dns.TypeA, edns: true},
}

// TestTCPStreams sends streams of questions over several connections at once, cut anywhere; as many as POSTHOUSE_STREAMS says.
func TestTCPStreams(t *testing.T) {
	address, many := "127.0.0.1:"+freePort(t), 20
	if n, err := strconv.Atoi(os.Getenv("POSTHOUSE_STREAMS")); err == nil {
		many = n
	}
	server := serverAt(t, address)
	var connections sync.WaitGroup
	for i := range 8 {
		connections.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			for range many {
				s, began := randomStream(t, random), time.Now()
				s.check(t, server, began, s.send(t, address))
			}
		})
	}
	connections.Wait()
}

// randomStream is some hundred questions, in segments that are small, or large, or both.
func randomStream(t testing.TB, random *rand.Rand) stream {
	s := stream{}
	for id := range 1 + random.IntN(400) {
		a := resolverQuestions[random.IntN(len(resolverQuestions))]
		a.id = uint16(id)
		s.bytes = append(s.bytes, framed(a.pack(t))...)
	}
	most := []int{100, 1000, 30000}[random.IntN(3)]
	s.cuts = func(left int) int { return min(left, 1+random.IntN(most)) }
	return s
}
