package healthcheck

import (
	"fmt"

	"posthouse/config"
	"posthouse/wire"
)

// startTLSWord is what asks for TLS on a plain port, and by which a node offers it; "" where a protocol has none, or none
// that clients use.
func startTLSWord(p config.Protocol) string {
	switch p {
	case config.SMTP, config.IMAP, config.Sieve: // RFC 3207, 4; RFC 9051, 6.2.1; RFC 5804, 2.2
		return "STARTTLS"
	case config.POP3: // RFC 2595, 4
		return "STLS"
	}
	return ""
}

// upgrade goes over to TLS as clients of a plain port do, if the job asks for that.
func (d *dialogue) upgrade() *failure {
	if !d.starttls {
		return nil
	}
	word := startTLSWord(d.protocol)
	refusal, err := d.askTLS(word)
	switch {
	case err != nil:
		return d.unanswered(word, err)
	case refusal != "":
		return failed("answers %s with %s", word, refusal)
	case len(d.lines.Buffered()) > 0: // what anybody could have put in (RFC 9051, 6.2.1) would count as said inside
		return failed("says more in the clear behind its answer to %s", word)
	}
	if f := d.handshake(); f != nil {
		return f
	}
	if d.protocol == config.Sieve { // it tells its capabilities again (RFC 5804, 2.2)
		if _, err := wire.ReadSieveReply(&d.lines); err != nil {
			return d.unanswered(word, err)
		}
	}
	return nil
}

// askTLS gives the answer if it is no yes.
func (d *dialogue) askTLS(word string) (refusal string, err error) {
	command := word
	if d.protocol == config.IMAP {
		command = "s1 " + word
	}
	if err := d.say(command); err != nil {
		return "", err
	}
	agrees, answer := false, ""
	switch d.protocol {
	case config.SMTP:
		var reply wire.SMTPReply
		reply, err = wire.ReadSMTPReply(&d.lines)
		agrees, answer = reply.Code == 220, fmt.Sprintf("%d %s", reply.Code, reply.Text())
	case config.IMAP:
		var line wire.IMAPLine
		line, _, err = wire.ReadIMAPAnswer(&d.lines, "s1")
		agrees, answer = line.Status == "OK", line.Status+" "+line.Text
	case config.POP3:
		var reply wire.POP3Reply
		reply, err = wire.ReadPOP3Reply(&d.lines)
		agrees, answer = reply.OK, "-ERR "+reply.Text
	case config.Sieve:
		var reply wire.SieveReply
		reply, err = wire.ReadSieveReply(&d.lines)
		agrees, answer = reply.Status == "OK", reply.Status+" "+reply.Text
	}
	if agrees || err != nil {
		return "", err
	}
	return answer, nil
}
