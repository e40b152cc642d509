package importer

import (
	"net/netip"
	"regexp"
)

var hostName = regexp.MustCompile(`^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$`)

// machine says whether a topology takes it as where a node is: an address of a single machine, or a host name (RFC 1123,
// 2.1) whose last label is no number.
func machine(s string) bool {
	if a, err := netip.ParseAddr(s); err == nil {
		return !a.IsUnspecified() && !a.IsMulticast() && a.Zone() == ""
	}
	return len(s) <= 253 && hostName.MatchString(s)
}

// ours says whether it is an address to listen on; "" is every one.
func ours(s string) bool {
	a, err := netip.ParseAddr(s)
	return s == "" || err == nil && !a.IsMulticast() && a.Zone() == ""
}
