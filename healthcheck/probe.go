package healthcheck

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/netip"
	"time"

	"posthouse/config"
	"posthouse/wire"
)

// job is what a probe is to do now.
type job struct {
	*spec
	addrs    []netip.Addr
	sources  []netip.Addr
	whole    bool   // all that the level asks for; false: a plain connect, where the node expects TLS
	starttls bool   // go over to TLS, where the port is plain
	round    int    // which of several sources
	agent    string // our version, for those who ask
}

// outcome is what one probe found out. What it did not see is zero and says nothing.
type outcome struct {
	failure      *failure // nil: the node answers
	greeting     time.Duration
	capabilities []string
	version      string
	expiry       time.Time
	leaf         *x509.Certificate // that was shown
	undav        bool              // OPTIONS succeeded without a word of WebDAV
	transcript   string            // of a failed one
	took         time.Duration
}

func (o outcome) good() bool { return o.failure == nil }
func (o outcome) ours() bool { return o.failure != nil && o.failure.ours }

// run probes a node: its addresses in order, until one answers. Each gets an even share of the time that is left, so
// that a first one that drops packets does not take all of it.
func (j job) run(ctx context.Context) outcome {
	begun := time.Now()
	end := begun.Add(j.timeout)
	var worst outcome
	for i, a := range j.addrs {
		now := time.Now()
		share := end.Sub(now) / time.Duration(len(j.addrs)-i)
		o := j.talk(ctx, netip.AddrPortFrom(a, j.port), now.Add(share))
		if o.good() {
			o.took = time.Since(begun)
			return o
		}
		if i == 0 || worst.ours() { // a fault of ours hides no fault of the node's
			worst = o
		}
	}
	worst.took = time.Since(begun)
	return worst
}

// talk has one dialogue with one address.
func (j job) talk(ctx context.Context, to netip.AddrPort, end time.Time) outcome {
	d := &dialogue{job: j, begun: time.Now(), end: end}
	if f := d.connect(ctx, to); f != nil {
		return outcome{failure: f, transcript: d.script.String()}
	}
	stop := context.AfterFunc(ctx, d.hurry)
	defer stop()
	f := d.speak()
	d.close()
	if f != nil {
		if len(d.script.text) == 0 {
			d.script.note("connected to " + to.String() + ", nothing was said")
		}
		d.out.failure, d.out.transcript = f, d.script.String()
	}
	return d.out
}

// dialogue is one connection to a node, from the connect to the close.
type dialogue struct {
	job
	begun, end time.Time
	raw        *meter
	secure     *tls.Conn // nil: plain text
	lines      wire.LineReader
	script     transcript
	ended      bool // the node has closed
	out        outcome
}

// connect dials and writes the PROXY header, as a session does.
func (d *dialogue) connect(ctx context.Context, to netip.AddrPort) *failure {
	conn, err := d.dial(ctx, to)
	if err != nil {
		d.script.note("connect " + to.String())
		return d.unconnected(err)
	}
	conn.SetDeadline(d.end)
	d.raw = &meter{TCPConn: conn}
	if d.raw.header = d.header(); d.raw.header != nil {
		d.script.note("PROXY header sent")
		if !d.clientFirst() {
			d.raw.Write(nil) // a node that is gone is found by the next read
		}
	}
	return nil
}

// clientFirst says whether we are the first to speak: then the header goes in one segment with that, as in a session.
func (d *dialogue) clientFirst() bool {
	return d.whole && d.level != config.LevelTCP && (d.tls || d.protocol == config.HTTP)
}

// hurry ends what the dialogue waits for, because Run ends; a goodbye still has its moment.
func (d *dialogue) hurry() { d.raw.SetDeadline(time.Unix(1, 0)) }

// header says that no client stands behind this connection. Version 1 has no form for that which every server takes
// (UNKNOWN), so it carries our own addresses.
func (d *dialogue) header() []byte {
	switch d.proxy {
	case config.ProxyV2:
		return wire.AppendProxyV2(nil, wire.ProxyHeader{Local: true})
	case config.ProxyV1:
		return wire.AppendProxyV1(nil, wire.ProxyHeader{Source: addrPort(d.raw.LocalAddr()), Destination: addrPort(d.raw.RemoteAddr())})
	}
	return nil
}

// speak goes as deep as the level and the round ask for.
func (d *dialogue) speak() *failure {
	if d.level == config.LevelTCP || !d.whole {
		return nil
	}
	if d.tls {
		if f := d.handshake(); f != nil {
			return f
		}
	}
	if d.level == config.LevelTLS {
		return nil
	}
	d.lines = wire.LineReader{R: d, Max: maxRead, BareLF: true}
	switch d.protocol {
	case config.SMTP:
		return d.smtp("EHLO")
	case config.LMTP:
		return d.smtp("LHLO")
	case config.IMAP:
		return d.imap()
	case config.POP3:
		return d.pop3()
	case config.Sieve:
		return d.sieve()
	case config.HTTP:
		return d.http()
	}
	return nil
}

// greeted notes how long the greeting took, where it is what sessions wait for.
func (d *dialogue) greeted() {
	if d.secure == nil || d.inside {
		d.out.greeting = time.Since(d.begun)
	}
}

// say sends a command.
func (d *dialogue) say(command string) error {
	_, err := d.Write([]byte(command + "\r\n"))
	return err
}

// Read reads what the node says, decrypted, into the transcript too.
func (d *dialogue) Read(b []byte) (n int, err error) {
	if d.secure != nil {
		n, err = d.secure.Read(b)
	} else {
		n, err = d.raw.Read(b)
	}
	d.script.add('S', b[:n])
	d.ended = d.ended || err == io.EOF
	return n, err
}

// Write says something to the node, encrypted where TLS is spoken.
func (d *dialogue) Write(b []byte) (int, error) {
	d.script.add('C', b)
	if d.secure != nil {
		return d.secure.Write(b)
	}
	return d.raw.Write(b)
}

// leave says the protocol's goodbye and gives the node a moment to answer and to close first, which is what it does
// with sessions.
func (d *dialogue) leave(command string, reply func() error) error {
	d.raw.SetDeadline(d.lingerUntil())
	err := d.goodbye(command, reply)
	if err == nil {
		d.drain()
	}
	return err
}

// leaveAsking is leave where what the node answers decides whether it is good. It has the probe's whole time for that
// if it may have taken our PROXY header for a command.
func (d *dialogue) leaveAsking(command string, reply func() error) error {
	if d.headerDoubt() == "" {
		return d.leave(command, reply)
	}
	err := d.goodbye(command, reply)
	if err == nil {
		d.raw.SetDeadline(d.lingerUntil())
		d.drain()
	}
	return err
}

func (d *dialogue) goodbye(command string, reply func() error) error {
	if err := d.say(command); err != nil {
		return err
	}
	return reply()
}

// drain reads to the end of the connection, or of its time.
func (d *dialogue) drain() {
	var rest [64]byte
	for {
		if _, err := d.Read(rest[:]); err != nil {
			return
		}
	}
}

// close ends the connection with FIN. A plain connect to a port where the node waits for a handshake has nothing to
// read: no word was said, and a bare end leaves the least in the node's log.
func (d *dialogue) close() {
	silent := d.tls && d.secure == nil && d.raw.read == 0
	if silent || d.ended {
		d.raw.Close()
		return
	}
	until := d.lingerUntil()
	d.raw.SetDeadline(until)
	if d.secure != nil {
		d.secure.CloseWrite() // close_notify (RFC 8446, 6.1); an error changes nothing now
	}
	part(d.raw.TCPConn, until)
}

// lingerUntil is the end of the probe's time, or of the goodbye's if that is earlier; at least a moment from now, so
// that what has already arrived can still be read.
func (d *dialogue) lingerUntil() time.Time {
	now := time.Now()
	until := now.Add(lingering)
	if until.After(d.end) {
		until = d.end
	}
	if least := now.Add(5 * time.Millisecond); until.Before(least) {
		until = least
	}
	return until
}
