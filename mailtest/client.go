package mailtest

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// DefaultTimeout is how long a Client waits for a line where nothing else is said: long for a busy machine, short
// for somebody who waits for a failing test.
const DefaultTimeout = 10 * time.Second

// Client is a mail client that follows a script. It is used by one goroutine at a time.
type Client struct {
	Conn    net.Conn
	TLS     *tls.Config   // for STARTTLS
	Timeout time.Duration // for each line and each write; 0 = DefaultTimeout

	r *bufio.Reader
}

// Dial connects; implicit says whether TLS begins at once. The caller closes Conn.
func Dial(ctx context.Context, addr string, config *tls.Config, implicit bool) (*Client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := NewClient(conn)
	c.TLS = config
	if implicit {
		err = c.StartTLS()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// NewClient is a client on a connection that is there.
func NewClient(conn net.Conn) *Client { return &Client{Conn: conn, r: bufio.NewReader(conn)} }

// StartTLS goes over to TLS now. Lines that came in the clear and were not read yet are an error, as for a careful
// client they are an attack.
func (c *Client) StartTLS() error {
	if c.r.Buffered() > 0 {
		return fmt.Errorf("plain text before TLS")
	}
	secured := tls.Client(c.Conn, c.TLS)
	secured.SetDeadline(c.deadline())
	if err := secured.Handshake(); err != nil {
		return err
	}
	c.Conn = secured
	c.r.Reset(secured)
	return nil
}

// Play follows a dialogue of lines; blank ones and those that begin with # are skipped:
//
//	S: 220          a line must come that begins with this
//	S~ 250          lines come until one begins with this
//	C: EHLO me      is sent, with CRLF; \r, \n and \\ mean what they mean in Go
//	TLS             goes over to TLS
//	END             the other end must close
//
// The error names the line of the script that failed and what came instead.
func (c *Client) Play(script string) error {
	number := 0
	for line := range strings.Lines(script) {
		number++
		line = strings.TrimLeft(strings.TrimRight(line, "\r\n"), " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		if err := c.step(line); err != nil {
			return fmt.Errorf("line %d, %q: %w", number, line, err)
		}
	}
	return nil
}

func (c *Client) step(line string) error {
	verb, text, _ := strings.Cut(line, " ")
	switch verb {
	case "S:":
		_, err := c.Expect(text)
		return err
	case "S~":
		_, err := c.Until(text)
		return err
	case "C:":
		return c.Send(unescape.Replace(text))
	case "TLS":
		return c.StartTLS()
	case "END":
		return c.End()
	}
	return fmt.Errorf("no such step")
}

var unescape = strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\\`, `\`)

// Send writes a line; CRLF is added.
func (c *Client) Send(line string) error {
	c.Conn.SetWriteDeadline(c.deadline())
	_, err := io.WriteString(c.Conn, line+"\r\n")
	return err
}

// Line reads one, without its end.
func (c *Client) Line() (string, error) {
	c.Conn.SetReadDeadline(c.deadline())
	line, err := c.r.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

// Expect reads a line that must begin with prefix.
func (c *Client) Expect(prefix string) (string, error) {
	line, err := c.Line()
	if err != nil {
		return line, err
	}
	if !strings.HasPrefix(line, prefix) {
		return line, fmt.Errorf("got %q", line)
	}
	return line, nil
}

// Until reads lines to the first one that begins with prefix.
func (c *Client) Until(prefix string) (string, error) {
	for {
		line, err := c.Line()
		if err != nil || strings.HasPrefix(line, prefix) {
			return line, err
		}
	}
}

// End waits for the other end to close; anything that it says before is an error.
func (c *Client) End() error {
	line, err := c.Line()
	if err == io.EOF && line == "" {
		return nil
	}
	if err == nil {
		return fmt.Errorf("got %q", line)
	}
	return err
}

func (c *Client) deadline() time.Time {
	if c.Timeout > 0 {
		return time.Now().Add(c.Timeout)
	}
	return time.Now().Add(DefaultTimeout)
}
