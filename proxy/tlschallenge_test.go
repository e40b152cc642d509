package proxy

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"testing"

	"posthouse/config"
)

// challenged is a node that knows the answer to a challenge: a certificate of its own that only acme-tls/1 gets.
func challenged(t testing.TB, ca *authority) *node {
	usual, special := ca.issue("usual", nil, "mail.example.org"), ca.issue("the answer", nil, "a.example")
	return secureNode(t, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		if len(h.SupportedProtos) == 1 && h.SupportedProtos[0] == challengeProtocol {
			return &tls.Config{Certificates: []tls.Certificate{special}, NextProtos: h.SupportedProtos}, nil
		}
		return &tls.Config{Certificates: []tls.Certificate{usual}}, nil
	}})
}

// A certificate authority's challenge ends at a node, wherever the TLS of others ends, and even for a name that we have no
// certificate for: that is what it is about.
func TestChallengeReachesNode(t *testing.T) {
	for _, mode := range []config.TLSMode{config.Reencrypt, config.Terminate} {
		for _, asked := range []string{"a.example", "b.example"} {
			g := newGate(t, func(s *config.Service) { s.TLS = mode }, []string{"a.example"})
			g.addNodes(refusing(t), newNode(t, hangsUp), challenged(t, g.ca))
			if mode == config.Terminate {
				g.openTLS()
			}
			c := tls.Client(g.dial(), &tls.Config{ServerName: asked, NextProtos: []string{challengeProtocol}, InsecureSkipVerify: true})
			state := talk(t, c)
			if state.NegotiatedProtocol != challengeProtocol || state.PeerCertificates[0].Subject.CommonName != "the answer" {
				t.Errorf("%s, %s: %q, %v", mode, asked, state.NegotiatedProtocol, state.PeerCertificates[0].Subject)
			}
			c.Close()
			line := g.ended(1)
			if line["node"] != "node-3" || line["tries"] != 3.0 || line["sni"] != asked || line["cipher"] != nil {
				t.Errorf("%s: session log: %v", mode, line)
			}
		}
	}
}

// openTLS says where nodes whose service gets plain text have TLS: a service of the operator's own.
func (g *gate) openTLS() {
	own := *g.topology.Services[0]
	own.Name, own.TLS, own.Listen = "own", config.Passthrough, nil
	plain := g.topology.Services[0].Name
	for _, n := range g.topology.Nodes {
		n.Services = append(n.Services, own.Name)
		n.Ports[own.Name], n.Ports[plain] = n.Ports[plain], 1
	}
	g.topology.Services = []*config.Service{g.topology.Services[0], &own}
	g.server.Router.Publish(g.topology)
	g.commit()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.front.services = g.front.services[:1]
}

// The node gets the very bytes of the hello, and the client gets nothing that is not the node's.
func TestChallengeIsUntouched(t *testing.T) {
	got := make(chan []byte, 1)
	sent := helloFor(t, "a.example", challengeProtocol)
	n := newNode(t, func(c *net.TCPConn) {
		b := make([]byte, len(sent))
		io.ReadFull(c, b)
		got <- b
		io.WriteString(c, "not even TLS")
	})
	g := newGate(t, nil, []string{"a.example"})
	g.addNodes(n)
	c := g.dial()
	for _, b := range sent {
		c.Write([]byte{b})
	}
	c.hear("not even TLS")
	if b := <-got; !bytes.Equal(b, sent) {
		t.Errorf("the node got %x, want %x", b, sent)
	}
	c.hearEnd()
}

func TestChallengeWithoutNode(t *testing.T) {
	g := newGate(t, nil, []string{"a.example"})
	g.addNodes(refusing(t))
	c := g.dial()
	c.Write(helloFor(t, "a.example", challengeProtocol))
	c.hearEnd()
	g.expectEnd("no-node")
}
