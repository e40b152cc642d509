package proxy

import (
	"bytes"
	"net"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// responder answers every request at once, without looking at it.
func responder(c *net.TCPConn) {
	b := make([]byte, 4<<10)
	answer := []byte("HTTP/1.1 200 OK\r\nServer: node\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if bytes.HasSuffix(b[:n], []byte("\r\n\r\n")) {
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	}
}

// BenchmarkHTTPKeepAlive is a small request and its response on connections that are kept, by one client and by 64. Both ends are in the
// figure.
func BenchmarkHTTPKeepAlive(b *testing.B) {
	b.Run("direct", func(b *testing.B) {
		n := newNode(b, responder)
		benchRequests(b, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(n.port)})
	})
	b.Run("posthouse", func(b *testing.B) { benchRequests(b, benchRig(b, httpService, newNode(b, responder)).address("http")) })
}

func benchRequests(b *testing.B, to *net.TCPAddr) {
	c, err := net.DialTCP("tcp4", nil, to)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	request := []byte("GET /jmap/session HTTP/1.1\r\nHost: mail.example.org\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
	answer := make([]byte, 4<<10)
	ask := func() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		for got := 0; !bytes.HasSuffix(answer[:got], []byte("hello")); {
			n, err := c.Read(answer[got:])
			if err != nil {
				b.Fatal(err)
			}
			got += n
		}
	}
	ask()
	b.ReportAllocs()
	for b.Loop() {
		ask()
	}
}

// BenchmarkHTTPIdle reports the memory of this process for each connection that waits for its next request, and for each stream of events
// that waits for its next event.
func BenchmarkHTTPIdle(b *testing.B) {
	b.Run("keep-alive", func(b *testing.B) {
		n := newNode(b, responder)
		benchIdle(b, func() (uint16, func(), func()) { return n.port, func() {}, func() {} })
	})
	b.Run("events", func(b *testing.B) {
		benchIdle(b, func() (uint16, func(), func()) { return bareNode(b, eventHead) })
	})
}

func benchIdle(b *testing.B, listen func() (port uint16, accept, closeAll func())) {
	const connections = 2000
	for b.Loop() {
		port, accept, closeNode := listen()
		r := benchRig(b, httpService, &node{port: port})
		address := r.address("http")
		before := memory()
		clients := make([]int, connections)
		answer := make([]byte, 4<<10)
		for i := range clients {
			clients[i] = bareConnect(b, uint16(address.Port))
			unix.Write(clients[i], []byte(get("/")))
			accept()
			if n, err := unix.Read(clients[i], answer); n <= 0 || err != nil {
				b.Fatal(n, err)
			}
		}
		for range 3 { // stacks shrink by half in each collection
			runtime.GC()
		}
		b.ReportMetric(float64(memory()-before)/connections/1024, "KiB/connection")
		for _, fd := range clients {
			unix.Close(fd)
		}
		closeNode()
		eventually(b, "the connections are over", func() bool { return r.server.Sessions() == 0 })
	}
}
