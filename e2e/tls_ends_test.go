package e2e

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestTLSEndsHere lets clients that others wrote have their sessions with TLS that ends at the balancer: in the clear to the node, or
// in TLS that begins anew. The nodes' logs tell who they think the client was.
func TestTLSEndsHere(t *testing.T) {
	for _, ends := range []string{"terminate", "reencrypt"} {
		for _, proxy := range []string{"none", "v1", "v2"} {
			t.Run(ends+" "+proxy, func(t *testing.T) {
				o := begin(t)
				p := serve(t, topology{proxy: proxy, ends: ends})
				count := 0
				t.Run("sessions", func(t *testing.T) { count = everyEnded(t, ends, proxy, p) })
				o.fact(t, "%d kinds of session", count)
			})
		}
	}
}

func everyEnded(t *testing.T, ends, proxy string, p *posthouse) (count int) {
	for i, d := range dialects {
		if d.tls != implicit {
			continue
		}
		count++
		t.Run(d.service+" "+d.client, func(t *testing.T) {
			t.Parallel()
			v := newVisit(t, front, d.service, 10+i)
			seed(t, v)
			before := servers.mark()
			if err := d.visit(v); err != nil {
				t.Fatal(err)
			}
			client := v.source
			if d.anonymous {
				client = "127.0.0.1"
			}
			shown := client
			if proxy == "none" {
				shown = source
			}
			service := d.service // as the node calls it
			if ends == "terminate" {
				service = clear[service]
			}
			eventually(t, patience, "the node's log", func() error { return before.saw(service, v.user, shown, source) })
			eventually(t, patience, "our log", func() error { return p.saw(d.service, implicit, client) })
		})
	}
	return count
}

// TestTLSEndsHereRefused is what clients are told inside TLS, and by TLS.
func TestTLSEndsHereRefused(t *testing.T) {
	o := begin(t)
	servers.restoreAfter(t)
	serve(t, topology{proxy: "v2", ends: "terminate"})
	for _, row := range []struct{ service, args, want string }{
		{"imaps", "-servername " + name + " -alpn imap", "ALPN protocol: imap"},
		{"imaps", "-servername " + name + " -alpn http/1.1", "alert no application protocol"},
		{"pop3s", "-servername " + name + " -alpn imap", "alert no application protocol"},
		{"submissions", "-servername unknown.example", "alert number 112"}, // unrecognized_name
	} {
		out := openssl("s_client -connect " + at(row.service) + " -CAfile " + servers.ca() + " " + row.args)
		if !strings.Contains(out, row.want) {
			t.Errorf("openssl s_client %s: no %q in\n%s", row.args, row.want, out)
		}
	}
	servers.must(t, "kill9", everybody...)
	for service, twin := range clear {
		began := time.Now()
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", at(service), trusted(t))
		if err != nil {
			t.Fatal(err)
		}
		words, err := io.ReadAll(conn)
		conn.Close()
		if string(words) != ourWords[twin] || err != nil {
			t.Errorf("%s says %q, %v; want %q", service, words, err, ourWords[twin])
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s said no after %v", service, took)
		}
	}
	o.fact(t, "our words inside TLS in %d protocols", len(clear))
}
