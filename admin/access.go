package admin

import (
	"crypto/subtle"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"posthouse/config"
)

// access is who may ask, and how the connection is secured.
type access struct {
	token       []byte      // nil: everybody who can connect
	certificate *tls.Config // nil: plain HTTP
	local       bool        // bound to loopback or to a unix socket
}

// tokenLength is the least that a token must have: below it guessing over the network becomes thinkable.
const tokenLength = 16

func readAccess(a config.Admin) (*access, error) {
	access := &access{local: isLocal(a.Listen)}
	if a.Cert != "" {
		pair, err := tls.LoadX509KeyPair(a.Cert, a.Key)
		if err != nil {
			return nil, err
		}
		access.certificate = &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}
	}
	if a.TokenFile == "" {
		return access, nil
	}
	token, err := readToken(a.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("token_file: %w", err)
	}
	access.token = token
	return access, nil
}

func readToken(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 4<<10))
	if err != nil {
		return nil, err
	}
	token := strings.TrimSpace(string(data))
	if len(token) < tokenLength {
		return nil, fmt.Errorf("%s: want a token of at least %d characters", path, tokenLength)
	}
	return []byte(token), nil
}

// bears says whether the request carries the token (RFC 6750, 2.1).
func (a *access) bears(r *http.Request) bool {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && subtle.ConstantTimeCompare([]byte(given), a.token) == 1
}

func isLocal(listen string) bool {
	if strings.HasPrefix(listen, "unix:") {
		return true
	}
	host, _, err := net.SplitHostPort(listen)
	return err == nil && loopback(host)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// bind listens on host:port, or on the socket of unix:PATH.
func bind(listen string) (net.Listener, error) {
	path, ok := strings.CutPrefix(listen, "unix:")
	if !ok {
		return net.Listen("tcp", listen)
	}
	removeStale(path)
	return net.Listen("unix", path)
}

// removeStale removes the socket of a process that is gone; one that answers stays, and the bind says so.
func removeStale(path string) {
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		os.Remove(path)
	}
}
