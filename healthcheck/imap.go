package healthcheck

import "posthouse/wire"

// imap reads the greeting, asks for the capabilities even where the greeting has them (the answer also shows that
// the node took nothing of ours for a command), and logs out.
func (d *dialogue) imap() *failure {
	greeting, err := wire.ReadIMAPLine(&d.lines)
	if err != nil {
		return d.ungreeted(err, d.raw.read)
	}
	switch {
	case greeting.Tag != "*" || greeting.Status == "" || greeting.Status == "NO" || greeting.Status == "BAD":
		return d.ungreeted(wire.ErrSyntax, d.raw.read)
	case greeting.Status == "BYE":
		return failed("refuses: BYE %s", greeting.Text)
	}
	d.greeted()
	d.out.version = wire.Software(greeting.Text)
	if f := d.imapCapabilities(greeting); f != nil {
		return f
	}
	if f := d.upgrade(); f != nil {
		return f
	}
	d.leave("p2 LOGOUT", func() error {
		_, _, err := wire.ReadIMAPAnswer(&d.lines, "p2")
		return err
	})
	return nil
}

func (d *dialogue) imapCapabilities(greeting wire.IMAPLine) *failure {
	const command = "CAPABILITY"
	if err := d.say("p1 " + command); err != nil {
		return d.unanswered(command, err)
	}
	answer, capabilities, err := wire.ReadIMAPAnswer(&d.lines, "p1")
	if err != nil {
		return d.unanswered(command, err)
	}
	if answer.Status != "OK" {
		return failed("answers %s with %s %s%s", command, answer.Status, answer.Text, d.headerDoubt())
	}
	if capabilities == nil {
		capabilities = greeting.Capabilities()
	}
	d.out.capabilities = capabilities
	return nil
}
