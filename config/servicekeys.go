package config

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

var serviceKeys = table[Service]{
	key("protocol", protocol, func(s *Service) *Protocol { return &s.Protocol }),
	key("listen", listOf(listenAddress), func(s *Service) *[]netip.AddrPort { return &s.Listen }),
	key("regional_listen", mapOf("a mapping from regions to lists of addresses to listen on", listOf(listenAddress)),
		func(s *Service) *map[string][]netip.AddrPort { return &s.RegionalListen }),
	key("port", whole[uint16](1, 65535), func(s *Service) *uint16 { return &s.Port }),
	key("tls", tlsMode, func(s *Service) *TLSMode { return &s.TLS }),
	key("starttls", startTLS, func(s *Service) *TLSMode { return &s.StartTLS }),
	key("paths", listOf(pathPrefix), func(s *Service) *[]string { return &s.Paths }),
	key("redirect_listen", listOf(listenAddress), func(s *Service) *[]netip.AddrPort { return &s.RedirectListen }),
	key("server_names", listOf(serverName), func(s *Service) *[]string { return &s.ServerNames }),
	{name: "proxy_protocol", read: readProxy, form: func() form { return proxyVersion.form }},
	key("accept_proxy", listOf(prefix), func(s *Service) *[]netip.Prefix { return &s.AcceptProxy }),
	key("allow", listOf(prefix), func(s *Service) *[]netip.Prefix { return &s.Allow }),
	key("deny", listOf(prefix), func(s *Service) *[]netip.Prefix { return &s.Deny }),
	key("source", listOf(address), func(s *Service) *[]netip.Addr { return &s.Source }),
	key("freebind", yesNo, func(s *Service) *bool { return &s.Freebind }),
	key("balance", balance, func(s *Service) *Balance { return &s.Balance }),
	key("slow_start", duration(0, 24*time.Hour), func(s *Service) *time.Duration { return &s.SlowStart }),
	section("check", checkKeys, func(s *Service) *Check { return &s.Check }),
	section("timeouts", timeoutKeys, func(s *Service) *Timeouts { return &s.Timeouts }),
	key("attempts", whole(1, 16), func(s *Service) *int { return &s.Attempts }),
	section("limits", limitKeys, func(s *Service) *Limits { return &s.Limits }),
}

// The shortest times are for tests and laboratories; they harm nobody but their owner.
const shortest = time.Millisecond

var checkKeys = table[Check]{
	key("level", level, func(c *Check) *Level { return &c.Level }),
	key("interval", duration(10*shortest, maxPause), func(c *Check) *time.Duration { return &c.Interval }),
	key("timeout", duration(shortest, maxPause), func(c *Check) *time.Duration { return &c.Timeout }),
	key("rise", whole(1, 100), func(c *Check) *int { return &c.Rise }),
	key("fall", whole(1, 100), func(c *Check) *int { return &c.Fall }),
	key("remote_interval", duration(10*shortest, maxPause), func(c *Check) *time.Duration { return &c.RemoteInterval }),
	key("path", pathPrefix, func(c *Check) *string { return &c.Path }),
	key("account", phrase("the name of an account", nonEmpty), func(c *Check) *string { return &c.Account }),
	key("password_file", existing("a file"), func(c *Check) *string { return &c.PasswordFile }),
}

var timeoutKeys = table[Timeouts]{
	key("connect", duration(shortest, maxPause), func(t *Timeouts) *time.Duration { return &t.Connect }),
	key("hedge", hedge, func(t *Timeouts) *Hedge { return &t.Hedge }),
	key("greeting", duration(shortest, maxPause), func(t *Timeouts) *time.Duration { return &t.Greeting }),
	key("idle", duration(shortest, 30*24*time.Hour), func(t *Timeouts) *time.Duration { return &t.Idle }),
}

var limitKeys = table[Limits]{
	key("sessions", orNone(whole(1, 100_000_000)), func(l *Limits) *int { return &l.Sessions }),
	key("client_sessions", orNone(whole(1, 100_000_000)), func(l *Limits) *int { return &l.ClientSessions }),
	key("client_rate", orNone(rate), func(l *Limits) *Rate { return &l.ClientRate }),
}

var protocol = oneOf("protocol", same(SMTP), same(LMTP), same(IMAP), same(POP3), same(Sieve), same(HTTP), same(TCP))

var tlsMode = oneOf("TLS mode", same(TLSNone), same(Passthrough), same(Terminate), same(Reencrypt))

var startTLS = oneOf("STARTTLS mode", same(Passthrough), same(Terminate))

var balance = oneOf("balance", same(LeastSessions), same(RoundRobin), same(Random), same(ClientHash), same(AccountHash))

var level = oneOf("level", same(LevelTCP), same(LevelTLS), same(LevelProtocol), same(LevelDeep))

var proxyVersion = oneOf("PROXY version",
	choice[ProxyVersion]{"none", ProxyNone}, choice[ProxyVersion]{"v1", ProxyV1}, choice[ProxyVersion]{"v2", ProxyV2})

func same[V ~string](v V) choice[V] { return choice[V]{string(v), v} }

func readProxy(s scope, into *Service, n *node) {
	if v, ok := proxyVersion.read(s, n); ok {
		into.Proxy, into.ProxySet = v, true
	}
}

var hedge = kind[Hedge]{"auto, none or a time such as 500ms", anyForm(form{"enum": []string{"auto", "none"}}, durationForm), func(s scope, n *node) (Hedge, bool) {
	if n.shape == scalar && n.tag == "!!str" {
		switch n.text {
		case "auto":
			return auto, true
		case "none":
			return Hedge{}, true
		}
	}
	d, ok := durationAs("auto, none or a time such as 500ms", shortest, maxPause).read(s, n)
	return Hedge{After: d}, ok
}}

var pathPrefix = phrase("a path such as /jmap", func(s string) error {
	switch {
	case !strings.HasPrefix(s, "/") || strings.ContainsAny(s, "?# "):
		return errWants
	case s != "/" && strings.HasSuffix(s, "/"):
		return fmt.Errorf("%q: a prefix ends at a segment without its slash: %q", s, strings.TrimRight(s, "/"))
	case strings.Contains(s, "//") || strings.Contains(s+"/", "/./") || strings.Contains(s+"/", "/../") || strings.Contains(s, "%"):
		return fmt.Errorf("%q is not in its plain form, without //, dot segments and %%", s)
	}
	return nil
}).shown(matching(`^/[^?# %]*$`))

// serverName is what a client may ask for in SNI; "*." in front stands for one label.
var serverName = scalarOf("a host name such as imap.example.org or *.example.org", words, func(_ scope, text string) (string, error) {
	lower := strings.ToLower(text)
	if !IsHost(strings.TrimPrefix(lower, "*.")) {
		return "", errWants
	}
	return lower, nil
})

func nonEmpty(s string) error {
	if s == "" {
		return errWants
	}
	return nil
}
