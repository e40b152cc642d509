package healthcheck

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/mailtest"
)

// patient is a node that is examined, and how the topology speaks of it.
type patient struct {
	proxy config.ProxyVersion // that it expects
	bare  bool                // without TLS
	cert  *tls.Certificate
	keys  string // of the service
}

// examined is what is found of one service on one node.
func examined(t *testing.T, service string, p patient) []Finding {
	t.Helper()
	n := &mailtest.Node{Name: "a", Address: map[string]string{service: "127.0.0.1:0"}, Proxy: p.proxy}
	if !p.bare {
		cert := p.cert
		if cert == nil {
			cert = certificateFor(t, 30*24*time.Hour, "mail.example.org")
		}
		n.TLS = &tls.Config{Certificates: []tls.Certificate{*cert}}
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	defer n.Kill()
	return examine(t, service, int(n.Addr(service).Port()), p.keys)
}

func examine(t *testing.T, service string, port int, keys string) []Finding {
	t.Helper()
	found, probes := Examine(t.Context(), topology(t, fmt.Sprintf(`
cluster: mail.example.org
services: {%[1]s: {port: %[2]d, check: {timeout: 1s}, %[3]s}}
nodes: [{name: a, address: 127.0.0.1, services: [%[1]s]}]
`, service, port, keys)), "test", nil)
	if probes != 1 {
		t.Errorf("%d probes, want 1", probes)
	}
	return found
}

// certificateFor is one that nobody vouches for, good for a while from now.
func certificateFor(t *testing.T, left time.Duration, name string) *tls.Certificate {
	return certificateFrom(t, -365*24*time.Hour, left, name)
}

// certificateFrom is one that is good from and until a while from now.
func certificateFrom(t *testing.T, from, left time.Duration, name string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(from), NotAfter: now.Add(left),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func nobody(context.Context, string, string) ([]netip.Addr, error) { return nil, nil }

func kinds(found []Finding) string {
	var all []string
	for _, f := range found {
		all = append(all, string(f.Kind))
	}
	return strings.Join(all, " ")
}

// TestExamine names each misconfiguration.
func TestExamine(t *testing.T) {
	const none, v1, v2 = config.ProxyNone, config.ProxyV1, config.ProxyV2
	week := 7 * 24 * time.Hour
	for _, c := range []struct {
		what, service string
		patient       patient
		want          Kind
	}{
		{"well", "imaps", patient{}, ""},
		{"well with a header", "imaps", patient{proxy: v2, keys: "proxy_protocol: v2"}, ""},
		{"well in plain text", "smtp", patient{}, ""},
		{"PROXY expected and not sent", "imap", patient{proxy: v2}, ProxyMissing},
		{"the same with TLS", "imaps", patient{proxy: v2}, ProxyMissing},
		{"the same of SMTP", "smtp", patient{proxy: v2}, ProxyMissing},
		{"PROXY sent and not expected", "imap", patient{proxy: none, keys: "proxy_protocol: v2"}, ProxyUnwanted},
		{"the same with TLS", "pop3s", patient{proxy: none, keys: "proxy_protocol: v2"}, ProxyUnwanted},
		{"version 1 sent and not expected", "smtp", patient{proxy: none, keys: "proxy_protocol: v1"}, ProxyUnwanted},
		{"version 1 sent, 2 expected", "imap", patient{proxy: v2, keys: "proxy_protocol: v1"}, ProxyVersion},
		{"TLS on a plain port", "imaps", patient{keys: "tls: none"}, SpeaksTLS},
		{"plain text on a TLS port", "imap", patient{keys: "tls: passthrough"}, SpeaksPlain},
		{"an expired certificate", "imaps", patient{cert: certificateFor(t, -time.Hour, "mail.example.org")}, Expired},
		{"one that expires", "imaps", patient{cert: certificateFor(t, week, "mail.example.org")}, ExpiresSoon},
		{"one for another name", "imaps", patient{cert: certificateFor(t, 4*week, "www.example.org")}, OtherName},
		{"one that is good for the name asked for", "imaps", patient{cert: certificateFor(t, 4*week, "imap.example.org"), keys: "server_names: [imap.example.org]"}, ""},
		{"one that is not good yet", "imaps", patient{cert: certificateFrom(t, time.Hour, 4*week, "mail.example.org")}, NotYetValid},
		{"an expired one behind STARTTLS", "imap", patient{cert: certificateFor(t, -time.Hour, "mail.example.org")}, Expired},
		{"the same behind a PROXY header", "smtp", patient{cert: certificateFor(t, -time.Hour, "mail.example.org"), proxy: v2, keys: "proxy_protocol: v2"}, Expired},
		{"the same behind STLS", "pop3", patient{cert: certificateFor(t, -time.Hour, "mail.example.org")}, Expired},
		{"one that expires behind STARTTLS", "sieve", patient{cert: certificateFor(t, week, "mail.example.org")}, ExpiresSoon},
		{"one for another name behind STARTTLS", "submission", patient{cert: certificateFor(t, 4*week, "www.example.org")}, OtherName},
		{"one that no client is told of", "lmtp", patient{cert: certificateFor(t, -time.Hour, "mail.example.org"), keys: "listen: ['127.0.0.1:24']"}, ""},
		{"no STARTTLS", "imap", patient{bare: true}, NoStartTLS},
		{"no STLS", "pop3", patient{bare: true}, NoStartTLS},
	} {
		found := examined(t, c.service, c.patient)
		if got := kinds(found); got != string(c.want) {
			t.Errorf("%s: %s is %q, want %q: %+v", c.what, c.service, got, c.want, found)
		}
	}
}

// TestExamineSilence: what does not speak is told apart by how it does not.
func TestExamineSilence(t *testing.T) {
	for _, c := range []struct {
		what          string
		service, keys string
		serve         func(net.Conn)
		want          Kind
	}{
		{"closes at once", "imap", "", func(c net.Conn) { c.Close() }, Closed},
		{"says nothing", "imap", "", func(net.Conn) {}, Silent},
		{"speaks HTTP", "imap", "", func(c net.Conn) { c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); c.Close() }, OtherProtocol},
		{"is full", "imap", "", func(c net.Conn) { c.Write([]byte("* BYE too many connections\r\n")); c.Close() }, Unhealthy},
		{"says that it expects TLS", "jmap", "tls: none", func(c net.Conn) {
			c.SetReadDeadline(time.Now().Add(time.Second))
			c.Read(make([]byte, 1024)) // else the close would be a reset, which can overtake the answer
			c.Write([]byte("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 14\r\n\r\nno SSL session"))
			c.Close()
		}, SpeaksTLS},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var serving sync.WaitGroup
		serving.Go(func() {
			var open []net.Conn
			for {
				conn, err := l.Accept()
				if err != nil {
					break
				}
				open = append(open, conn)
				c.serve(conn)
			}
			for _, conn := range open {
				conn.Close()
			}
		})
		port := l.Addr().(*net.TCPAddr).Port
		if got := kinds(examine(t, c.service, port, c.keys)); got != string(c.want) {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
		l.Close()
		serving.Wait()
		if got := kinds(examine(t, c.service, port, c.keys)); got != string(Refused) {
			t.Errorf("nobody listens: %q, want %q", got, Refused)
		}
	}
}

// Capabilities are compared inside a pool; a name without an address is a finding of its own.
func TestExaminePool(t *testing.T) {
	top := topology(t, `
cluster: mail.example.org
nodes:
  - {name: "a-[1-3]", address: 127.0.0.1+, services: [imap, smtp]}
  - {name: gone, address: gone.example, services: [imap]}
`)
	x := &examiner{topology: top, lookup: nobody, probe: func(_ context.Context, j job) outcome {
		o := outcome{capabilities: []string{"IDLE", "STARTTLS"}}
		if j.node == "a-2" && j.protocol == config.IMAP {
			o.capabilities = []string{"MOVE", "STARTTLS"}
		}
		return o
	}}
	var told []int
	found, probes := x.all(t.Context(), func(done, of int) { told = append(told, done, of) })
	slices.SortFunc(found, func(a, b Finding) int { return strings.Compare(a.Node, b.Node) })
	if probes != 7 || len(found) != 2 || found[0].Node != "a-2" || found[0].Kind != Differs || !strings.Contains(found[0].Says, "has MOVE; lacks IDLE") ||
		found[1].Node != "gone" || found[1].Kind != Unresolved {
		t.Errorf("%d probes: %+v", probes, found)
	}
	if len(told) != 14 || told[12] != 7 || told[13] != 7 {
		t.Errorf("progress was %v", told)
	}
}

// A node that offers STARTTLS and then cannot do it is found out.
func TestExamineStartTLSFails(t *testing.T) {
	for answer, want := range map[string]string{
		"454 4.7.0 TLS not available":        "answers STARTTLS with 454 4.7.0 TLS not available",
		"220 go ahead\r\n250 2.1.0 injected": "says more in the clear behind its answer to STARTTLS",
	} {
		script := []string{"S: 220 x", "C: EHLO", "S: 250-x", "S: 250 STARTTLS", "C: ", "S: " + answer, "close"}
		n := startNode(t, func(c net.Conn) error { return play(c, job{spec: &spec{}}, script) })
		found := examine(t, "smtp", int(n.addr.Port()), "")
		if kinds(found) != string(NoStartTLS) || !found[0].Warning || !strings.HasSuffix(found[0].Says, want) || !strings.Contains(found[0].Transcript, "C: STARTTLS") {
			t.Errorf("%q: found %+v", answer, found)
		}
	}
}
