package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"posthouse/config"
	"posthouse/routing"
	"posthouse/wire"
)

// outcome is what became of an attempt.
type outcome uint8

const (
	greeted outcome = iota // the node takes the session
	refused                // it refuses in words
	failed                 // it did not accept, hung up, was silent or said garbage
	own                    // we could not even ask it: no port, no descriptor
)

// attempt is one node that is tried for a session. Its goroutine owns it until it is handed to the walk.
type attempt struct {
	walk    *walk
	backend *routing.Backend
	began   time.Time
	until   time.Time // when it must have greeted

	given     *quickCall   // what a loop has done of it; nil: nothing
	conn      *net.TCPConn // nil: not connected
	secure    *tls.Conn    // TLS over conn; nil: none of ours
	header    []byte       // the PROXY header, until it is sent with the hello
	address   netip.AddrPort
	first     []byte // what the node has said
	outcome   outcome
	reason    string // for the log, where it is not greeted
	connected time.Duration
	answered  time.Duration // from the connection
}

// run connects, says who the client is and waits for the node's first words.
func (a *attempt) run(ctx context.Context) {
	if !a.begin(ctx) {
		return
	}
	if a.walk.mode == commitOnConnect {
		return
	}
	// Whoever loses must hang up like any client, so it waits a moment longer for the greeting.
	stop := context.AfterFunc(ctx, func() { a.conn.SetReadDeadline(time.Now().Add(partingTime)) })
	began := time.Now()
	if (a.walk.node == nil || a.encrypt()) && a.walk.mode != commitOnHandshake {
		a.listen()
	}
	a.answered = time.Since(began)
	stop()
}

// begin gets as far as the node's first words.
func (a *attempt) begin(ctx context.Context) bool {
	if a.given != nil {
		return a.takeOver(ctx, a.given)
	}
	a.fail(failed, "unresolved")
	return a.dial(ctx, a.backend.Addrs) && a.introduce()
}

// stream is what the node's words are read from.
func (a *attempt) stream() io.Reader {
	if a.secure != nil {
		return a.secure
	}
	return a.conn
}

// dial tries addresses of the node in order, each from all our sources.
func (a *attempt) dial(ctx context.Context, addresses []netip.AddrPort) bool {
	for _, address := range addresses {
		address = a.walk.target(a.backend, address)
		a.address = address
		began := time.Now()
		conn, err := a.walk.server.dialer.dial(ctx, a.backend.Service, address, a.until)
		if err == nil {
			a.conn, a.outcome, a.connected = conn, greeted, time.Since(began)
			return true
		}
		a.fail(judgeDial(err))
		if ctx.Err() != nil {
			return false
		}
	}
	return false
}

// introduce sends the PROXY header and the hello, in one write: a header in a segment of its own is late for some nodes.
func (a *attempt) introduce() bool {
	a.limit()
	opening := a.walk.session.opening(&a.walk.approach, a.backend)
	if a.walk.node != nil {
		a.header = opening
		return true
	}
	if len(opening) == 0 {
		return true
	}
	if _, err := a.conn.Write(opening); err != nil {
		a.fail(judgeRead(err))
		return false
	}
	return true
}

// limit bounds what is left of the attempt.
func (a *attempt) limit() {
	late := time.Now().Add(a.backend.Service.Timeouts.Greeting)
	if late.After(a.until) {
		late = a.until
	}
	a.conn.SetDeadline(late)
}

// listen waits for the node's first byte, or for its greeting where it speaks first.
func (a *attempt) listen() {
	size := 512 // most greetings are one line
	if a.walk.mode == commitOnByte {
		size = 4 << 10 // a server's first flight of TLS
	}
	given := len(a.first)
	a.first = append(make([]byte, 0, max(size, 2*given)), a.first...)
	for n := given; ; {
		var err error
		if n == 0 {
			n, err = a.stream().Read(a.first[len(a.first):cap(a.first)])
			a.first = a.first[:len(a.first)+n]
		}
		verdict := wire.Incomplete
		if n > 0 {
			verdict = a.walk.judge(a.first)
		}
		n = 0
		switch {
		case verdict == wire.Welcome:
			return
		case verdict == wire.Refusal:
			a.fail(refused, "words")
			return
		case verdict == wire.Garbage:
			a.fail(failed, "garbage")
			return
		case err != nil:
			a.fail(judgeRead(err))
			return
		case len(a.first) == cap(a.first):
			a.first = append(make([]byte, 0, 2*cap(a.first)), a.first...) // the judge ends this at wire.MaxGreeting
		}
	}
}

func (a *attempt) fail(o outcome, reason string) { a.outcome, a.reason = o, reason }

// slow says whether the node was silent for so long that another one was asked beside it.
func (a *attempt) slow() bool {
	hedge := a.walk.hedgeAfter(a.backend)
	return hedge > 0 && time.Since(a.began) >= hedge
}

// leave hangs up on a node that is not needed, so that nothing in its log looks like an attack, and counts the session out.
func (a *attempt) leave() {
	a.backend.End()
	switch {
	case a.conn == nil:
	case a.outcome == failed || a.outcome == own:
		a.conn.Close()
	case a.secure != nil:
		partSecure(a.secure, a.conn, a.walk.partingWords())
	default:
		part(a.conn, a.walk.partingWords())
	}
}

// judgeDial sorts the errors of a connect: which are the node's and which are ours.
func judgeDial(err error) (outcome, string) {
	switch {
	case errors.Is(err, unix.EADDRNOTAVAIL), errors.Is(err, unix.EADDRINUSE):
		return own, "no-port"
	case exhausted(err):
		return own, "no-descriptor"
	case errors.Is(err, context.Canceled):
		return own, "cancelled"
	case errors.Is(err, unix.ECONNREFUSED):
		return failed, "refused"
	case errors.Is(err, unix.ECONNRESET):
		return failed, "reset"
	case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ENETUNREACH):
		return failed, "unreachable"
	case isTimeout(err):
		return failed, "timeout"
	}
	var cause syscall.Errno
	if errors.As(err, &cause) {
		return failed, cause.Error()
	}
	return failed, err.Error()
}

// silence is the reason of a node that accepts and does not speak in time.
const silence = "silent"

// judgeRead sorts the errors of a connection that stands.
func judgeRead(err error) (outcome, string) {
	switch {
	case isTimeout(err):
		return failed, silence
	case errors.Is(err, io.EOF):
		return failed, "closed"
	case errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
		return failed, "reset"
	}
	return failed, err.Error()
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// greetingOf is the judge of a protocol's first words.
func greetingOf(p config.Protocol) func([]byte) wire.Verdict {
	switch p {
	case config.IMAP:
		return wire.IMAPGreeting
	case config.POP3:
		return wire.POP3Greeting
	case config.Sieve:
		return wire.SieveGreeting
	}
	return wire.SMTPGreeting
}

func anyByte([]byte) wire.Verdict { return wire.Welcome }
