package proxy

import (
	"bufio"
	"io"
	"net"
	"testing"
)

// TestHTTPClientLeavesBeforeInterim has a client that is gone when its node sends an interim response: the node has not failed.
func TestHTTPClientLeavesBeforeInterim(t *testing.T) {
	asked, gone := make(chan bool), make(chan bool)
	r := newHTTPRig(t, nil, newNode(t, func(c *net.TCPConn) {
		if _, ok := readHead(bufio.NewReader(c)); ok {
			close(asked)
			<-gone
			io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\n")
			io.Copy(io.Discard, c)
		}
	}))
	c := r.connect()
	c.say(get("/"))
	<-asked
	c.SetLinger(0)
	c.Close()
	close(gone)
	r.expectEnd("reset-client")
	if all := r.suspects(); len(all) > 0 {
		t.Errorf("%v are suspected", all)
	}
}
