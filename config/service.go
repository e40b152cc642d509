package config

import (
	"net/netip"
	"time"
)

// Service is one protocol on some addresses: a Stalwart NetworkListener.
type Service struct {
	Name           string
	Protocol       Protocol
	Listen         []netip.AddrPort            // where clients reach it; the zero Addr is every address, IPv6 and IPv4
	RegionalListen map[string][]netip.AddrPort // by region, where it differs
	Port           uint16                      // where nodes serve it
	TLS            TLSMode
	StartTLS       TLSMode  // Passthrough or Terminate
	Paths          []string // http: prefixes
	RedirectListen []netip.AddrPort
	ServerNames    []string       // lower case; a leading "*." stands for one label
	Proxy          ProxyVersion   // the header that we write to nodes
	ProxySet       bool           // whether the operator decided about Proxy
	AcceptProxy    []netip.Prefix // peers whose header we require and believe
	Allow          []netip.Prefix // empty: everybody
	Deny           []netip.Prefix
	Source         []netip.Addr // our addresses towards nodes; empty: the kernel's choice
	Freebind       bool
	Balance        Balance
	SlowStart      time.Duration
	Check          Check
	Timeouts       Timeouts
	Attempts       int // nodes tried for a session
	Limits         Limits
	Live           bool       // a node runs it
	State          AdminState // Drain where a mark of run time says so; the file has no such key
}

// ListenIn is where clients reach the service in a region.
func (s *Service) ListenIn(region string) []netip.AddrPort {
	if l, ok := s.RegionalListen[region]; ok {
		return l
	}
	return s.Listen
}

// ImplicitTLS says whether clients begin with a TLS handshake.
func (s *Service) ImplicitTLS() bool { return s.TLS != TLSNone }

// Protocol is what is spoken on a service.
type Protocol string

const (
	SMTP  Protocol = "smtp"
	LMTP  Protocol = "lmtp"
	IMAP  Protocol = "imap"
	POP3  Protocol = "pop3"
	Sieve Protocol = "sieve"
	HTTP  Protocol = "http"
	TCP   Protocol = "tcp"
)

// ServerFirst says whether the server speaks first, in the clear.
func (p Protocol) ServerFirst() bool { return p != HTTP && p != TCP }

// TLSMode is where TLS ends.
type TLSMode string

const (
	TLSNone     TLSMode = "none"
	Passthrough TLSMode = "passthrough"
	Terminate   TLSMode = "terminate"
	Reencrypt   TLSMode = "reencrypt"
)

// ProxyVersion is the PROXY header written to a node.
type ProxyVersion uint8

const (
	ProxyNone ProxyVersion = iota
	ProxyV1
	ProxyV2
)

// Balance orders the nodes of a region for a session.
type Balance string

const (
	LeastSessions Balance = "least-sessions"
	RoundRobin    Balance = "round-robin"
	Random        Balance = "random"
	ClientHash    Balance = "client-hash"
	AccountHash   Balance = "account-hash"
)

// Level is how deep a probe looks.
type Level string

const (
	LevelTCP      Level = "tcp"
	LevelTLS      Level = "tls"
	LevelProtocol Level = "protocol"
	LevelDeep     Level = "deep"
)

// Check is how the nodes of a service are probed.
type Check struct {
	Level          Level
	Interval       time.Duration
	Timeout        time.Duration
	Rise, Fall     int
	RemoteInterval time.Duration // for nodes of other regions
	Path           string        // http; "" = what the service implies
	Account        string        // deep
	PasswordFile   string        // deep
}

// Timeouts bound the steps of a session.
type Timeouts struct {
	Connect  time.Duration
	Hedge    Hedge
	Greeting time.Duration
	Idle     time.Duration
}

// Hedge is how long a silent node has before it gets company. The zero value is "none".
type Hedge struct {
	Auto  bool          // three times the greeting time that probes see, 500 ms to 5 s
	After time.Duration // where not Auto; 0 = none
}

// Limits bound what this balancer takes on for a service; 0 is no limit. A client is an IPv4 address or an IPv6 /64.
type Limits struct {
	Sessions       int
	ClientSessions int
	ClientRate     Rate
}

// Rate is a number of events in a time, such as 50/s. The zero value is no limit.
type Rate struct {
	Events int
	Per    time.Duration
}
