package geodns

import (
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"time"
)

// Lengths of DNS cookies: RFC 7873, 4; the server's part as RFC 9018, 4 makes it.
const (
	clientCookie = 8
	serverCookie = 16
	wholeCookie  = clientCookie + serverCookie
)

// How long a server cookie is good for: RFC 9018, 4.3.
const (
	cookieLife   = time.Hour
	cookieFuture = 5 * time.Minute
	cookieRenew  = 30 * time.Minute
)

// secretLife is how long server cookies are made with one secret. The one before is believed as well, so it is to be longer
// than cookieLife.
const secretLife = 24 * time.Hour

// cookies makes and checks server cookies. Any goroutine may use it.
type cookies struct{ secrets atomic.Pointer[secrets] }

// secrets are the keys of now and before.
type secrets struct {
	now, before sipKey
	since       time.Time
}

func newCookies() *cookies {
	c := new(cookies)
	c.secrets.Store(&secrets{now: newSipKey(), before: newSipKey(), since: time.Now()})
	return c
}

// rotate takes a new secret where the present one is old enough, and says whether it did.
func (c *cookies) rotate(now time.Time) bool {
	old := c.secrets.Load()
	if now.Sub(old.since) < secretLife {
		return false
	}
	c.secrets.Store(&secrets{now: newSipKey(), before: old.now, since: now})
	return true
}

// check says whether a whole cookie was made here, for this client and not long ago. Then fresh is whether it may be sent back
// as it is.
func (c *cookies) check(cookie []byte, client netip.Addr, now uint32) (valid, fresh bool) {
	if len(cookie) != wholeCookie || cookie[8] != 1 || cookie[9]|cookie[10]|cookie[11] != 0 {
		return false, false
	}
	age := int32(now - binary.BigEndian.Uint32(cookie[12:])) // serial number arithmetic: RFC 9018, 4.3
	if age > int32(cookieLife/time.Second) || -age > int32(cookieFuture/time.Second) {
		return false, false
	}
	s, got := c.secrets.Load(), binary.LittleEndian.Uint64(cookie[16:])
	if s.now.sign(cookie, client) == got {
		return true, age >= 0 && age < int32(cookieRenew/time.Second)
	}
	return s.before.sign(cookie, client) == got, false
}

// make appends the server's part to a client cookie: version 1, three reserved bytes, the time, the hash (RFC 9018, 4.1 to 4.4).
func (c *cookies) make(cookie *[wholeCookie]byte, client netip.Addr, now uint32) {
	cookie[8], cookie[9], cookie[10], cookie[11] = 1, 0, 0, 0
	binary.BigEndian.PutUint32(cookie[12:], now)
	binary.LittleEndian.PutUint64(cookie[16:], c.secrets.Load().now.sign(cookie[:], client))
}

// sign is the hash over the first 16 bytes of a cookie and the client's address.
func (k sipKey) sign(cookie []byte, client netip.Addr) uint64 {
	a, b := binary.LittleEndian.Uint64(cookie), binary.LittleEndian.Uint64(cookie[8:])
	if client.Is4() {
		ip := client.As4()
		return k.sum20(a, b, binary.LittleEndian.Uint32(ip[:]))
	}
	ip := client.As16()
	return k.sum32(a, b, binary.LittleEndian.Uint64(ip[:]), binary.LittleEndian.Uint64(ip[8:]))
}

// sipKey is the key of SipHash-2-4.
type sipKey struct{ k0, k1 uint64 }

const sipKeySize = 16

func newSipKey() sipKey {
	var b [sipKeySize]byte
	rand.Read(b[:]) // never fails
	return sipKeyOf(b)
}

func sipKeyOf(b [sipKeySize]byte) sipKey {
	return sipKey{binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])}
}

func (k sipKey) bytes() []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, k.k0), k.k1)
}
