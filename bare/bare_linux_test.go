package bare

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newSet(t *testing.T, lend bool) *Set {
	t.Helper()
	s, err := NewSet(lend)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestBell rings from many goroutines: the wait ends once for all that rang before it was heard, and again for who rings after.
func TestBell(t *testing.T) {
	var events [4]unix.EpollEvent
	for _, lend := range []bool{false, true} {
		s := newSet(t, lend)
		for range 3 {
			var ringing sync.WaitGroup
			for range 8 {
				ringing.Go(s.Ring)
			}
			ringing.Wait()
			if n := s.Wait(events[:], -1); n != 1 || events[0].Fd != Bell {
				t.Fatalf("%d events, the first of %d", n, events[0].Fd)
			}
			if s.Ring(); s.Now(events[:]) != 0 {
				t.Fatal("a bell that was not heard is rung again")
			}
			s.Heard()
		}
		if n := s.Soon(events[:]); n != 0 {
			t.Errorf("%d events that nobody made", n)
		}
	}
}

// listening is a listening socket on a loopback address, and its address.
func listening(t *testing.T, network, at string) (fd int, address net.Addr) {
	t.Helper()
	l, err := net.Listen(network, at)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { l.Close() })
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(n uintptr) { fd = int(n) })
	return fd, l.Addr()
}

// TestSocket takes a client in over both families, echoes what it says, and sees it go.
func TestSocket(t *testing.T) {
	for network, at := range map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0", "tcp": "[::]:0"} {
		t.Run(network, func(t *testing.T) {
			s := newSet(t, true)
			listener, address := listening(t, network, at)
			s.Add(listener, unix.EPOLLIN, 7)
			to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(address.(*net.TCPAddr).Port))
			if network == "tcp6" {
				to = netip.MustParseAddrPort(address.String())
			}
			client, err := net.Dial("tcp", to.String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			client.SetDeadline(time.Now().Add(10 * time.Second))
			var events [4]unix.EpollEvent
			if n := s.Wait(events[:], -1); n != 1 || events[0].Fd != 7 {
				t.Fatalf("%d events, the first of %d", n, events[0].Fd)
			}
			fd, from, errno := Accept(listener)
			if errno != 0 || from.String() != client.LocalAddr().String() {
				t.Fatalf("%v from %s, want %s", errno, from, client.LocalAddr())
			}
			if _, _, errno := Accept(listener); errno != unix.EAGAIN {
				t.Errorf("another client: %v", errno)
			}
			s.Remove(listener)
			echo(t, s, fd, client)
			client.Close()
			s.Wait(events[:], -1)
			if n, errno := Receive(fd, make([]byte, 9)); n != 0 || errno != 0 {
				t.Errorf("at the end %d bytes, %v", n, errno)
			}
			Close(fd)
		})
	}
}

// echo has a client say something and hear it, and changes what its socket is watched for.
func echo(t *testing.T, s *Set, fd int, client net.Conn) {
	t.Helper()
	var events [4]unix.EpollEvent
	room := make([]byte, 9)
	if _, errno := Receive(fd, room); errno != unix.EAGAIN {
		t.Errorf("before anything was said: %v", errno)
	}
	if err := s.Add(fd, unix.EPOLLOUT|unix.EPOLLET, 8); err != nil || s.Now(events[:]) != 1 || events[0].Events != unix.EPOLLOUT {
		t.Errorf("writable: %v, events %x", err, events[0].Events)
	}
	if err := s.Change(fd, unix.EPOLLIN|unix.EPOLLET, 9); err != nil || s.Now(events[:]) != 0 {
		t.Errorf("readable too early: %v", err)
	}
	client.Write([]byte("hello"))
	if n := s.Wait(events[:], -1); n != 1 || events[0].Fd != 9 {
		t.Errorf("%d events, the first of %d", n, events[0].Fd)
	}
	n, errno := Receive(fd, room)
	if string(room[:n]) != "hello" || errno != 0 {
		t.Errorf("received %q, %v", room[:n], errno)
	}
	if n, errno := Send(fd, room[:n]); n != 5 || errno != 0 {
		t.Errorf("sent %d bytes, %v", n, errno)
	}
	if n, err := client.Read(room); string(room[:n]) != "hello" || err != nil {
		t.Errorf("the client hears %q, %v", room[:n], err)
	}
}
