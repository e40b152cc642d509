package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

const (
	// maxHello bounds the bytes that a client may send before its hello is complete: 64 KiB, which is also what
	// crypto/tls takes as one handshake message, and room for the headers of some hundred records.
	maxHello = 64<<10 + 2<<10

	// helloTime bounds the wait for it. Telephones on bad networks need seconds; more only helps those who hold sessions open.
	helloTime = 10 * time.Second
)

// hello is what a client's TLS hello tells, and its bytes as they came, for the node.
type hello struct {
	raw        []byte
	serverName string   // as sent; "" = none
	protocols  []string // ALPN, as offered
	version    uint16   // the highest that is offered
}

// alpn is the one protocol that is offered. Of several we cannot know which one the node chooses.
func (h *hello) alpn() string {
	if len(h.protocols) == 1 {
		return h.protocols[0]
	}
	return ""
}

// tlsVersion names the highest version offered, such as "1.3".
func (h *hello) tlsVersion() string { return versionName(h.version) }

func (h *hello) note(info *tls.ClientHelloInfo) {
	h.serverName = info.ServerName
	h.protocols = info.SupportedProtos
	for _, v := range info.SupportedVersions {
		if v <= tls.VersionTLS13 && v > h.version { // GREASE values (RFC 8701) are larger
			h.version = v
		}
	}
}

var (
	errHelloRead = errors.New("read")
	errHelloSize = errors.New("more than 64 KiB")
)

// readHello reads the hello of a client and nothing that it does not need for that. What was read is in raw even if
// there is an error.
//
// crypto/tls parses it, from a connection that records what it reads and sends nothing: it knows segments, records and
// every extension, and it is the parser of the sessions that end here.
func readHello(r io.Reader) (*hello, error) {
	h := &hello{raw: make([]byte, 0, 2<<10)}
	tape := &recorder{source: r, hello: h}
	server := tls.Server(tape, &tls.Config{GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		h.note(info)
		return nil, errHelloRead
	}})
	err := server.HandshakeContext(context.Background())
	switch {
	case errors.Is(err, errHelloRead):
		return h, nil
	case tape.err != nil:
		return h, fmt.Errorf("tls hello: %w", tape.err)
	}
	return h, fmt.Errorf("tls hello: %w", err)
}

// recorder is the net.Conn that crypto/tls sees.
type recorder struct {
	source io.Reader
	hello  *hello
	err    error // of source
}

func (r *recorder) Read(p []byte) (int, error) {
	room := maxHello - len(r.hello.raw)
	if room == 0 {
		r.err = errHelloSize
		return 0, r.err
	}
	n, err := r.source.Read(p[:min(len(p), room)])
	r.hello.raw = append(r.hello.raw, p[:n]...)
	if err != nil {
		r.err = err
	}
	return n, err
}

// Write drops the alert with which crypto/tls ends: the answer is the node's.
func (r *recorder) Write(p []byte) (int, error) { return len(p), nil }

func (r *recorder) Close() error                     { return nil }
func (r *recorder) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (r *recorder) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (r *recorder) SetDeadline(time.Time) error      { return nil }
func (r *recorder) SetReadDeadline(time.Time) error  { return nil }
func (r *recorder) SetWriteDeadline(time.Time) error { return nil }

// serves says whether a service with these names is meant by a server name: the very name, or for "*.example.org" one
// more label.
func serves(names []string, serverName string) (exact, wildcard bool) {
	_, parent, _ := strings.Cut(serverName, ".")
	for _, name := range names {
		if name == serverName {
			return true, false
		}
		if base, ok := strings.CutPrefix(name, "*."); ok && base == parent && parent != "" {
			wildcard = true
		}
	}
	return false, wildcard
}
