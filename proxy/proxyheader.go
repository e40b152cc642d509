package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	proxyproto "github.com/pires/go-proxyproto"

	"posthouse/config"
	"posthouse/routing"
	"posthouse/wire"
)

const (
	// headerTime bounds the wait for a PROXY header: its sender writes it in one segment, at once.
	headerTime = 5 * time.Second

	// maxHeaderV2 bounds what follows the first 16 bytes: addresses and TLVs of a balancer that passes a certificate on
	// have about 2 KiB.
	maxHeaderV2 = 4 << 10
)

// origin is where a session comes from, as a PROXY header tells. The zero value: it does not tell, and the connection's own
// addresses count.
type origin struct {
	local               bool // the peer's own connection, a probe
	relayed             bool // a balancer of another region sent it
	source, destination netip.AddrPort
	parent              string // the id that the peer gave the session; "" = none
}

var (
	errNoHeader   = errors.New("no PROXY header")
	errLeft       = errors.New("left without a byte") // as balancers do that look whether we listen
	errLongHeader = errors.New("PROXY header is too long")
	errFamily     = errors.New("PROXY header is not about TCP")
	errChecksum   = errors.New("PROXY header has another checksum than it says")
)

// readOrigin reads a PROXY header of either version and nothing beyond it, and lets pires/go-proxyproto judge it. Bytes that
// cannot begin a header are refused as soon as they are there.
func readOrigin(r io.Reader) (origin, error) {
	raw, err := readHeader(r)
	if err != nil {
		return origin{}, err
	}
	if untold(raw) {
		return origin{}, nil
	}
	// The whole header is in the buffer: the parser takes a version 1 header that is not for an attack.
	header, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(raw), len(raw)))
	if err != nil {
		return origin{}, err
	}
	if !sound(header, raw) {
		return origin{}, errChecksum
	}
	return originOf(header)
}

// readHeader reads what belongs to the header: exactly, because what follows is for the node, and without a buffer that
// would have to be carried along.
func readHeader(r io.Reader) ([]byte, error) {
	const mark = 6 // tells version 1 from 2 and both from anything else; the shortest header has 15
	raw := make([]byte, mark, wire.MaxProxyV1)
	switch n, err := io.ReadFull(r, raw); {
	case err != nil && n == 0 && !isTimeout(err):
		return nil, errLeft
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errNoHeader, err)
	}
	switch {
	case string(raw) == "PROXY ":
		return readV1(r, raw)
	case bytes.Equal(raw, proxyproto.SIGV2[:mark]):
		return readV2(r, raw)
	}
	return nil, errNoHeader
}

// readV1 reads to the line feed. As long as the last byte is no CR two more must come, so none is read too many.
func readV1(r io.Reader, raw []byte) ([]byte, error) {
	for raw[len(raw)-1] != '\n' {
		more := 2
		if raw[len(raw)-1] == '\r' {
			more = 1
		}
		if len(raw)+more > wire.MaxProxyV1 {
			return nil, errLongHeader
		}
		at := len(raw)
		raw = raw[:at+more]
		if _, err := io.ReadFull(r, raw[at:]); err != nil {
			return nil, err
		}
		if raw[at] == '\n' && raw[at-1] != '\r' { // a bare LF: the parser refuses it
			return raw, nil
		}
	}
	return raw, nil
}

func readV2(r io.Reader, raw []byte) ([]byte, error) {
	const fixed = 16 // signature, version and command, family, length
	raw = raw[:fixed]
	if _, err := io.ReadFull(r, raw[6:]); err != nil {
		return nil, err
	}
	if !bytes.Equal(raw[:len(proxyproto.SIGV2)], proxyproto.SIGV2) {
		return nil, errNoHeader
	}
	length := int(binary.BigEndian.Uint16(raw[14:]))
	if length > maxHeaderV2 {
		return nil, errLongHeader
	}
	raw = append(raw, make([]byte, length)...)
	_, err := io.ReadFull(r, raw[fixed:])
	return raw, err
}

// untold says whether a header is one of version 2 by which a peer passes somebody on without saying whom: the command PROXY with the
// family UNSPEC. The parser refuses it; proxy-protocol.txt, 2.2, lets us take the real addresses, as 2.1 demands for UNKNOWN.
// Nothing behind it is read: nobody knows how long the addresses are.
func untold(raw []byte) bool {
	return raw[0] == proxyproto.SIGV2[0] && raw[12] == byte(proxyproto.PROXY) && raw[13] == byte(proxyproto.UNSPEC)
}

func originOf(h *proxyproto.Header) (origin, error) {
	switch {
	case h.Version == 2 && h.Command.IsLocal():
		return origin{local: true}, nil
	case h.TransportProtocol.IsUnspec(): // UNKNOWN, which the parser takes for LOCAL
		return origin{}, nil
	}
	source, destination, ok := h.TCPAddrs()
	if !ok {
		return origin{}, errFamily
	}
	o := origin{source: plain(source.AddrPort()), destination: plain(destination.AddrPort())}
	if h.Version == 1 {
		return o, nil
	}
	tlvs, err := h.TLVs()
	if err != nil {
		return origin{}, err
	}
	for _, tlv := range tlvs {
		switch tlv.Type {
		case proxyproto.PP2_TYPE_UNIQUE_ID:
			o.parent = printable(tlv.Value)
		case typeRelayed:
			o.relayed = true
		}
	}
	return o, nil
}

// typeRelayed is the TLV by which a balancer tells the balancer of another region that it sends a session on: the value is
// its region. The number is from the range for private use (proxy-protocol.txt, 2.2.8).
const typeRelayed = proxyproto.PP2_TYPE_MIN_CUSTOM

// appendRelayed adds the TLV to a version 2 header that ends dst and begins at 0.
func appendRelayed(dst []byte, region string) []byte {
	region = region[:min(len(region), 255)]
	dst = append(dst, byte(typeRelayed), 0, byte(len(region)))
	dst = append(dst, region...)
	binary.BigEndian.PutUint16(dst[14:], uint16(len(dst)-16))
	return dst
}

// opening is what a node gets before anything of the session: the header that it expects, and the client's hello, if it
// goes on to the node.
func (s *session) opening(from *approach, b *routing.Backend) []byte {
	h := wire.ProxyHeader{Source: s.source, Destination: from.destination, UniqueID: s.id[:]}
	if from.secure != nil {
		h.SNI, h.ALPN, h.TLS = from.serverName, from.alpn, from.clientTLS
	}
	var dst, hello []byte
	if client := from.hello; client != nil {
		h.SNI, h.ALPN, hello = client.serverName, client.alpn(), client.raw
	}
	switch b.Proxy {
	case config.ProxyV1:
		dst = wire.AppendProxyV1(nil, h)
	case config.ProxyV2:
		dst = wire.AppendProxyV2(make([]byte, 0, 128+len(hello)), h)
		if b.Node.Balancer {
			dst = appendRelayed(dst, s.server.region())
		}
	}
	if len(dst) == 0 {
		return hello
	}
	return append(dst, hello...)
}

// printable is an id that may stand in a log as it is.
func printable(id []byte) string {
	const longest = 128 // proxy-protocol.txt, 2.2.5
	if len(id) > longest {
		return ""
	}
	for _, b := range id {
		if b <= ' ' || b > '~' {
			return fmt.Sprintf("%x", id)
		}
	}
	return string(id)
}

// plain is an address in the one form in which addresses are compared: IPv4 as IPv4, no zone.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().WithZone("").Unmap(), a.Port())
}
