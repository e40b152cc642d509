package geodns

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSocketThatFailed ends a socket that has failed before: by then its descriptor may be that of a session.
func TestSocketThatFailed(t *testing.T) {
	sockets, err := bindUDP(netip.MustParseAddrPort("127.0.0.1:0"), 1)
	if err != nil {
		t.Fatal(err)
	}
	s := sockets[0]
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	if err := unix.Dup3(pipe[0], s.fd, unix.O_CLOEXEC); err != nil { // no socket any more
		t.Fatal(err)
	}
	if err := s.serve(standing(t, newData(t, testTopology))); err == nil {
		t.Fatal("serve has not failed")
	}
	if err := unix.Dup3(pair[0], s.fd, unix.O_CLOEXEC); err != nil { // the number is somebody else's now
		t.Fatal(err)
	}
	defer unix.Close(s.fd)
	s.end()
	if _, err := unix.Write(pair[1], []byte("x")); err != nil {
		t.Errorf("the end of a socket has shut another's descriptor: %v", err)
	}
}

// TestFullSocket sends where nobody takes anything, and then where somebody does.
func TestFullSocket(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	s, p := &udpSocket{fd: pair[0]}, newPackets(false)
	for i := range batch {
		p.sentV[i].Base = &p.answer[i][0]
		p.sentV[i].SetLen(udpSize)
	}
	filled := 0
	for unix.Sendto(pair[0], p.answer[0][:], unix.MSG_DONTWAIT, nil) == nil {
		filled++
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.send(p, batch)
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Error("a full socket holds its thread up")
		unix.Close(pair[1])
		<-done
		return
	}
	defer unix.Close(pair[1])
	into := make([]byte, 2*udpSize)
	for range filled {
		if _, err := unix.Read(pair[1], into); err != nil {
			t.Fatal(err)
		}
	}
	s.send(p, 2)
	for range 2 {
		if n, _, err := unix.Recvfrom(pair[1], into, unix.MSG_DONTWAIT); n != udpSize || err != nil {
			t.Errorf("then came %d bytes, %v", n, err)
		}
	}
}
