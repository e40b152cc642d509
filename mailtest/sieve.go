package mailtest

import (
	"errors"
	"net"
	"strings"
)

const (
	maxScript  = 64 << 10 // bytes; no script of a person comes near
	maxScripts = 16
	maxWords   = 8 // the longest command has three
)

// serveSieve is ManageSieve (RFC 5804). Scripts are kept, not compiled: any text will do.
func serveSieve(n *Node, c net.Conn) {
	s := &sieveSession{lineConn: newLineConn(c), node: n}
	defer s.close()
	s.capabilities()
	for {
		words, err := s.words()
		if err != nil {
			s.say(`BYE "%v"`, err)
			return
		}
		if !s.command(strings.ToUpper(words[0]), append(words[1:], "", "")) {
			return
		}
	}
}

type sieveSession struct {
	*lineConn
	node *Node
	user *account // nil: not logged in
}

// command answers one and says whether the session goes on; missing arguments are empty.
func (s *sieveSession) command(verb string, args []string) bool {
	switch verb {
	case "CAPABILITY":
		s.capabilities()
	case "STARTTLS":
		return s.starttls()
	case "AUTHENTICATE":
		return s.authenticate(args[0], args[1])
	case "NOOP":
		s.noop(args[0])
	case "LOGOUT":
		s.say(`OK "%s says goodbye"`, s.node.Name)
		return false
	default:
		s.scripts(verb, args)
	}
	return true
}

// scripts is the commands that need a login.
func (s *sieveSession) scripts(verb string, args []string) {
	if s.user == nil {
		s.say(`NO "unknown command, or log in first"`)
		return
	}
	switch verb {
	case "HAVESPACE", "CHECKSCRIPT":
		s.say("OK")
	case "PUTSCRIPT":
		s.answer(args[0] != "" && s.user.putScript(args[0], args[1]), "(QUOTA/MAXSCRIPTS)")
	case "LISTSCRIPTS":
		s.list()
	case "GETSCRIPT":
		text, ok := s.user.script(args[0])
		if ok {
			s.say("{%d}\r\n%s", len(text), text)
		}
		s.answer(ok, "(NONEXISTENT)")
	case "SETACTIVE":
		s.answer(s.user.setActive(args[0]), "(NONEXISTENT)")
	case "DELETESCRIPT":
		found, done := s.user.deleteScript(args[0])
		if !found {
			s.say(`NO (NONEXISTENT) "no such script"`)
			return
		}
		s.answer(done, "(ACTIVE)")
	default:
		s.say(`NO "unknown command"`)
	}
}

// answer ends a command: OK, or NO with the response code that says why.
func (s *sieveSession) answer(ok bool, code string) {
	if ok {
		s.say("OK")
	} else {
		s.say(`NO %s "not done"`, code)
	}
}

// capabilities are the greeting, too (RFC 5804, 1.7).
func (s *sieveSession) capabilities() {
	s.say(`"IMPLEMENTATION" "%s ManageSieve server"`, s.node.Name)
	s.say(`"SIEVE" "fileinto vacation"`)
	s.say(`"SASL" "PLAIN"`)
	s.say(`"VERSION" "1.0"`)
	if s.node.TLS != nil && !s.secured() {
		s.say(`"STARTTLS"`)
	}
	s.say(`OK "%s ManageSieve server ready"`, s.node.Name)
}

func (s *sieveSession) starttls() bool {
	if s.node.TLS == nil || s.secured() || s.user != nil {
		s.say(`NO "not now"`)
		return true
	}
	s.say(`OK "begin TLS"`)
	if s.startTLS(s.node.TLS) != nil {
		return false
	}
	s.capabilities() // RFC 5804, 2.2: announced anew, without being asked
	return true
}

// noop gives the client's word back (RFC 5804, 2.13): how it finds its place after STARTTLS, where some servers
// announce their capabilities and some do not.
func (s *sieveSession) noop(tag string) {
	if tag == "" {
		s.say(`OK "done"`)
		return
	}
	s.say(`OK (TAG %s) "done"`, quote(tag))
}

func (s *sieveSession) authenticate(mechanism, response string) bool {
	if !strings.EqualFold(mechanism, "PLAIN") {
		s.say(`NO "PLAIN is what we have"`)
		return true
	}
	if response == "" { // RFC 5804, 2.1: an empty challenge, the response as a string
		s.say(`""`)
		words, err := s.words()
		if err != nil {
			return false
		}
		response = words[0]
	}
	name, password, _ := plain(response)
	user, err := s.node.Store.login(name, password)
	if s.user != nil || err != nil {
		s.say(`NO "%v"`, errLogin)
		return true
	}
	s.user = user
	s.say(`OK "%s logged in at %s"`, user.name, s.node.Name)
	return true
}

func (s *sieveSession) list() {
	names, active := s.user.listScripts()
	for _, name := range names {
		if name == active {
			s.say("%s ACTIVE", quote(name))
		} else {
			s.say("%s", quote(name))
		}
	}
	s.say("OK")
}

// words reads a command: atoms, quoted strings and literals, to the end of its last line. There is at least one.
func (s *sieveSession) words() ([]string, error) {
	var words []string
	for {
		line, err := s.line()
		if err != nil {
			return nil, err
		}
		more, literal, err := splitWords(line)
		if err != nil {
			return nil, err
		}
		if words = append(words, more...); len(words) > maxWords {
			return nil, errors.New("too many words")
		}
		if literal < 0 {
			return orEmpty(words), nil
		}
		text, err := s.block(literal)
		if err != nil {
			return nil, err
		}
		words = append(words, text)
	}
}

func orEmpty(words []string) []string {
	if len(words) == 0 {
		return []string{""}
	}
	return words
}
