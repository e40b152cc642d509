package mailtest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// maxLine bounds a command line in bytes; POP3 needs 255 (RFC 2449, 4), a base64 SASL response somewhat more.
const maxLine = 4096

var errLongLine = errors.New("line too long")

// lineConn is a server's end of a line protocol: what POP3 and ManageSieve have in common. What is said goes out
// when the next line is asked for, so that an answer of many lines is one write.
type lineConn struct {
	c net.Conn
	r *bufio.Reader
	w *bufio.Writer
}

func newLineConn(c net.Conn) *lineConn {
	return &lineConn{c: c, r: bufio.NewReaderSize(c, maxLine), w: bufio.NewWriterSize(c, 1024)}
}

// close says what is left to say and ends the session.
func (l *lineConn) close() {
	l.w.Flush()
	l.c.Close()
}

// line reads one, without its end. Anything that is wrong with it ends the session.
func (l *lineConn) line() (string, error) {
	l.c.SetDeadline(time.Now().Add(idleTimeout))
	if err := l.w.Flush(); err != nil {
		return "", err
	}
	b, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", errLongLine
	}
	if err != nil {
		return "", err
	}
	return string(bytes.TrimRight(b, "\r\n")), nil
}

// block reads exactly size bytes; the caller has bounded it.
func (l *lineConn) block(size int) (string, error) {
	b := make([]byte, size)
	_, err := io.ReadFull(l.r, b)
	return string(b), err
}

// say writes a line; an error shows at the next read.
func (l *lineConn) say(format string, args ...any) {
	fmt.Fprintf(l.w, format+"\r\n", args...)
}

// secured says whether TLS is on.
func (l *lineConn) secured() bool {
	_, ok := l.c.(*tls.Conn)
	return ok
}

// startTLS goes over to TLS. What a client sent in the clear behind its command is an injection (RFC 2595, 2.1)
// and ends the session.
func (l *lineConn) startTLS(config *tls.Config) error {
	if l.r.Buffered() > 0 {
		return errors.New("plain text behind STARTTLS")
	}
	if err := l.w.Flush(); err != nil {
		return err
	}
	secured := tls.Server(l.c, config)
	secured.SetDeadline(time.Now().Add(handshakeTimeout))
	if err := secured.Handshake(); err != nil {
		return err
	}
	l.c = secured
	l.r.Reset(secured)
	l.w.Reset(secured)
	return nil
}

// plain takes name and password out of a SASL PLAIN message (RFC 4616).
func plain(encoded string) (name, password string, ok bool) {
	b, err := base64.StdEncoding.DecodeString(encoded)
	parts := strings.Split(string(b), "\x00")
	if err != nil || len(parts) != 3 {
		return "", "", false
	}
	return parts[1], parts[2], true
}
