package relay

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// watched is the connection under TLS of a client, which notes whether it has seen the end of TCP.
type watched struct {
	*net.TCPConn
	ended bool
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.TCPConn.Read(b)
	w.ended = w.ended || err == io.EOF
	return n, err
}

// watch is a client with TLS.
func watch(t *testing.T, p *Pair) (*tls.Conn, *watched) {
	t.Helper()
	far, near := connection(t)
	t.Cleanup(func() { far.Close() })
	settings := &tls.Config{Certificates: []tls.Certificate{identity()}, InsecureSkipVerify: true}
	under := &watched{TCPConn: far}
	client := tls.Client(under, settings)
	p.Client, p.ClientTLS = near, tls.Server(&ground{Conn: near}, settings)
	done := make(chan error, 1)
	go func() { done <- client.Handshake() }()
	if err := p.ClientTLS.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return client, under
}

// beginWatched begins a pair of such a client and a node without TLS, whose far end it returns.
func (b *bench) beginWatched(t *testing.T, p Pair) (*pair, *net.TCPConn) {
	t.Helper()
	far, near := connection(t)
	t.Cleanup(func() { far.Close() })
	client, node, err := takeBoth(p.Client, near)
	if err != nil {
		t.Fatal(err)
	}
	s := newPair(b.loop, client, node, p)
	b.begin(s, nil, nil)
	return s, far
}

// A client that has nothing more to say can still tell whether a node has ended or was cut off.
func TestSecureEndBehindHalfClose(t *testing.T) {
	needsLoops(t)
	engine := new(Engine)
	defer engine.Close()
	for _, announced := range []bool{true, false} {
		p := Pair{}
		client, under := watch(t, &p)
		far, near := connection(t)
		node, ours := handshake(t, far, near, false, tls.VersionTLS13)
		p.Node, p.NodeTLS = near, ours
		result := make(chan Result, 1)
		p.Owner = ending(func(r Result) { result <- r })
		engine.Start(p)
		client.CloseWrite()
		if rest, err := io.ReadAll(node); len(rest) > 0 || err != nil {
			t.Errorf("the node hears %q, %v", rest, err)
		}
		io.WriteString(node, "* BYE\r\n")
		if announced {
			node.CloseWrite()
		}
		node.Close()
		if got, err := io.ReadAll(client); string(got) != "* BYE\r\n" || err != nil {
			t.Errorf("the client hears %q, %v", got, err)
		}
		if told := !under.ended; told != announced {
			t.Errorf("the client was told of an end: %v, want %v", told, announced)
		}
		<-result
	}
}

// The end inside TLS waits for a reader that is slow, although that one has ended itself; and no longer than it is there.
func TestSecureEndIsHeld(t *testing.T) {
	for _, stays := range []bool{true, false} {
		b := newBench(t)
		var p Pair
		client, under := watch(t, &p)
		p.Client.SetWriteBuffer(64 << 10)
		result := make(chan Result, 1)
		p.Owner = ending(func(r Result) { result <- r })
		s, _ := b.beginWatched(t, p)
		client.CloseWrite()
		for !s.client.is(ended) {
			b.step()
		}
		said := 0
		for ; s.client.held == nil; said += 1000 {
			b.give(s, &s.node, &s.client, noise[said:said+1000])
		}
		b.over(s, &s.node, &s.client)
		heard := make(chan bool)
		go func() {
			defer close(heard)
			if !stays {
				under.SetLinger(0)
				under.Close()
			} else if got, err := io.ReadAll(client); err != nil || !bytes.Equal(got, noise[:said]) {
				t.Errorf("%d bytes arrived, of %d: %v", len(got), said, err)
			}
		}()
		for s.number != nobody {
			b.step()
		}
		<-heard
		if under.ended {
			t.Error("the end was not announced")
		}
		if r := <-result; r.Down != int64(said) || r.End != ClientLeft {
			t.Errorf("result = %+v", r)
		}
	}
}

// A client whose records hold a byte each costs a loop much more than its bytes do: its turn is over after some records.
func TestSecureFairness(t *testing.T) {
	b := newBench(t)
	var p Pair
	client, _ := watch(t, &p)
	p.Client.SetReadBuffer(1 << 20)
	p.Owner = ending(func(Result) {})
	s, far := b.beginWatched(t, p)
	said := noise[:10_000]
	go func() {
		for i := range said {
			client.Write(said[i : i+1])
		}
	}()
	eventually(t, func() bool {
		waiting, err := unix.IoctlGetInt(int(s.client.fd), unix.SIOCINQ)
		return err != nil || waiting > 60_000
	})
	for s.client.moved.Load() < int64(len(said)) {
		before := s.client.moved.Load()
		b.step()
		const most = 2 * turn * mostRecords // an event and the run queue
		if moved := s.client.moved.Load() - before; moved > most {
			t.Fatalf("%d records in one step, want %d at most", moved, most)
		}
	}
	got := make([]byte, len(said))
	if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, said) {
		t.Errorf("other bytes arrived, or %v", err)
	}
}
