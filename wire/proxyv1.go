package wire

import (
	"net/netip"
	"strconv"
)

// ProxyHeader is what a PROXY header tells a node of the client's connection (haproxy.org, proxy-protocol.txt, 2.2).
type ProxyHeader struct {
	Source, Destination netip.AddrPort // the client, and the address that it came to
	Local               bool           // our own connection, a probe: no client stands behind it
	UniqueID            []byte         // v2; at most 128 bytes are sent
	ALPN, SNI           string         // v2; "": not said
	TLS                 *ProxyTLS      // v2; nil: the client speaks plain text
}

// ProxyTLS is what the header says of the client's TLS session.
type ProxyTLS struct {
	Version     string // such as "TLSv1.3"
	Cipher      string // such as "TLS_AES_128_GCM_SHA256"
	CommonName  string // of the client's certificate; "": none
	Certificate bool   // the client showed a certificate
	Verified    bool   // and it was found good
}

// MaxProxyV1 is the length of the longest version 1 header (2.1).
const MaxProxyV1 = 107

// AppendProxyV1 appends a version 1 header of at most MaxProxyV1 bytes. It says UNKNOWN, which a node takes as the
// connection's own addresses, where the header is Local or the two addresses are not of one family: version 1 has
// no form for those.
func AppendProxyV1(dst []byte, h ProxyHeader) []byte {
	source, destination := plain(h.Source), plain(h.Destination)
	if h.Local || !source.IsValid() || !destination.IsValid() || source.Addr().Is4() != destination.Addr().Is4() {
		return append(dst, "PROXY UNKNOWN\r\n"...)
	}
	if source.Addr().Is4() {
		dst = append(dst, "PROXY TCP4 "...)
	} else {
		dst = append(dst, "PROXY TCP6 "...)
	}
	dst = append(source.Addr().AppendTo(dst), ' ')
	dst = append(destination.Addr().AppendTo(dst), ' ')
	dst = append(strconv.AppendUint(dst, uint64(source.Port()), 10), ' ')
	dst = strconv.AppendUint(dst, uint64(destination.Port()), 10)
	return append(dst, "\r\n"...)
}

// plain is the address without zone, which has no meaning elsewhere, and an IPv4 address as one.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().WithZone("").Unmap(), a.Port())
}
