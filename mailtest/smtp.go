package mailtest

import (
	"io"
	"log"
	"net"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// maxMessage is the largest message taken, in bytes: it is held in memory until it is delivered.
const maxMessage = 32 << 20

// quiet is the log of the library servers: a client that hangs up or is refused is no news in a test.
var quiet = log.New(io.Discard, "", 0)

// smtpServer is a flavour of SMTP: plain SMTP takes mail for anybody from anybody and drops what is for nobody here,
// submission wants a login first, LMTP is RFC 2033.
type smtpServer struct{ submission, lmtp bool }

func (f smtpServer) serve(n *Node, c net.Conn) {
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &smtpSession{store: n.Store, mustLogin: f.submission}, nil
	}))
	server.Domain = n.Name // the name in the greeting
	server.LMTP = f.lmtp
	server.TLSConfig = n.TLS
	server.AllowInsecureAuth = true
	server.EnableSMTPUTF8 = true
	server.MaxMessageBytes = maxMessage
	server.MaxRecipients = 100
	server.ReadTimeout = idleTimeout
	server.WriteTimeout = idleTimeout
	server.ErrorLog = quiet
	server.Serve(&single{c}) // returns at once; the session goes on
}

// smtpSession is one client; the library calls it from one goroutine.
type smtpSession struct {
	store     *Store
	mustLogin bool
	user      *account // nil: not logged in
	to        []string
}

func (s *smtpSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *smtpSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, name, password string) (err error) {
		if s.user, err = s.store.login(name, password); err != nil {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (s *smtpSession) Mail(string, *smtp.MailOptions) error {
	if s.mustLogin && s.user == nil {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (s *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *smtpSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r) // bounded by MaxMessageBytes
	if err != nil {
		return err
	}
	s.store.deliver(s.to, text)
	return nil
}

func (s *smtpSession) Reset()        { s.to = nil }
func (s *smtpSession) Logout() error { return nil }
