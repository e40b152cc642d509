package proxy

import (
	"io"
	"net"
	"time"

	"posthouse/config"
)

// occasion is what our own words are about.
type occasion uint8

const (
	unavailable occasion = iota // no node answers
	tooMany                     // over a limit
	notAllowed                  // denied
)

// words are what a client of a protocol is told before we close; nil where there are none.
func words(p config.Protocol, cluster string, o occasion) []byte {
	text := [...]string{
		"no server available, try again later",
		"too many connections, try again later",
		"connection not accepted, try again later",
	}[o]
	line := ""
	switch p {
	case config.SMTP, config.LMTP: // RFC 5321, 3.8: a server that must close says 421; the codes are RFC 3463's
		line = choose(o, "421 4.3.2 ", "421 4.7.0 ") + cluster + " " + text
	case config.IMAP: // RFC 5530, 3
		line = choose(o, "* BYE [UNAVAILABLE] ", "* BYE [LIMIT] ") + text
	case config.POP3: // RFC 3206, 4
		line = "-ERR [SYS/TEMP] " + text
	case config.Sieve: // RFC 5804, 1.3
		line = `BYE (TRYLATER) "` + text + `"`
	case config.HTTP:
		return httpWords(o)
	default:
		return nil
	}
	return []byte(line + "\r\n")
}

func choose(o occasion, unanswered, refused string) string {
	if o == unavailable {
		return unanswered
	}
	return refused
}

// partingWords ends a session with a protocol of many clients that never close first.
func partingWords(p config.Protocol) string {
	switch p {
	case config.SMTP, config.LMTP, config.POP3:
		return "QUIT\r\n"
	case config.IMAP:
		return "A LOGOUT\r\n"
	case config.Sieve:
		return "LOGOUT\r\n"
	}
	return ""
}

// partingTime is how long we read on after our last words: closing with unread input would send a reset, and the peer
// would lose the words.
const partingTime = time.Second

// partingBytes bounds what we read on.
const partingBytes = 64 << 10

// part says the last words, ends our side, reads on for a moment and closes.
func part(c *net.TCPConn, last []byte) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(partingTime))
	if len(last) > 0 {
		if _, err := c.Write(last); err != nil {
			return
		}
	}
	if c.CloseWrite() == nil {
		io.CopyN(io.Discard, c, partingBytes)
	}
}
