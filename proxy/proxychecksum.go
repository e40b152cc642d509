package proxy

import (
	"encoding/binary"
	"hash/crc32"

	proxyproto "github.com/pires/go-proxyproto"
)

// sound says whether a header has the checksum that it says, if it says one (proxy-protocol.txt, 2.2.3). What is wrong with TLVs besides is
// for others to find.
func sound(h *proxyproto.Header, raw []byte) bool {
	at := 16
	switch {
	case h.Version != 2 || h.Command.IsLocal():
		return true
	case h.TransportProtocol.IsIPv4():
		at += 12
	case h.TransportProtocol.IsIPv6():
		at += 36
	}
	for at+3 <= len(raw) {
		kind, value := proxyproto.PP2Type(raw[at]), at+3
		if at = value + int(binary.BigEndian.Uint16(raw[at+1:])); kind == proxyproto.PP2_TYPE_CRC32C && at <= len(raw) {
			return soundSum(raw, raw[value:at])
		}
	}
	return true
}

// soundSum compares the checksum that stands in a header with that of the header, in which zeros stand for it.
func soundSum(raw, sum []byte) bool {
	if len(sum) != crc32.Size {
		return false
	}
	want := binary.BigEndian.Uint32(sum)
	clear(sum)
	return crc32.Checksum(raw, castagnoli) == want
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
