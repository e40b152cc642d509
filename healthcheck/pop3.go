package healthcheck

import (
	"io"

	"posthouse/wire"
)

// pop3 reads the greeting, asks for the capabilities, and quits.
func (d *dialogue) pop3() *failure {
	greeting, err := wire.ReadPOP3Reply(&d.lines)
	if err != nil {
		return d.ungreeted(err, d.raw.read)
	}
	if !greeting.OK {
		return failed("refuses: -ERR %s", greeting.Text)
	}
	d.greeted()
	d.out.version = wire.Software(greeting.Text)
	if err := d.say("CAPA"); err != nil {
		return d.unanswered("CAPA", err)
	}
	reply, err := wire.ReadPOP3Reply(&d.lines)
	if err != nil {
		return d.unanswered("CAPA", err)
	}
	if !reply.OK {
		return d.withoutCapabilities(reply)
	}
	lines, err := wire.ReadPOP3Lines(&d.lines)
	if err != nil {
		return d.unanswered("CAPA", err)
	}
	d.learn(wire.POP3Capabilities(lines))
	if f := d.upgrade(); f != nil {
		return f
	}
	d.leave("QUIT", d.pop3Reply)
	return nil
}

// withoutCapabilities tells a server that has no CAPA, which it need not have (RFC 2449, 2), from one that took our
// PROXY header for a command: that one has more to say than one answer to QUIT, at once or a little later.
func (d *dialogue) withoutCapabilities(reply wire.POP3Reply) *failure {
	var quit wire.POP3Reply
	more := false
	err := d.leaveAsking("QUIT", func() (err error) {
		if quit, err = wire.ReadPOP3Reply(&d.lines); err == nil {
			_, late := d.lines.ReadLine()
			more = late == nil
		}
		return err
	})
	if doubt := d.headerDoubt(); doubt != "" && (err != nil && err != io.EOF || err == nil && !quit.OK || more) {
		return failed("answers CAPA with -ERR %s%s", reply.Text, doubt)
	}
	return nil
}

func (d *dialogue) pop3Reply() error {
	_, err := wire.ReadPOP3Reply(&d.lines)
	return err
}

func (d *dialogue) learn(capabilities []string, implementation string) {
	d.out.capabilities = capabilities
	if v := wire.Software(implementation); v != "" {
		d.out.version = v
	} else if implementation != "" {
		d.out.version = implementation
	}
}
