package config

import "reflect"

// rule says to which services a key applies. Elsewhere it may only repeat the default.
type rule struct {
	key     string
	applies func(*Service) bool
	reason  string // why it does not, for `paths does not apply: ...`
	value   func(*Service) any
}

var rules = []rule{
	{"starttls", hasSTARTTLS, "STARTTLS is for the plain ports (tls: none) of smtp, lmtp, imap, pop3 and sieve",
		func(s *Service) any { return s.StartTLS }},
	{"paths", readableHTTP, "only HTTP that is read here (protocol: http with tls: none, terminate or reencrypt) is told apart by path",
		func(s *Service) any { return s.Paths }},
	{"redirect_listen", speaksHTTP, "only http redirects",
		func(s *Service) any { return s.RedirectListen }},
	{"server_names", (*Service).ImplicitTLS, "without TLS from the first byte (tls: passthrough, terminate or reencrypt) clients name no server",
		func(s *Service) any { return s.ServerNames }},
	{"check.path", speaksHTTP, "only http has paths",
		func(s *Service) any { return s.Check.Path }},
	{"check.account", probesDeep, "only checks of level deep log in",
		func(s *Service) any { return s.Check.Account }},
	{"check.password_file", probesDeep, "only checks of level deep log in",
		func(s *Service) any { return s.Check.PasswordFile }},
	{"timeouts.hedge", answersFirst, "tcp has no greeting to wait for, unless nodes begin with TLS (tls: passthrough or reencrypt)",
		func(s *Service) any { return s.Timeouts.Hedge }},
	{"timeouts.greeting", answersFirst, "tcp has no greeting to wait for, unless nodes begin with TLS (tls: passthrough or reencrypt)",
		func(s *Service) any { return s.Timeouts.Greeting }},
}

func hasSTARTTLS(s *Service) bool  { return s.Protocol.ServerFirst() && s.TLS == TLSNone }
func speaksHTTP(s *Service) bool   { return s.Protocol == HTTP }
func readableHTTP(s *Service) bool { return s.Protocol == HTTP && s.TLS != Passthrough }
func probesDeep(s *Service) bool   { return s.Check.Level == LevelDeep }

// answersFirst says whether a node has to say something before a session is its own: a greeting, or its part of the TLS handshake.
func answersFirst(s *Service) bool { return s.Protocol != TCP || nodeSpeaksTLS(s) }

// nodeSpeaksTLS says whether a node meets TLS on the service's port.
func nodeSpeaksTLS(s *Service) bool { return s.TLS == Passthrough || s.TLS == Reencrypt }

// nodeMaySpeakTLS includes nodes of tcp, whose bytes we do not look into.
func nodeMaySpeakTLS(s *Service) bool {
	return nodeSpeaksTLS(s) || s.Protocol == TCP && s.TLS == TLSNone
}

func applies(key string, s *Service) bool {
	for _, r := range rules {
		if r.key == key {
			return r.applies(s)
		}
	}
	return true
}

// checkApplies refuses keys of the service's own entry that could not have an effect.
func (b *builder) checkApplies(e *serviceEntry, s scope) {
	for _, r := range rules {
		at, given := e.own[r.key]
		if given && !r.applies(e.Service) && !sameValue(r.value(e.Service), r.value(&e.before)) {
			s.errorf(at, "%s does not apply: %s", r.key, r.reason)
		}
	}
}

// sameValue takes an empty list for a missing one.
func sameValue(a, b any) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	if x.Kind() == reflect.Slice && x.Len() == 0 && y.Len() == 0 {
		return true
	}
	return reflect.DeepEqual(a, b)
}
