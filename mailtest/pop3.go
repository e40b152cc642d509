package mailtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"strconv"
	"strings"
)

// servePOP3 is RFC 1939 with CAPA (RFC 2449), STLS (RFC 2595) and AUTH PLAIN (RFC 5034).
func servePOP3(n *Node, c net.Conn) {
	s := &pop3Session{lineConn: newLineConn(c), node: n, dead: make(map[*message]bool)}
	defer s.close()
	s.say("+OK %s POP3 server ready", n.Name)
	for {
		line, err := s.line()
		if err != nil {
			return
		}
		verb, arg, _ := strings.Cut(line, " ")
		if !s.command(strings.ToUpper(verb), arg) {
			return
		}
	}
}

type pop3Session struct {
	*lineConn
	node *Node
	name string   // what USER said
	user *account // nil: not logged in
	drop []*message
	dead map[*message]bool
}

// command answers one and says whether the session goes on.
func (s *pop3Session) command(verb, arg string) bool {
	switch verb {
	case "CAPA":
		s.capa()
	case "STLS":
		return s.stls()
	case "USER":
		s.name = arg
		s.say("+OK")
	case "PASS":
		s.login(s.name, arg)
	case "AUTH":
		return s.auth(arg)
	case "NOOP":
		s.say("+OK")
	case "QUIT":
		s.quit()
		return false
	default:
		s.transaction(verb, arg)
	}
	return true
}

// transaction is the commands that need a login.
func (s *pop3Session) transaction(verb, arg string) {
	if s.user == nil {
		s.say("-ERR unknown command, or log in first")
		return
	}
	switch verb {
	case "STAT":
		count, size := s.stat()
		s.say("+OK %d %d", count, size)
	case "LIST":
		s.list(arg, func(m *message) string { return strconv.Itoa(len(m.text)) })
	case "UIDL":
		s.list(arg, uid)
	case "RETR":
		s.retrieve(arg, -1)
	case "TOP":
		number, lines, _ := strings.Cut(arg, " ")
		count, err := strconv.Atoi(lines)
		if err != nil || count < 0 {
			s.say("-ERR how many lines?")
			return
		}
		s.retrieve(number, count)
	case "DELE":
		if m := s.find(arg); m != nil {
			s.dead[m] = true
			s.say("+OK deleted")
		}
	case "RSET":
		clear(s.dead)
		s.say("+OK")
	default:
		s.say("-ERR unknown command")
	}
}

func (s *pop3Session) capa() {
	s.say("+OK")
	s.say("USER\r\nSASL PLAIN\r\nUIDL\r\nTOP\r\nRESP-CODES\r\nIMPLEMENTATION posthouse-mailtest")
	if s.node.TLS != nil && !s.secured() {
		s.say("STLS")
	}
	s.say(".")
}

func (s *pop3Session) stls() bool {
	if s.node.TLS == nil || s.secured() || s.user != nil {
		s.say("-ERR not now")
		return true
	}
	s.say("+OK begin TLS")
	return s.startTLS(s.node.TLS) == nil
}

func (s *pop3Session) auth(arg string) bool {
	mechanism, response, given := strings.Cut(arg, " ")
	if !strings.EqualFold(mechanism, "PLAIN") {
		s.say("-ERR PLAIN is what we have")
		return true
	}
	if !given {
		s.say("+ ")
		var err error
		if response, err = s.line(); err != nil {
			return false
		}
	}
	name, password, _ := plain(response)
	s.login(name, password)
	return true
}

func (s *pop3Session) login(name, password string) {
	user, err := s.node.Store.login(name, password)
	if s.user != nil || err != nil {
		s.say("-ERR [AUTH] %v", errLogin) // RFC 3206
		return
	}
	s.user, s.drop = user, user.maildrop()
	s.say("+OK %s has %d messages at %s", user.name, len(s.drop), s.node.Name)
}

func (s *pop3Session) quit() {
	if s.user != nil && len(s.dead) > 0 {
		s.user.remove(s.dead)
	}
	s.say("+OK %s says goodbye", s.node.Name)
}

func (s *pop3Session) stat() (count, size int) {
	for _, m := range s.drop {
		if !s.dead[m] {
			count++
			size += len(m.text)
		}
	}
	return count, size
}

// find gives the message of a number from 1, or says that there is none.
func (s *pop3Session) find(number string) *message {
	i, err := strconv.Atoi(number)
	if err != nil || i < 1 || i > len(s.drop) || s.dead[s.drop[i-1]] {
		s.say("-ERR no such message")
		return nil
	}
	return s.drop[i-1]
}

func (s *pop3Session) list(arg string, show func(*message) string) {
	if arg != "" {
		if m := s.find(arg); m != nil {
			s.say("+OK %s %s", arg, show(m))
		}
		return
	}
	s.say("+OK")
	for i, m := range s.drop {
		if !s.dead[m] {
			s.say("%d %s", i+1, show(m))
		}
	}
	s.say(".")
}

// retrieve sends a message, or its header and a number of lines of its body where that is not negative.
func (s *pop3Session) retrieve(number string, lines int) {
	m := s.find(number)
	if m == nil {
		return
	}
	text := m.text
	if lines >= 0 {
		text = top(text, lines)
	}
	s.say("+OK")
	for line := range bytes.Lines(text) {
		if line[0] == '.' { // RFC 1939, 3: byte-stuffing
			s.w.WriteByte('.')
		}
		s.say("%s", bytes.TrimRight(line, "\r\n"))
	}
	s.say(".")
}

// top is the header, the empty line and so many lines more (RFC 1939, TOP).
func top(text []byte, lines int) []byte {
	size, body := 0, false
	for line := range bytes.Lines(text) {
		if body {
			lines--
		}
		if lines < 0 {
			break
		}
		size += len(line)
		body = body || len(bytes.TrimRight(line, "\r\n")) == 0
	}
	return text[:size]
}

func uid(m *message) string {
	sum := sha256.Sum256(m.text)
	return hex.EncodeToString(sum[:10])
}
