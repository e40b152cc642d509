package proxy

import (
	"io"
	"log/slog"
	"net"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"posthouse/config"
)

// benchRig is a server whose log goes nowhere, as what is logged is not what is measured.
func benchRig(b *testing.B, change func(*config.Service), nodes ...*node) *rig {
	r := &rig{t: b, log: new(logBuffer), topology: newTopology(change, nodes...)}
	r.service = r.topology.Services[0]
	r.start()
	r.server.Log = slog.New(slog.DiscardHandler)
	return r
}

// BenchmarkSession is a connection, a line each way and the close, client and node included.
func BenchmarkSession(b *testing.B) {
	rows := []struct {
		name   string
		change func(*config.Service)
	}{
		{"plain", nil},
		{"proxy-v2", func(s *config.Service) { s.Proxy = config.ProxyV2 }},
	}
	for _, row := range rows {
		b.Run(row.name, func(b *testing.B) {
			r := benchRig(b, row.change, newNode(b, func(c *net.TCPConn) {
				io.WriteString(c, greeting)
				line := make([]byte, 256)
				if _, err := c.Read(line); err == nil {
					io.WriteString(c, greeting)
				}
			}))
			address := r.address("imap")
			b.ReportAllocs()
			for b.Loop() {
				c, err := net.DialTCP("tcp4", nil, address)
				if err != nil {
					b.Fatal(err)
				}
				line := make([]byte, 64)
				c.Read(line)
				io.WriteString(c, "a NOOP\r\n")
				c.Read(line)
				c.Close()
			}
		})
	}
}

// BenchmarkLine is a request and its answer on a session that lives, client and node included.
func BenchmarkLine(b *testing.B) {
	r := benchRig(b, nil, newNode(b, echo))
	c := r.connect()
	c.hear(greeting)
	line := []byte("a NOOP\r\n")
	b.ReportAllocs()
	for b.Loop() {
		c.TCPConn.Write(line)
		if _, err := io.ReadFull(c.r, line); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBulk is a megabyte from the node to the client.
func BenchmarkBulk(b *testing.B) {
	const size = 1 << 20
	content := make([]byte, size)
	r := benchRig(b, nil, newNode(b, func(c *net.TCPConn) {
		io.WriteString(c, greeting)
		for want := make([]byte, 1); ; {
			if _, err := io.ReadFull(c, want); err != nil {
				return
			}
			c.Write(content)
		}
	}))
	c := r.connect()
	c.hear(greeting)
	into := make([]byte, size)
	b.SetBytes(size)
	for b.Loop() {
		c.TCPConn.Write([]byte("x"))
		if _, err := io.ReadFull(c.r, into); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIdleSessions reports the memory of this process for each idle session. Clients and the node are bare descriptors,
// which take none.
func BenchmarkIdleSessions(b *testing.B) {
	const sessions = 2000
	for b.Loop() {
		port, accept, closeNode := bareNode(b, greeting)
		r := benchRig(b, nil, &node{port: port})
		address := r.address("imap")
		before := memory()
		clients := make([]int, sessions)
		for i := range clients {
			clients[i] = bareConnect(b, uint16(address.Port))
			accept()
			buffer := make([]byte, len(greeting))
			if n, err := unix.Read(clients[i], buffer); n != len(greeting) || err != nil {
				b.Fatal(n, err)
			}
		}
		for range 3 { // stacks shrink by half in each collection
			runtime.GC()
		}
		b.ReportMetric(float64(memory()-before)/sessions/1024, "KiB/session")
		for _, fd := range clients {
			unix.Close(fd)
		}
		closeNode()
		eventually(b, "the sessions are over", func() bool { return r.server.Sessions() == 0 })
	}
}

func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func bareNode(b *testing.B, says string) (port uint16, accept, closeAll func()) {
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		b.Fatal(err)
	}
	if err := unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		b.Fatal(err)
	}
	unix.Listen(l, 128)
	at, _ := unix.Getsockname(l)
	var conns []int
	accept = func() {
		fd, _, err := unix.Accept(l)
		if err != nil {
			b.Fatal(err)
		}
		conns = append(conns, fd)
		unix.Write(fd, []byte(says))
	}
	closeAll = func() {
		unix.Close(l)
		for _, fd := range conns {
			unix.Close(fd)
		}
	}
	return uint16(at.(*unix.SockaddrInet4).Port), accept, closeAll
}

func bareConnect(b *testing.B, port uint16) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		b.Fatal(err)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: int(port)}); err != nil {
		b.Fatal(err)
	}
	return fd
}
