package proxy

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"posthouse/config"
)

// TestHTTPWebSocketUnread has a client that does not read its 101, with more behind it than the sockets take: it can be ended all the same.
func TestHTTPWebSocketUnread(t *testing.T) {
	const head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX: "
	r := newHTTPRig(t, nil, newNode(t, func(c *net.TCPConn) {
		if _, ok := readHead(bufio.NewReader(c)); ok { // a long head has us read much of what is behind it
			io.WriteString(c, head+strings.Repeat("x", smallBlock)+"\r\n\r\n"+strings.Repeat("y", largeBlock/2))
			io.Copy(io.Discard, c)
		}
	}))
	small := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return control(raw, func(fd int) error { return syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1) })
	}}
	c, err := small.Dial("tcp4", r.address("http").String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	eventually(t, "a conversation", func() bool { return len(r.server.live.conversing()) == 1 })
	r.server.live.conversing()[0].session.client.SetWriteBuffer(1)
	io.WriteString(c, upgradeRequest)
	eventually(t, "the node's answer", func() bool { return r.server.live.conversing()[0].down.Load() > smallBlock })
	eventually(t, "the end", func() bool {
		r.server.Kill(Filter{})
		return len(r.log.sessions()) == 1
	})
	r.expectEnd("killed")
}

// TestHTTPDeniedMeanwhile denies a client between its arrival and its first request, as while it makes its handshake: nobody waits for that
// request.
func TestHTTPDeniedMeanwhile(t *testing.T) {
	r := newHTTPRig(t, nil, newNode(t, responder))
	near, far := tcpPair(t)
	defer far.Close()
	s := newSession(r.server, near, &front{services: []*service{{Service: r.service, topology: r.topology, metrics: r.server.Metrics.of("http")}}})
	r.server.Deny([]Denial{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}})
	r.server.running.Add(1)
	r.server.live.add(s)
	go s.converse()
	newPeer(t, far).hearEnd()
	r.expectEnd("killed")
}

// TestHTTPKilledDuringTheWalk kills a client whose request waits for TLS with a node.
func TestHTTPKilledDuringTheWalk(t *testing.T) {
	frozen, ca := newNode(t, mute), newAuthority(t)
	r := newSecureRig(t, ca, config.Reencrypt, patiently(func(*config.Service) {}), frozen)
	c := tls.Client(r.connect().TCPConn, ca.settings())
	io.WriteString(c, get("/"))
	eventually(t, "the node is asked", func() bool { return frozen.accepted() == 1 })
	if n := r.server.Kill(Filter{}); n != 1 {
		t.Errorf("%d killed", n)
	}
	io.Copy(io.Discard, c)
	r.expectEnd("killed")
}

// newUpgradeRig has a node that thinks about a request for a WebSocket, once it was asked, until it may answer.
func newUpgradeRig(t *testing.T) (r *rig, asked, answer chan bool) {
	asked, answer = make(chan bool), make(chan bool)
	r = newHTTPRig(t, nil, newNode(t, func(c *net.TCPConn) {
		in := bufio.NewReader(c)
		if _, ok := readHead(in); ok {
			close(asked)
			<-answer
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nfirst")
			io.Copy(c, in)
		}
	}))
	return r, asked, answer
}

// TestHTTPWebSocketDenied denies a client while its node thinks about the request for a WebSocket, which would go on for hours.
func TestHTTPWebSocketDenied(t *testing.T) {
	r, asked, answer := newUpgradeRig(t)
	c := r.connect()
	c.say(upgradeRequest)
	<-asked
	r.server.Deny([]Denial{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}})
	close(answer)
	c.hearRest()
	r.expectEnd("killed")
}
