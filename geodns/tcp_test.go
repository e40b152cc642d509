package geodns

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// dialTCP is a connection of DNS over TCP.
func dialTCP(t testing.TB, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// framed is a message as it goes over TCP.
func framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
}

// readFramed reads the next message.
func readFramed(t testing.TB, c net.Conn) []byte {
	t.Helper()
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		t.Fatal(err)
	}
	message := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, message); err != nil {
		t.Fatal(err)
	}
	return message
}

const slowName, fastName = "x.below.mail.example.org.", "imap.mail.example.org."

// questionsTo are questions in a row, by name and with the ids 0, 1, 2.
func questionsTo(t testing.TB, names ...string) (all []byte) {
	for id, name := range names {
		all = append(all, framed(asks{name: name, kind: dns.TypeA, id: uint16(id)}.pack(t))...)
	}
	return all
}

func TestTCPPipelines(t *testing.T) {
	address := "127.0.0.1:" + freePort(t)
	serverAt(t, address)
	c := dialTCP(t, address)
	const questions = 500
	var all []byte
	for id := range questions {
		name := "imap.mail.example.org."
		if id%7 == 0 {
			name = "x.below.mail.example.org." // the slow path
		}
		all = append(all, framed(asks{name: name, kind: dns.TypeA, id: uint16(id)}.pack(t))...)
	}
	go func() {
		c.Write(all[:101]) // in the middle of a question
		c.Write(all[101:])
	}()
	seen := make(map[uint16]bool)
	for range questions {
		m := readFramed(t, c)
		seen[binary.BigEndian.Uint16(m)] = true
	}
	if len(seen) != questions {
		t.Errorf("%d of %d questions answered", len(seen), questions)
	}
}

func TestTCPEndsWhatIsNoDNS(t *testing.T) {
	address := "127.0.0.1:" + freePort(t)
	serverAt(t, address)
	for name, bytes := range map[string][]byte{
		"a question that is too long": {0x80, 0},
		"a response":                  framed(append(make([]byte, 2), 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
		"nothing":                     {0, 0},
		"a request of HTTP":           []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		c := dialTCP(t, address)
		c.Write(bytes)
		if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
}

func TestTCPLimitsAClient(t *testing.T) {
	address := "127.0.0.1:" + freePort(t)
	serverAt(t, address)
	question := framed(asks{name: "imap.mail.example.org.", kind: dns.TypeA}.pack(t))
	var conns []net.Conn
	for range maxTCPClient {
		c := dialTCP(t, address)
		c.Write(question)
		readFramed(t, c)
		conns = append(conns, c)
	}
	over := dialTCP(t, address)
	over.Write(question)
	if n, err := over.Read(make([]byte, 1)); err == nil {
		t.Errorf("one more than allowed reads %d bytes", n)
	}
	conns[0].Close()
	for deadline := time.Now().Add(patience); ; {
		if n, err := exchange("tcp", address); err == nil && n == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody gets the place of one who has left")
		}
	}
}

// TestTCPEndsWithAnswers has the server end while answers are made: who has asked gets them, and then the end of the connection. Who has
// asked nothing is no reason to wait.
func TestTCPEndsWithAnswers(t *testing.T) {
	s, address := &Server{Log: slog.New(slog.DiscardHandler)}, "127.0.0.1:"+freePort(t)
	s.Use(newData(t, testTopology))
	change, err := s.Prepare(listening(address))
	if err != nil {
		t.Fatal(err)
	}
	change.Commit()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	idle, c := dialTCP(t, address), dialTCP(t, address)
	const questions = 100
	names := slices.Repeat([]string{fastName, slowName}, questions/2)
	for _, c := range []net.Conn{idle, c} {
		c.Write(questionsTo(t, names[0]))
		readFramed(t, c) // so both are in
	}
	c.Write(questionsTo(t, names...))
	readFramed(t, c)
	cancel()
	rest, err := io.ReadAll(c)
	if n := len(messages(t, rest)); n != questions-1 || err != nil {
		t.Errorf("%d answers of %d, %v", n, questions-1, err)
	}
	if n, err := idle.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the idle one reads %d bytes, %v", n, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// messages are what went over TCP, taken apart.
func messages(t testing.TB, b []byte) (all [][]byte) {
	t.Helper()
	for len(b) > 0 {
		if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b)) {
			t.Fatalf("part of a message: %x", b)
		}
		size := 2 + int(binary.BigEndian.Uint16(b))
		all, b = append(all, b[2:size]), b[size:]
	}
	return all
}

func TestTCPCounts(t *testing.T) {
	var counts tcpCounts
	for i := range maxTCP {
		client := netip.AddrFrom4([4]byte{10, 0, 0, byte(i / maxTCPClient)})
		if !counts.enter(client) {
			t.Fatalf("connection %d may not stay", i)
		}
		if i%maxTCPClient == maxTCPClient-1 && counts.enter(client) {
			t.Fatalf("connection %d of a client may stay", maxTCPClient+1)
		}
	}
	one, other := netip.MustParseAddr("10.0.0.0"), netip.MustParseAddr("10.1.0.0")
	if counts.enter(other) {
		t.Errorf("connection %d may stay", maxTCP+1)
	}
	for range maxTCPClient {
		counts.leave(one)
	}
	if !counts.enter(other) || counts.all != maxTCP-maxTCPClient+1 || len(counts.clients) != maxTCP/maxTCPClient {
		t.Errorf("after %d have left there are %d of %d clients", maxTCPClient, counts.all, len(counts.clients))
	}
}

func TestTCPClient(t *testing.T) {
	for _, row := range [][2]string{
		{"192.0.2.1", "192.0.2.1"}, {"2001:db8:1:2ff:3::4", "2001:db8:1:200::"}, {"fe80::1%lo", "fe80::"},
	} {
		if got := tcpClient(netip.MustParseAddr(row[0])); got.String() != row[1] {
			t.Errorf("tcpClient(%s) = %s, want %s", row[0], got, row[1])
		}
	}
}

func TestFirstQuestion(t *testing.T) {
	for _, row := range []struct {
		bytes    string
		question string
		size     int
		tooLong  bool
	}{
		{"", "", 0, false},
		{"\x00", "", 0, false},
		{"\x00\x00", "", 2, false},
		{"\x00\x02a", "", 0, false},
		{"\x00\x02ab", "ab", 4, false},
		{"\x00\x02ab\x00", "ab", 4, false},
		{"\x10\x00", "", 0, false},
		{"\x10\x01", "", 0, true},
		{"GET / HTTP/1.1\r\n", "", 0, true},
	} {
		question, size, err := firstQuestion([]byte(row.bytes))
		if string(question) != row.question || size != row.size || (err != nil) != row.tooLong {
			t.Errorf("firstQuestion(%q) = %q, %d, %v", row.bytes, question, size, err)
		}
	}
}
