package healthcheck

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"posthouse/config"
	"posthouse/wire"
)

// failure is why a probe failed, in the operator's words.
type failure struct {
	reason string
	ours   bool // our own fault: it says nothing of the node
	kind   Kind
}

// as notes the kind of a failure.
func (f *failure) as(k Kind) *failure {
	f.kind = k
	return f
}

func (f *failure) Error() string { return f.reason }

func failed(format string, args ...any) *failure {
	return &failure{reason: fmt.Sprintf(format, args...)}
}

const banned = "it may have banned our address or be past its connection limit"

// unconnected words a connect that failed.
func (s *spec) unconnected(err error) *failure {
	var op *net.OpError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) || timedOut(err):
		return failed("connect: no answer within %v", s.timeout).as(Unreachable)
	case errors.As(err, &op):
		err = op.Err
	}
	var sys syscall.Errno
	if errors.As(err, &sys) {
		kind := Unreachable
		if sys == syscall.ECONNREFUSED {
			kind = Refused
		}
		return &failure{reason: "connect: " + sys.Error(), ours: ours(err), kind: kind}
	}
	return failed("connect: %v", err).as(Unreachable)
}

// unshaken words a TLS handshake that failed after the node had said `heard` bytes.
func (s *spec) unshaken(err error, heard int) *failure {
	var record tls.RecordHeaderError
	var distrust *tls.CertificateVerificationError
	switch {
	case hungUp(err) && heard == 0:
		return failed("hung up during the TLS handshake without a word: %s%s", banned, s.proxyDoubt()).as(Closed)
	case timedOut(err):
		return failed("no TLS handshake within %v%s", s.timeout, s.proxyDoubt()).as(Silent)
	case errors.As(err, &record):
		return failed("no TLS on port %d: it speaks something else%s", s.port, s.proxyDoubt())
	case hungUp(err):
		return failed("hung up in the middle of the TLS handshake%s", s.proxyDoubt())
	case errors.As(err, &distrust):
		return failed("its certificate is not accepted (tls.node_ca, node_name): %v", distrust.Err).as(Untrusted)
	}
	return failed("TLS handshake: %v%s", err, s.proxyDoubt())
}

// ungreeted words a greeting that did not come.
func (s *spec) ungreeted(err error, heard int) *failure {
	switch {
	case hungUp(err) && heard == 0:
		return failed("accepted and hung up without a word: %s%s", banned, s.proxyDoubt()).as(Closed)
	case hungUp(err):
		return failed("hung up in the middle of its greeting")
	case timedOut(err) && heard == 0:
		return failed("no greeting within %v%s", s.timeout, s.proxyDoubt()).as(Silent)
	case timedOut(err):
		return failed("half a greeting within %v", s.timeout)
	case errors.Is(err, wire.ErrSyntax):
		return failed("its greeting is not %s%s", s.protocolName(), s.proxyDoubt())
	}
	return failed("greeting: %v", err)
}

// unanswered words a command after a good greeting that got no good answer.
func (s *spec) unanswered(command string, err error) *failure {
	switch {
	case hungUp(err):
		return failed("hung up after %s%s", command, s.headerDoubt())
	case timedOut(err):
		return failed("no answer to %s within %v", command, s.timeout)
	case errors.Is(err, wire.ErrSyntax):
		return failed("its answer to %s is not %s%s", command, s.protocolName(), s.headerDoubt())
	}
	return failed("%s: %v", command, err)
}

// proxyDoubt names the most frequent fault of mail behind a balancer, as the case may be: a header that the node
// waits for in vain, or one that it takes for a command.
func (s *spec) proxyDoubt() string {
	if s.proxy == config.ProxyNone {
		return "; or it expects a PROXY header, and proxy_protocol sends none"
	}
	return s.headerDoubt()
}

// headerDoubt is proxyDoubt where a missing header cannot be the reason: the node has already greeted.
func (s *spec) headerDoubt() string {
	switch {
	case s.front:
		return "; or that balancer's accept_proxy does not hold our address"
	case s.proxy == config.ProxyV1:
		return "; or it does not expect the header that proxy_protocol: v1 sends"
	case s.proxy == config.ProxyV2:
		return "; or it does not expect the header that proxy_protocol: v2 sends"
	}
	return ""
}

// unheard words a request that got no answer, or one that is not HTTP.
func (d *dialogue) unheard(err error, said []byte) *failure {
	doubt := ""
	if d.secure == nil { // else the header was right, or there would have been no handshake
		doubt = d.proxyDoubt()
	}
	switch {
	case errors.Is(err, errNotHTTP):
		return failed("its answer to %s is not HTTP/1%s", d.ask, d.otherwise(said))
	case hungUp(err) && len(said) == 0:
		return failed("hung up without an answer to %s: %s%s", d.ask, banned, doubt).as(Closed)
	case hungUp(err):
		return failed("hung up in the middle of its answer to %s", d.ask)
	case timedOut(err) && len(said) == 0:
		return failed("no answer to %s within %v%s", d.ask, d.timeout, doubt).as(Silent)
	case timedOut(err):
		return failed("half an answer to %s within %v", d.ask, d.timeout)
	}
	return failed("%s: %v", d.ask, err)
}

// otherwise is what a node that does not answer in HTTP may speak.
func (d *dialogue) otherwise(said []byte) string {
	const alert, major = 21, 3 // RFC 8446, 5.1
	switch {
	case d.secure != nil:
		return ""
	case len(said) > 1 && said[0] == alert && said[1] == major:
		return d.tlsDoubt()
	}
	return d.headerDoubt()
}

// tlsDoubt is for plain words that a node takes for a handshake.
func (s *spec) tlsDoubt() string {
	return fmt.Sprintf("; it expects TLS on port %d, and the service's tls sends none", s.port)
}

func (s *spec) protocolName() string {
	switch s.protocol {
	case config.Sieve:
		return "ManageSieve"
	case config.SMTP:
		return "SMTP"
	case config.LMTP:
		return "LMTP"
	case config.POP3:
		return "POP3"
	}
	return "IMAP"
}

func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func timedOut(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}
