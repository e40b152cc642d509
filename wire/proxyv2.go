package wire

import (
	"encoding/binary"
	"net/netip"
)

const proxyV2Signature = "\r\n\r\n\x00\r\nQUIT\n"

// Numbers of proxy-protocol.txt, 2.2.
const (
	proxyLocal  = 0x20 // version 2, command LOCAL
	proxyProxy  = 0x21 // version 2, command PROXY
	familyNone  = 0x00 // AF_UNSPEC
	familyTCP4  = 0x11 // AF_INET, STREAM
	familyTCP6  = 0x21 // AF_INET6, STREAM
	tlvALPN     = 0x01
	tlvSNI      = 0x02 // PP2_TYPE_AUTHORITY
	tlvUniqueID = 0x05
	tlvSSL      = 0x20
	subVersion  = 0x21
	subCN       = 0x22
	subCipher   = 0x23

	clientSSL  = 0x01
	clientCert = 0x02 // PP2_CLIENT_CERT_CONN
)

const (
	maxUniqueID = 128 // 2.2.5
	maxTLV      = 255 // ours: host names and ALPN names are no longer; keeps the header below the 1.5 KiB of a segment
)

// AppendProxyV2 appends a version 2 header. A Local one carries nothing else; without two valid addresses it says
// AF_UNSPEC, which a node may refuse; an IPv4 and an IPv6 address together go as IPv6, the former mapped (::ffff:0:0/96).
func AppendProxyV2(dst []byte, h ProxyHeader) []byte {
	dst = append(dst, proxyV2Signature...)
	if h.Local {
		return append(dst, proxyLocal, familyNone, 0, 0)
	}
	dst = append(dst, proxyProxy)
	at := len(dst) // family, then the length, which is known at the end
	dst = append(dst, familyNone, 0, 0)
	family, dst := appendAddresses(dst, plain(h.Source), plain(h.Destination))
	dst = appendTLVs(dst, h)
	dst[at] = family
	binary.BigEndian.PutUint16(dst[at+1:], uint16(len(dst)-at-3))
	return dst
}

func appendAddresses(dst []byte, source, destination netip.AddrPort) (family byte, _ []byte) {
	switch {
	case !source.IsValid() || !destination.IsValid():
		return familyNone, dst
	case source.Addr().Is4() && destination.Addr().Is4():
		dst = append(dst, source.Addr().AsSlice()...)
		dst = append(dst, destination.Addr().AsSlice()...)
		family = familyTCP4
	default:
		s, d := source.Addr().As16(), destination.Addr().As16()
		dst = append(append(dst, s[:]...), d[:]...)
		family = familyTCP6
	}
	dst = binary.BigEndian.AppendUint16(dst, source.Port())
	return family, binary.BigEndian.AppendUint16(dst, destination.Port())
}

func appendTLVs(dst []byte, h ProxyHeader) []byte {
	dst = appendTLV(dst, tlvALPN, h.ALPN)
	dst = appendTLV(dst, tlvSNI, h.SNI)
	dst = appendTLV(dst, tlvUniqueID, string(h.UniqueID[:min(len(h.UniqueID), maxUniqueID)]))
	if h.TLS == nil {
		return dst
	}
	at := len(dst)
	dst = append(dst, tlvSSL, 0, 0)
	dst = h.TLS.append(dst)
	binary.BigEndian.PutUint16(dst[at+1:], uint16(len(dst)-at-3))
	return dst
}

// append writes the value of the SSL TLV (2.2.6): the client's bits, whether its certificate was verified (0: yes),
// and what is known of the session.
func (t *ProxyTLS) append(dst []byte) []byte {
	client, unverified := byte(clientSSL), uint32(1)
	if t.Certificate {
		client |= clientCert
		if t.Verified {
			unverified = 0
		}
	}
	dst = binary.BigEndian.AppendUint32(append(dst, client), unverified)
	dst = appendTLV(dst, subVersion, t.Version)
	dst = appendTLV(dst, subCN, t.CommonName)
	return appendTLV(dst, subCipher, t.Cipher)
}

// appendTLV appends nothing for a value that is empty, or longer than anything true: cut short it would be a lie.
func appendTLV(dst []byte, kind byte, value string) []byte {
	if value == "" || len(value) > maxTLV {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(append(dst, kind), uint16(len(value)))
	return append(dst, value...)
}
