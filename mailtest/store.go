package mailtest

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// kept is how much mail an account holds: 1,000 messages, 16 MiB. What comes later is accepted and dropped, so that
// a load test neither fills the memory nor ends in refusals.
const (
	keptMessages = 1000
	keptBytes    = 16 << 20
)

var errLogin = errors.New("invalid user or password")

// Account is somebody who can log in, with mail that is there from the start.
type Account struct {
	Name     string // anna, or anna@example.org
	Password string
	Messages []string // RFC 5322, lines ending in CRLF
}

// Store is accounts with their mail and Sieve scripts, shared by the nodes of a cluster. It is kept in memory. IMAP
// and POP3 begin with the same messages and get the same deliveries; what one of them deletes stays in the other.
type Store struct {
	imap *imapmemserver.Server

	mu        sync.Mutex // guards the following
	accounts  map[string]*account
	delivered int
}

type account struct {
	name, password string
	imap           *imapmemserver.User
	home           *home // what WebDAV shows

	mu       sync.Mutex // guards the following
	messages []*message // as POP3 sees them
	bytes    int        // all that was ever kept, as IMAP forgets nothing
	count    int
	scripts  map[string]string
	active   string // name of the active script; "" = none
}

// message is never changed: sessions share it.
type message struct{ text []byte }

// NewStore makes a store with the accounts, each with an INBOX.
func NewStore(accounts ...Account) *Store {
	s := &Store{imap: imapmemserver.New(), accounts: make(map[string]*account)}
	for _, a := range accounts {
		user := imapmemserver.NewUser(a.Name, a.Password)
		user.Create("INBOX", nil)
		s.imap.AddUser(user)
		box := &account{name: a.Name, password: a.Password, imap: user, home: newHome(a.Name), scripts: make(map[string]string)}
		for _, text := range a.Messages {
			box.deliver([]byte(text))
		}
		s.accounts[a.Name] = box
	}
	return s
}

// Delivered is the number of messages that came in by SMTP and LMTP, those for nobody included.
func (s *Store) Delivered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.delivered
}

// login finds the account or says errLogin; a nil store has no accounts.
func (s *Store) login(name, password string) (*account, error) {
	if a := s.account(name); a != nil && subtle.ConstantTimeCompare([]byte(a.password), []byte(password)) == 1 {
		return a, nil
	}
	return nil, errLogin
}

func (s *Store) account(name string) *account {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accounts[name]
}

// deliver puts a message into the mailboxes of those recipients who have one: anna@example.org is the account of
// that name, or else anna.
func (s *Store) deliver(recipients []string, text []byte) {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.delivered++
	s.mu.Unlock()
	for _, r := range recipients {
		local, _, _ := strings.Cut(r, "@")
		if a := s.account(r); a != nil {
			a.deliver(text)
		} else if a := s.account(local); a != nil {
			a.deliver(text)
		}
	}
}

func (a *account) deliver(text []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count == keptMessages || a.bytes+len(text) > keptBytes {
		return
	}
	a.count++
	a.bytes += len(text)
	a.messages = append(a.messages, &message{text})
	a.imap.Append("INBOX", bytes.NewReader(text), &imap.AppendOptions{})
}

// maildrop is what a POP3 session works on: it does not change while the session lasts (RFC 1939, 8).
func (a *account) maildrop() []*message {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.messages)
}

func (a *account) remove(dead map[*message]bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.messages = slices.DeleteFunc(a.messages, func(m *message) bool { return dead[m] })
}

// listScripts gives the names in order and the active one.
func (a *account) listScripts() (names []string, active string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.scripts)), a.active
}

func (a *account) script(name string) (string, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	text, ok := a.scripts[name]
	return text, ok
}

// putScript says whether there was room.
func (a *account) putScript(name, text string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, old := a.scripts[name]; !old && len(a.scripts) == maxScripts {
		return false
	}
	a.scripts[name] = text
	return true
}

// setActive says whether there is such a script; "" means none and always works.
func (a *account) setActive(name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.scripts[name]; !ok && name != "" {
		return false
	}
	a.active = name
	return true
}

// deleteScript says whether it was there and is not the active one (RFC 5804, 2.10).
func (a *account) deleteScript(name string) (found, done bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.scripts[name]; !ok {
		return false, false
	}
	if name == a.active {
		return true, false
	}
	delete(a.scripts, name)
	return true, true
}

// session is an IMAP session on the store; on a nil store nobody can log in.
func (s *Store) session() imapserver.Session {
	if s == nil {
		return imapmemserver.New().NewSession()
	}
	return s.imap.NewSession()
}
