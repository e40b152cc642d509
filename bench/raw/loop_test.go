//go:build linux

package raw

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// echoer sends back what comes.
type echoer struct {
	t    *testing.T
	wire Transport
}

func (e *echoer) Ready(events uint32) {
	err := ReadAll(e.wire, events, make([]byte, 100), func(p []byte) (Transport, error) {
		if n, err := e.wire.Write(p); n != len(p) {
			e.t.Errorf("%d of %d bytes sent: %v", n, len(p), err)
		}
		return e.wire, nil
	})
	switch err {
	case nil, unix.EAGAIN:
	case io.EOF:
		e.wire.Close()
	default:
		e.t.Error(err)
	}
}

// asker says something, and collects what comes.
type asker struct {
	wire Transport
	ask  []byte
	got  bytes.Buffer
	err  error
}

func (a *asker) Ready(events uint32) {
	if len(a.ask) > 0 {
		n, err := a.wire.Write(a.ask)
		if err == unix.EAGAIN {
			return
		}
		a.ask, a.err = a.ask[n:], err
	}
	if err := a.wire.Flush(); err != nil && err != unix.EAGAIN {
		a.err = err
	}
	err := ReadAll(a.wire, events, make([]byte, 64), func(p []byte) (Transport, error) {
		a.got.Write(p)
		return a.wire, nil
	})
	if err != nil && err != unix.EAGAIN {
		a.err = err
	}
}

func (a *asker) await(t *testing.T, l *Loop, want []byte) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); a.got.Len() < len(want) && a.err == nil; {
		if err := l.Turn(); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d bytes came", a.got.Len(), len(want))
		}
	}
	if a.err != nil || !bytes.Equal(a.got.Bytes(), want) {
		t.Errorf("%q came, %v; want %q", a.got.Bytes(), a.err, want)
	}
}

func loopForTest(t *testing.T) *Loop {
	l, err := NewLoop()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(l.fd) })
	return l
}

var words = bytes.Repeat([]byte("a line of some length\r\n"), 100)

func TestLoop(t *testing.T) {
	l := loopForTest(t)
	listener, err := Listen(l, func(fd int) {
		if err := l.Add(fd, &echoer{t, &Socket{l, fd}}); err != nil {
			t.Error(err)
		}
	}, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(listener.fd)
	s, err := Connect(l, Source(7), netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 99, 0, 1}), listener.Port))
	if err != nil {
		t.Fatal(err)
	}
	a := &asker{wire: s, ask: words}
	if err := l.Add(s.FD, a); err != nil {
		t.Fatal(err)
	}
	a.await(t, l, words)
	s.Close()
}

func TestSecure(t *testing.T) {
	cert, err := NewCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert.File, cert.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	server, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	var echo sync.WaitGroup
	defer echo.Wait()
	defer server.Close()
	echo.Go(func() {
		c, err := server.Accept()
		if err == nil {
			io.Copy(c, c)
			c.Close()
		}
	})
	l := loopForTest(t)
	s, err := Connect(l, Source(0), server.Addr().(*net.TCPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	secure, err := NewSecure(s, cert.Config("imap", tls.X25519))
	if err != nil {
		t.Fatal(err)
	}
	a := &asker{wire: secure, ask: words}
	if err := l.Add(s.FD, a); err != nil {
		t.Fatal(err)
	}
	a.await(t, l, words)
	secure.Close()
}

func TestConfigTakesOneCertificateOnly(t *testing.T) {
	ours, err := NewCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	verify := ours.Config("imap", tls.X25519).VerifyPeerCertificate
	if err := verify([][]byte{ours.Leaf.Raw}, nil); err != nil {
		t.Error(err)
	}
	if verify([][]byte{other.Leaf.Raw}, nil) == nil || verify(nil, nil) == nil {
		t.Error("another certificate, or none, is taken")
	}
}
