package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// talk is one conversation in lines with the balancer, for tests that need its middle.
type talk struct {
	t    *testing.T
	conn net.Conn
	read *bufio.Reader
}

// dialogue connects to a service from an address.
func dialogue(t *testing.T, service, from string) *talk {
	t.Helper()
	dialer := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.Dial("tcp", at(service))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	return &talk{t, conn, bufio.NewReader(conn)}
}

func (k *talk) say(line string) {
	k.t.Helper()
	if _, err := fmt.Fprintf(k.conn, "%s\r\n", line); err != nil {
		k.t.Fatal(err)
	}
}

// expect reads to a line that begins so.
func (k *talk) expect(prefix string) string {
	k.t.Helper()
	line, err := until(k.read, prefix)
	if err != nil {
		k.t.Fatalf("want %q: %v", prefix, err)
	}
	return line
}

// rest is all that comes until the close.
func (k *talk) rest() string {
	k.t.Helper()
	data, err := io.ReadAll(k.read)
	if err != nil {
		k.t.Errorf("after %q: %v", data, err)
	}
	return string(data)
}
