package proxy

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
)

// TestFillSecure: a wait for the first byte brings everything that has come with it. One byte at a time would be relayed as a
// packet, or a TLS record, each.
func TestFillSecure(t *testing.T) {
	ca := newAuthority(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	said := []string{"x", strings.Repeat("y", 3000), strings.Repeat("z", 100)}
	heard := make(chan struct{})
	go func() {
		settings := ca.settings()
		settings.DynamicRecordSizingDisabled = true // a text is one record
		c, err := tls.Dial("tcp", l.Addr().String(), settings)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		for _, text := range said {
			c.Write([]byte(text))
			<-heard
		}
	}()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	under := &carrier{TCPConn: c.(*net.TCPConn)}
	secure := tls.Server(under, &tls.Config{Certificates: []tls.Certificate{ca.issue("mail.example.org", nil, "mail.example.org")}})
	defer secure.Close()
	var s stream
	if err := s.join(under.TCPConn, secure); err != nil {
		t.Fatal(err)
	}
	for _, text := range said {
		if err := s.fill(); err != nil {
			t.Fatal(err)
		}
		if got := string(s.unread()); got != text {
			t.Errorf("filled %d bytes, want all %d", len(got), len(text))
		}
		s.use(len(s.unread()))
		heard <- struct{}{}
	}
}
