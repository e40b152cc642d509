package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// address is an IPv4 or IPv6 address of a single machine.
var address = scalarOf("an IP address", words+" "+numbers, func(_ scope, text string) (netip.Addr, error) {
	return parseAddress(text)
}).shown(matching(`^[0-9A-Fa-f.:]+$`))

func parseAddress(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return a, errWants
	case a.Is4In6():
		return a, fmt.Errorf("%s is an IPv4 address in IPv6 clothes: write %s", text, a.Unmap())
	case a.Zone() != "":
		return a, fmt.Errorf("%s has a zone: only addresses that mean the same on every machine", text)
	case a.IsUnspecified() || a.IsMulticast():
		return a, fmt.Errorf("%s is not the address of a machine", text)
	}
	return a, nil
}

// prefix is a network in CIDR notation; a bare address is a network of one.
var prefix = scalarOf("a network such as 10.0.0.0/8 or an address", words+" "+numbers, func(_ scope, text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		a, err := parseAddress(text)
		if err != nil {
			return netip.Prefix{}, err
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return p, errWants
	case p.Addr().Is4In6():
		return p, fmt.Errorf("%s is an IPv4 network in IPv6 clothes: write it as IPv4", text)
	case p != p.Masked():
		return p, fmt.Errorf("%s has bits set beyond its length: write %s", text, p.Masked())
	}
	return p, nil
}).shown(matching(`^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$`))

// listenAddress is an address to listen on. Without a host it is every address of the machine.
var listenAddress = scalarOf(`an address with a port such as ":993" or "192.0.2.1:993"`, words, func(_ scope, text string) (netip.AddrPort, error) {
	return parseListen(text)
}).shown(matching(`:[0-9]{1,5}$`))

func parseListen(text string) (netip.AddrPort, error) {
	var zero netip.AddrPort
	cut := strings.LastIndexByte(text, ':')
	if cut < 0 {
		return zero, errWants
	}
	host, digits := text[:cut], text[cut+1:]
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return zero, errWants
	}
	if port == 0 {
		return zero, fmt.Errorf("port 0 in %q: a port is a number from 1 to 65535", text)
	}
	if host == "" {
		return netip.AddrPortFrom(netip.Addr{}, uint16(port)), nil
	}
	bare := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	a, err := netip.ParseAddr(bare)
	if err != nil {
		return zero, errWants
	}
	if a.Is6() && bare == host {
		return zero, fmt.Errorf("%q: an IPv6 address with a port is written [%s]:%s", text, host, digits)
	}
	if a.Is4() && bare != host || a.Is4In6() || a.Zone() != "" || a.IsMulticast() {
		return zero, errWants
	}
	return netip.AddrPortFrom(a, uint16(port)), nil
}

var coordinatesForm = form{
	"type": "array", "minItems": 2, "maxItems": 2,
	"prefixItems": []form{{"type": "number", "minimum": -90, "maximum": 90}, {"type": "number", "minimum": -180, "maximum": 180}},
}

// coordinates is a latitude and a longitude.
var coordinates = kind[*Location]{"[latitude, longitude] in degrees", coordinatesForm, func(s scope, n *node) (*Location, bool) {
	if n.shape != list || len(n.items) != 2 {
		s.wants(n, "[latitude, longitude] in degrees")
		return nil, false
	}
	latitude, ok := number(-90, 90).read(s.latitude(), n.items[0])
	longitude, ok2 := number(-180, 180).read(s.longitude(), n.items[1])
	return &Location{latitude, longitude}, ok && ok2
}}

func (s scope) latitude() scope  { s.key += " (latitude)"; return s }
func (s scope) longitude() scope { s.key += " (longitude)"; return s }
