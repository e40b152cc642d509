package healthcheck

import "posthouse/wire"

// sieve reads the greeting, which has the capabilities, and logs out.
func (d *dialogue) sieve() *failure {
	greeting, err := wire.ReadSieveReply(&d.lines)
	if err != nil {
		return d.ungreeted(err, d.raw.read)
	}
	if greeting.Status != "OK" {
		return failed("refuses: %s %s", greeting.Status, greeting.Text)
	}
	d.greeted()
	d.learn(greeting.Capabilities, greeting.Implementation)
	if f := d.upgrade(); f != nil {
		return f
	}
	var reply wire.SieveReply
	err = d.leaveAsking("LOGOUT", func() (err error) {
		reply, err = wire.ReadSieveReply(&d.lines)
		return err
	})
	if err == nil && reply.Status == "NO" { // not to LOGOUT: it took our PROXY header for a command
		return failed("answers LOGOUT with NO %s%s", reply.Text, d.headerDoubt())
	}
	return nil
}
