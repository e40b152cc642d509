package healthcheck

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"posthouse/config"
)

// handshakeOnly is a node that speaks TLS and then only listens. The end must come with FIN.
func handshakeOnly(c net.Conn, with *tls.Config, asked ...chan string) error {
	secure := tls.Server(c, with)
	if err := secure.Handshake(); err != nil {
		return err
	}
	for _, to := range asked {
		s := secure.ConnectionState()
		to <- s.ServerName + " " + s.NegotiatedProtocol
	}
	return readToEnd(secure, c)
}

// nodeYAML is a topology of one node that serves smtp at an address.
func nodeYAML(addr netip.AddrPort, check string) string {
	return fmt.Sprintf(`
cluster: mail.example.org
services: {smtp: {port: %d, check: {%s}}}
nodes: [{name: a, address: %s, services: [smtp]}]
`, addr.Port(), check, addr.Addr())
}

// TestLifeOfANode: up, dead, suspected, down, and up again, over the network.
func TestLifeOfANode(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr).AddrPort()
	served := serveSMTP(l)
	b := newBench(topology(t, nodeYAML(addr, "interval: 200ms, rise: 2, fall: 3")), nil)
	defer b.start()()
	state := func(want config.HealthState) func() bool {
		return func() bool { return b.of("a", "smtp").State == want }
	}
	eventually(t, "up", state(config.Up))
	if h := b.of("a", "smtp"); h.Version != "Postfix" || h.Greeting <= 0 {
		t.Errorf("learned: %+v", h)
	}
	l.Close()
	<-served
	b.Suspect(smtpOfA)
	eventually(t, "down", state(config.Down))
	if h := b.of("a", "smtp"); h.Reason != "connect: connection refused" || !strings.Contains(h.Transcript, addr.String()) {
		t.Errorf("health %+v", h)
	}
	if l, err = net.Listen("tcp", addr.String()); err != nil {
		t.Skip(err)
	}
	served = serveSMTP(l)
	eventually(t, "up again", state(config.Up))
	l.Close()
	<-served
}

func serveSMTP(l net.Listener) (ended chan struct{}) {
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			greeter(c)
			c.Close()
		}
	}()
	return ended
}

// TestRunEnds: neither a silent node nor one that answers no SYN holds Run up, however long their time-out is.
func TestRunEnds(t *testing.T) {
	accepted := make(chan struct{}, 10)
	silent := startNode(t, func(c net.Conn) error {
		accepted <- struct{}{}
		_, err := io.Copy(io.Discard, c)
		return err
	})
	full := fullListener(t)
	yaml := fmt.Sprintf(`
cluster: mail.example.org
defaults: {check: {interval: 10m, timeout: 5m}}
services: {smtp: {port: %d}, sieve: {port: %d}}
nodes: [{name: a, address: 127.0.0.1, services: [smtp, sieve]}]
`, silent.addr.Port(), full.Port())
	b := newBench(topology(t, yaml), nil)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- b.Run(ctx) }()
	<-accepted
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Run does not end")
	}
	if err := silent.end(t); err != nil {
		t.Errorf("the silent node saw %v, want the end of the stream", err)
	}
}
