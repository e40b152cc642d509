package proxy

import (
	"net/netip"
	"testing"

	"posthouse/config"
)

func TestRefusal(t *testing.T) {
	prefixes := func(all ...string) (list []netip.Prefix) {
		for _, p := range all {
			list = append(list, netip.MustParsePrefix(p))
		}
		return list
	}
	for _, c := range []struct {
		allow, deny  []netip.Prefix
		client, want string
	}{
		{nil, nil, "192.0.2.1", ""},
		{prefixes("192.0.2.0/24"), nil, "192.0.2.1", ""},
		{prefixes("192.0.2.0/24"), nil, "198.51.100.1", "it is not in allow"},
		{nil, prefixes("192.0.2.0/24", "2001:db8::/32"), "2001:db8::1", "it is in deny"},
		{nil, prefixes("192.0.2.0/24"), "::ffff:192.0.2.1", "it is in deny"},
		{prefixes("192.0.2.0/24"), prefixes("192.0.2.1/32"), "192.0.2.1", "it is in deny"},
		{nil, prefixes("2001:db8::/32"), "192.0.2.1", ""},
	} {
		s := &config.Service{Allow: c.allow, Deny: c.deny}
		if got := Refusal(s, netip.MustParseAddr(c.client)); got != c.want {
			t.Errorf("allow %v, deny %v: %s is refused because %q, want %q", c.allow, c.deny, c.client, got, c.want)
		}
	}
}
