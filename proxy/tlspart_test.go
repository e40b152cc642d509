package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"
)

// A node that reads nothing does not keep us from hanging up; one that reads gets a close_notify.
func TestHangUp(t *testing.T) {
	ca := newAuthority(t)
	settings := &tls.Config{Certificates: []tls.Certificate{ca.issue("node", nil, "mail.example.org")}}
	for _, stuffed := range []bool{false, true} {
		ended := make(chan error, 1)
		read := make(chan struct{})
		n := newNode(t, func(c *net.TCPConn) {
			s := tls.Server(c, settings)
			s.Handshake()
			<-read
			_, err := io.Copy(io.Discard, s)
			ended <- err
		})
		w := newWalker(t, ca, nil, n)
		_, a, _ := w.walk()
		if stuffed {
			a.conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			io.Copy(a.conn, zeros{})
		}
		began := time.Now()
		hangUp(a.secure)
		a.backend.End()
		if took := time.Since(began); took > 4*time.Second { // crypto/tls would wait for 5
			t.Errorf("hanging up took %s", took)
		}
		close(read)
		if err := <-ended; err != nil && !stuffed {
			t.Errorf("the node: %v", err)
		}
	}
}

// What a node says unasked is noticed before the connection is used again, also where crypto/tls has read it with something else;
// session tickets are not words.
func TestSilent(t *testing.T) {
	ca := newAuthority(t)
	settings := &tls.Config{Certificates: []tls.Certificate{ca.issue("node", nil, "mail.example.org")}}
	for _, row := range []struct {
		name   string
		does   func(*tls.Conn)
		hears  string
		silent bool
	}{
		{"nothing but tickets", func(c *tls.Conn) {}, "", true},
		{"an answer", func(c *tls.Conn) { io.WriteString(c, "answer") }, "answer", true},
		{"an answer and more behind it", func(c *tls.Conn) {
			under := c.NetConn().(*held)
			under.hold = true
			io.WriteString(c, "answer")
			io.WriteString(c, "unasked")
			under.Conn.Write(under.bytes)
		}, "answer", false},
		{"close_notify", func(c *tls.Conn) { io.WriteString(c, "answer"); c.CloseWrite() }, "answer", false},
		{"the end", func(c *tls.Conn) { io.WriteString(c, "answer"); c.Close() }, "answer", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			done := make(chan struct{})
			n := newNode(t, func(c *net.TCPConn) {
				s := tls.Server(&held{Conn: c}, settings)
				s.Handshake()
				row.does(s)
				close(done)
				io.Copy(io.Discard, s)
			})
			w := newWalker(t, ca, nil, n)
			_, a, _ := w.walk()
			defer release(a)
			<-done
			got := make([]byte, len(row.hears))
			if _, err := io.ReadFull(a.secure, got); err != nil || string(got) != row.hears {
				t.Fatalf("heard %q, %v", got, err)
			}
			// What the node has sent may still be on its way.
			if row.silent && !silent(a.secure) {
				t.Error("not silent")
			}
			if !row.silent {
				eventually(t, "the node's words are noticed", func() bool { return !silent(a.secure) })
			}
		})
	}
}

// held keeps back what is written, to send it in one segment.
type held struct {
	net.Conn
	hold  bool
	bytes []byte
}

func (h *held) Write(b []byte) (int, error) {
	if !h.hold {
		return h.Conn.Write(b)
	}
	h.bytes = append(h.bytes, b...)
	return len(b), nil
}
