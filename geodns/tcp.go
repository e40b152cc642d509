package geodns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Limits of TCP (RFC 7766, 6.2). Who comes over one is closed at once; UDP goes on.
const (
	maxTCP       = 1000                   // connections: each may hold some 40 KB that wait for its client
	maxTCPClient = 50                     // of one client network (an IPv4 address, an IPv6 /56)
	idleTCP      = 10 * time.Second       // from the last answer to the end of the next question: a slow one is cut as well
	writeTCP     = 5 * time.Second        // until a client takes its answers
	acceptPause  = 100 * time.Millisecond // after an error of accept: without a descriptor it would be a busy loop
)

// readTCP is the buffer of a connection: two questions of the largest size fit, and many small ones in one read.
const readTCP = 2 * (2 + maxAskedTCP)

// maxAskedTCP is the largest question by TCP. One that is larger ends the connection: no question that we answer is.
const maxAskedTCP = 4096

// listenTCP listens without SO_REUSEPORT: a second process on the address is refused here, whatever UDP would allow.
func listenTCP(a netip.AddrPort) (*net.TCPListener, error) {
	network := "tcp"
	switch {
	case a.Addr().Is4():
		network = "tcp4"
	case a.Addr().Is6() && !a.Addr().IsUnspecified():
		network = "tcp6"
	}
	address := a.String()
	if !a.Addr().IsValid() {
		address = fmt.Sprintf(":%d", a.Port())
	}
	l, err := (&net.ListenConfig{KeepAlive: -1}).Listen(context.Background(), network, address)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

var errTooLong = errors.New("a question larger than any that we answer")

// firstQuestion is the first question of what was read, and how many bytes of that it takes with its length (RFC 1035, 4.2.2); 0: it is
// not there in whole.
func firstQuestion(b []byte) (question []byte, size int, err error) {
	if len(b) < 2 {
		return nil, 0, nil
	}
	switch size = 2 + int(binary.BigEndian.Uint16(b)); {
	case size > 2+maxAskedTCP:
		return nil, 0, errTooLong
	case size > len(b):
		return nil, 0, nil
	}
	return b[2:size], size, nil
}

// tcpCounts are the connections that live.
type tcpCounts struct {
	all     int
	clients map[netip.Addr]int
}

// enter says whether one more of a client network may stay.
func (t *tcpCounts) enter(client netip.Addr) bool {
	if t.all >= maxTCP || t.clients[client] >= maxTCPClient {
		return false
	}
	if t.clients == nil {
		t.clients = make(map[netip.Addr]int)
	}
	t.all++
	t.clients[client]++
	return true
}

func (t *tcpCounts) leave(client netip.Addr) {
	t.all--
	if t.clients[client]--; t.clients[client] == 0 {
		delete(t.clients, client)
	}
}

// tcpClient is what counts as one client of TCP, whose address cannot be forged.
func tcpClient(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a
	}
	p, _ := a.WithZone("").Prefix(56)
	return p.Addr()
}

// bindError says what to do about an address that cannot be bound.
func bindError(a netip.AddrPort, err error) error {
	remedy := ""
	switch {
	case errors.Is(err, unix.EACCES):
		remedy = ": ports below 1024 need the capability CAP_NET_BIND_SERVICE, or a lower sysctl net.ipv4.ip_unprivileged_port_start"
	case errors.Is(err, unix.EADDRINUSE):
		remedy = fmt.Sprintf(": another name server listens there; `ss -lntup sport = :%d` names its process", a.Port())
	case errors.Is(err, unix.EADDRNOTAVAIL):
		remedy = ": no interface has this address"
	}
	return fmt.Errorf("dns: listen on %s: %w%s", a, err, remedy)
}
