package config

// unbuilt is a key, or a value of one, whose feature this build does not have.
type unbuilt struct {
	key    string // where a message points
	what   string
	refuse bool // serving without it could let in whom it keeps out, send sessions elsewhere, or leave them in the clear
	uses   func(*Service) bool
	then   string // what happens instead, where nothing is refused
}

// unbuiltKeys is the one list of what is read and checked but not done. A feature that comes takes its row with it.
var unbuiltKeys = []unbuilt{
	{"starttls", "starttls: terminate", true, func(s *Service) bool { return hasSTARTTLS(s) && s.StartTLS == Terminate }, ""},
	{"balance", "balance: account-hash", true, func(s *Service) bool { return s.Balance == AccountHash }, ""},
	{"check.level", "check.level: deep", false, func(s *Service) bool { return s.Check.Level == LevelDeep }, "nodes are probed at level protocol"},
}

// checkUnbuilt reports what the file asks for and this build does not do.
func (b *builder) checkUnbuilt() {
	for _, e := range b.entries {
		for _, u := range unbuiltKeys {
			if e.Live && u.uses(e.Service) {
				b.reportUnbuilt(u, e)
			}
		}
	}
}

func (b *builder) reportUnbuilt(u unbuilt, e *serviceEntry) {
	at := e.where(u.key, b.top)
	switch {
	case !u.refuse:
		b.warnf(at, "service %q: %s is not supported by this version: %s", e.Name, u.what, u.then)
	case b.options.Serve:
		b.errorf(at, "service %q: %s is not supported by this version", e.Name, u.what)
	default:
		b.warnf(at, "service %q: %s is not supported by this version: serve refuses the file", e.Name, u.what)
	}
}
