package healthcheck

import (
	"errors"
	"os"

	"posthouse/wire"
)

// smtp reads the greeting, asks for the extensions with EHLO or LHLO, and quits.
func (d *dialogue) smtp(hello string) *failure {
	greeting, err := wire.ReadSMTPReply(&d.lines)
	if errors.Is(err, os.ErrDeadlineExceeded) && len(greeting.Lines) > 0 && greeting.Code == 220 {
		// Postscreen says one line of its greeting at once and the rest seconds later, to find out who speaks before
		// their turn (RFC 5321, 4.3.1). To sessions that line is a welcome, and we do not speak either.
		d.greeted()
		return nil
	}
	if err != nil {
		return d.ungreeted(err, d.raw.read)
	}
	if greeting.Code != 220 {
		return failed("refuses: %d %s", greeting.Code, greeting.Text())
	}
	d.greeted()
	d.out.version = wire.Software(greeting.Text())
	if err := d.say(hello + " " + d.name); err != nil {
		return d.unanswered(hello, err)
	}
	reply, err := wire.ReadSMTPReply(&d.lines)
	if err != nil {
		return d.unanswered(hello, err)
	}
	if reply.Code != 250 { // 500 5.5.1: it took our PROXY header for a command
		return failed("answers %s with %d %s%s", hello, reply.Code, reply.Text(), d.headerDoubt())
	}
	d.out.capabilities = reply.Keywords()
	if f := d.upgrade(); f != nil {
		return f
	}
	d.leave("QUIT", func() error {
		_, err := wire.ReadSMTPReply(&d.lines)
		return err
	})
	return nil
}
