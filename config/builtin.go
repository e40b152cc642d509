package config

import (
	"net/netip"
	"time"
)

// builtin is a service that exists without being written down.
type builtin struct {
	name     string
	protocol Protocol
	listen   uint16 // on every address; 0 is nowhere
	port     uint16
	tls      TLSMode
	hedge    Hedge
	paths    []string
}

var auto = Hedge{Auto: true}

// builtins are in the order in which everything lists them. SMTP between servers and LMTP are not hedged: the other
// side waits for minutes (RFC 5321, 4.5.3.2.1), and a greeting may be late on purpose, to try out senders of spam.
var builtins = []builtin{
	{name: "smtp", protocol: SMTP, listen: 25, port: 25, tls: TLSNone},
	{name: "submission", protocol: SMTP, listen: 587, port: 587, tls: TLSNone, hedge: auto},
	{name: "submissions", protocol: SMTP, listen: 465, port: 465, tls: Passthrough, hedge: auto},
	{name: "imap", protocol: IMAP, listen: 143, port: 143, tls: TLSNone, hedge: auto},
	{name: "imaps", protocol: IMAP, listen: 993, port: 993, tls: Passthrough, hedge: auto},
	{name: "pop3", protocol: POP3, listen: 110, port: 110, tls: TLSNone, hedge: auto},
	{name: "pop3s", protocol: POP3, listen: 995, port: 995, tls: Passthrough, hedge: auto},
	{name: "sieve", protocol: Sieve, listen: 4190, port: 4190, tls: TLSNone, hedge: auto},
	{name: "lmtp", protocol: LMTP, port: 24, tls: TLSNone},
	{name: "jmap", protocol: HTTP, listen: 443, port: 443, tls: Passthrough, hedge: auto, paths: []string{"/jmap", "/.well-known/jmap"}},
	{name: "webdav", protocol: HTTP, listen: 443, port: 443, tls: Passthrough, hedge: auto, paths: []string{"/dav", "/.well-known/caldav", "/.well-known/carddav"}},
	{name: "http", protocol: HTTP, listen: 443, port: 443, tls: Passthrough, hedge: auto},
}

// plainHTTPPort is where nodes serve HTTP without TLS.
const plainHTTPPort = 8080

// everything is what "all" stands for: what a Stalwart node opens out of the box.
var everything = []string{"smtp", "submissions", "imaps", "pop3s", "sieve", "jmap", "webdav", "http"}

// unifiedRole is the role of a node that names none.
const unifiedRole = "unified"

func builtinNamed(name string) *builtin {
	for i := range builtins {
		if builtins[i].name == name {
			return &builtins[i]
		}
	}
	return nil
}

// ownService is a service that the operator adds: it listens nowhere unless told.
func ownService(name string, protocol Protocol) Service {
	hedge := auto
	if protocol == TCP { // without TLS it commits on connect: there is no greeting to wait for
		hedge = Hedge{}
	}
	return (&builtin{name: name, protocol: protocol, tls: TLSNone, hedge: hedge}).service()
}

func (b *builtin) service() Service {
	s := Service{
		Name: b.name, Protocol: b.protocol, Port: b.port, TLS: b.tls, StartTLS: Passthrough, Paths: b.paths,
		Balance: LeastSessions, SlowStart: 30 * time.Second, Attempts: 4,
		Check: Check{
			Level: LevelProtocol, Interval: 5 * time.Second, Timeout: 3 * time.Second, Rise: 2, Fall: 3,
			RemoteInterval: 15 * time.Second,
		},
		Timeouts: Timeouts{
			Connect: 3 * time.Second, Hedge: b.hedge, Greeting: 10 * time.Second, Idle: idleDefaults[b.protocol],
		},
	}
	if b.listen != 0 {
		s.Listen = []netip.AddrPort{netip.AddrPortFrom(netip.Addr{}, b.listen)}
	}
	return s
}

var idleDefaults = map[Protocol]time.Duration{
	SMTP: 15 * time.Minute, LMTP: 15 * time.Minute, POP3: 15 * time.Minute,
	IMAP: 35 * time.Minute, Sieve: 35 * time.Minute,
	HTTP: time.Hour, TCP: time.Hour,
}

// idleFloor is how long a protocol promises its clients to wait.
type idleFloor struct {
	least time.Duration
	rfc   string
}

var idleFloors = map[Protocol]idleFloor{
	SMTP:  {10 * time.Minute, "RFC 5321, 4.5.3.2.6"}, // the reply to the final dot
	LMTP:  {10 * time.Minute, "RFC 5321, 4.5.3.2.6"},
	IMAP:  {30 * time.Minute, "RFC 9051, 5.4"},
	POP3:  {10 * time.Minute, "RFC 1939, 3"},
	Sieve: {30 * time.Minute, "RFC 5804, 1.2"},
}
