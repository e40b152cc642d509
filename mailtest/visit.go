package mailtest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// dialogues is what a short visit says, by protocol: it waits for the greeting's last line, logs in where there is
// a login, and leaves politely. %s are user and password.
type dialogue struct{ login, goodbye string }

var dialogues = map[string]dialogue{
	"smtp": {goodbye: "C: QUIT\nS: 221"},
	"lmtp": {goodbye: "C: QUIT\nS: 221"},
	"imap": {login: "C: a LOGIN %s %s\nS~ a OK", goodbye: "C: z LOGOUT\nS~ z OK"},
	"pop3": {login: "C: USER %s\nS: +OK\nC: PASS %s\nS: +OK", goodbye: "C: QUIT\nS: +OK"},
	// login by AUTHENTICATE needs base64 and shows nothing more of the node
	"sieve": {goodbye: "C: LOGOUT\nS: OK"},
}

// Visitor makes short sessions that find out which node a client gets.
type Visitor struct {
	Name, Password string      // of an account; no name: does not log in
	TLS            *tls.Config // for services with implicit TLS
	From           netip.Addr  // our own address; zero: the kernel's choice

	Connected func(net.Conn) // nil, or told of each connection before anything is said on it
}

// Visit opens a session and reads its greeting, or the answer to a request of HTTP. The session is left open and logged
// in; Leave ends it.
func (v Visitor) Visit(ctx context.Context, service, addr string) (*Visit, error) {
	s, ok := services[service]
	if !ok {
		return nil, fmt.Errorf("no mail service %q", service)
	}
	client, err := v.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	if v.Connected != nil {
		v.Connected(client.Conn)
	}
	visit := &Visit{Client: client, Service: service, who: v, dialogue: dialogues[s.protocol]}
	if err := visit.arrive(s.implicitTLS); err != nil {
		client.Conn.Close()
		return nil, err
	}
	return visit, nil
}

func (v Visitor) dial(ctx context.Context, addr string) (*Client, error) {
	if !v.From.IsValid() {
		return Dial(ctx, addr, v.TLS, false)
	}
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(v.From, 0))}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	client := NewClient(conn)
	client.TLS = v.TLS
	return client, nil
}

// Visit is a session on a node.
type Visit struct {
	*Client
	Service string
	Node    string // as its greeting or its answer names it

	who      Visitor
	dialogue dialogue
}

func (v *Visit) arrive(implicitTLS bool) error {
	if implicitTLS {
		if err := v.StartTLS(); err != nil {
			return err
		}
	}
	if services[v.Service].protocol == "http" {
		return v.request()
	}
	greeting, err := v.Line()
	if err != nil {
		return err
	}
	if v.Node = NodeName(greeting); v.Node == "" {
		return fmt.Errorf("greeted with %q", greeting)
	}
	if v.Service == "sieve" {
		if _, err := v.Until("OK"); err != nil {
			return err
		}
	}
	if v.who.Name == "" || v.dialogue.login == "" {
		return nil
	}
	return v.Play(fmt.Sprintf(v.dialogue.login, v.who.Name, v.who.Password))
}

// Leave says goodbye and closes; a node that is gone by then makes the error.
func (v *Visit) Leave() error {
	defer v.Conn.Close()
	if services[v.Service].protocol == "http" {
		return v.request("Connection: close")
	}
	return v.Play(v.dialogue.goodbye)
}

// NodeName finds the name of a node of this package in the first line that it said: the word before the protocol's.
// "" means that this was somebody else, or a refusal.
func NodeName(greeting string) string {
	words := strings.FieldsFunc(greeting, func(r rune) bool { return r == ' ' || r == '"' })
	for i, word := range words[min(1, len(words)):] {
		switch word {
		case "ESMTP", "LMTP", "IMAP", "POP3", "ManageSieve":
			return words[i]
		}
	}
	return ""
}
