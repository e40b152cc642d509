package config

import "fmt"

// checkService looks at a service on its own; see sharing.go for services side by side.
func (b *builder) checkService(e *serviceEntry) {
	s := b.loader.about("service %q", e.Name)
	b.checkApplies(e, s)
	if regional := b.document.services.get(e.Name).get("regional_listen"); regional != nil && regional.shape == mapping {
		b.checkRegionKeys(s, regional)
	}
	if builtin := builtinNamed(e.Name); builtin != nil && e.Protocol != builtin.protocol {
		s.errorf(e.own["protocol"], "%s speaks %s: what speaks %s needs a name of its own", e.Name, builtin.protocol, e.Protocol)
		return
	}
	for _, c := range serviceChecks {
		if _, own := e.own[c.key]; (own || e.Live && e.given(c.key)) && c.wrong(e.Service) {
			s.errorf(e.where(c.key, b.top), "%s", c.message(e.Service))
		}
	}
	b.checkIdle(e, s)
}

// serviceCheck is a value of a key that other keys rule out. What comes from defaults is looked at for services only
// that somebody runs: defaults are for all services, and most clusters do not run them all.
type serviceCheck struct {
	key     string
	wrong   func(*Service) bool
	message func(*Service) string
}

var serviceChecks = []serviceCheck{
	{"balance",
		func(s *Service) bool { return s.Balance == AccountHash && (s.TLS == Passthrough || s.Protocol == TCP) },
		func(s *Service) string {
			return "balance: account-hash needs to see who logs in, which " + hiding(s) + " hides"
		}},
	{"check.level",
		func(s *Service) bool { return s.Check.Level == LevelDeep && s.Protocol == TCP },
		func(*Service) string { return "check.level: deep logs in, which nothing does over tcp" }},
	{"check.level",
		func(s *Service) bool { return s.Check.Level == LevelTLS && !nodeMaySpeakTLS(s) },
		func(*Service) string {
			return "check.level: tls needs nodes that begin with TLS (tls: passthrough or reencrypt)"
		}},
	{"check.level",
		func(s *Service) bool {
			return s.Check.Level == LevelDeep && (s.Check.Account == "") != (s.Check.PasswordFile == "")
		},
		func(*Service) string { return "check takes both account and password_file" }},
	{"tls",
		func(s *Service) bool { return s.TLS == Terminate && tlsPort(s) },
		func(s *Service) string {
			return fmt.Sprintf("tls: terminate sends plain text to nodes, which speak TLS on port %d: give the port where they serve %s in the clear (port: %d, say)",
				s.Port, s.Protocol, plainPorts[s.Name])
		}},
}

func hiding(s *Service) string {
	if s.Protocol == TCP {
		return "tcp"
	}
	return "tls: passthrough"
}

// plainPorts is where the protocols of the built-in services with implicit TLS are served without it.
var plainPorts = map[string]uint16{"submissions": 587, "imaps": 143, "pop3s": 110}

// tlsPort says whether the port is the one on which a built-in mail service speaks TLS.
func tlsPort(s *Service) bool {
	builtin := builtinNamed(s.Name)
	return builtin != nil && plainPorts[s.Name] != 0 && s.Port == builtin.port
}

func (b *builder) checkIdle(e *serviceEntry, s scope) {
	floor := idleFloors[e.Protocol]
	_, own := e.own["timeouts.idle"]
	if e.Timeouts.Idle >= floor.least || !own && !e.Live {
		return
	}
	if !own {
		s.subject = "defaults" // once for all services that have it from there
	}
	s.errorf(e.where("timeouts.idle", b.top), "timeouts.idle: %s is less than the %s that %s grants a client of %s",
		plain(e.Timeouts.Idle), plain(floor.least), floor.rfc, e.Protocol)
}
