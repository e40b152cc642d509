package geodns

import (
	"encoding/hex"
	"net/netip"
	"testing"
	"time"
)

// bytesOf reads hexadecimal digits.
func bytesOf(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// cookiesWith has the secrets of the test vectors.
func cookiesWith(t *testing.T, now, before string) *cookies {
	c := new(cookies)
	c.secrets.Store(&secrets{now: sipKeyOf([16]byte(bytesOf(t, now))), before: sipKeyOf([16]byte(bytesOf(t, before)))})
	return c
}

const (
	secretA = "e5e973e5a6b2a43f48e7dc849e37bfcf"
	secretB = "dd3bdf9344b678b185a6f5cb60fca715"
	secretC = "445536bcd2513298075a5d379663c962"
)

// TestCookieVectors are RFC 9018, appendix A.
func TestCookieVectors(t *testing.T) {
	for _, row := range []struct {
		name, secret, client, cookie, want string
		at                                 uint32
	}{
		{"A.1 new", secretA, "198.51.100.100", "2464c4abcf10c957", "2464c4abcf10c957010000005cf79f111f8130c3eee29480", 1559731985},
		{"A.2 renewed", secretA, "198.51.100.100", "2464c4abcf10c957", "2464c4abcf10c957010000005cf7a871d4a564a1442aca77", 1559734385},
		{"A.3 another client", secretA, "203.0.113.203", "fc93fc62807ddb86", "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e", 1559734700},
		{"A.4 IPv6", secretB, "2001:db8:220:1:59de:d0f4:8769:82b8", "22681ab97d52c298", "22681ab97d52c298010000005cf7c57926556bd0934c72f8", 1559741817},
	} {
		c := cookiesWith(t, row.secret, secretC)
		var got [wholeCookie]byte
		copy(got[:], bytesOf(t, row.cookie))
		c.make(&got, netip.MustParseAddr(row.client), row.at)
		if hex.EncodeToString(got[:]) != row.want {
			t.Errorf("%s: %x, want %s", row.name, got, row.want)
		}
	}
}

func TestCookieCheck(t *testing.T) {
	const made = 1559731985
	c := cookiesWith(t, secretA, secretB)
	client, other := netip.MustParseAddr("198.51.100.100"), netip.MustParseAddr("198.51.100.101")
	good := bytesOf(t, "2464c4abcf10c957010000005cf79f111f8130c3eee29480")
	change := func(i int) []byte {
		b := append([]byte(nil), good...)
		b[i] ^= 1
		return b
	}
	for _, row := range []struct {
		name         string
		cookie       []byte
		client       netip.Addr
		at           uint32
		valid, fresh bool
	}{
		{"at once", good, client, made, true, true},
		{"half an hour old", good, client, made + 1799, true, true},
		{"older", good, client, made + 1800, true, false},
		{"an hour old", good, client, made + 3600, true, false},
		{"too old", good, client, made + 3601, false, false},
		{"from a clock that is ahead", good, client, made - 300, true, false},
		{"from the future", good, client, made - 301, false, false},
		{"of somebody else", good, other, made, false, false},
		{"another client cookie", change(0), client, made, false, false},
		{"another version", change(8), client, made, false, false},
		{"reserved bits", change(10), client, made, false, false},
		{"another hash", change(23), client, made, false, false},
		{"short", good[:23], client, made, false, false},
		{"the client's part alone", good[:8], client, made, false, false},
	} {
		valid, fresh := c.check(row.cookie, row.client, row.at)
		if valid != row.valid || fresh != row.fresh {
			t.Errorf("%s: valid %v, fresh %v; want %v, %v", row.name, valid, fresh, row.valid, row.fresh)
		}
	}
}

func TestCookieSecretsRotate(t *testing.T) {
	c, start := newCookies(), time.Now()
	client := netip.MustParseAddr("2001:db8::1")
	var cookie [wholeCookie]byte
	c.make(&cookie, client, 1000)
	for _, row := range []struct {
		after        time.Duration
		valid, fresh bool
	}{
		{secretLife - time.Minute, true, true}, {secretLife + time.Minute, true, false}, {2*secretLife + 2*time.Minute, false, false},
	} {
		c.rotate(start.Add(row.after))
		if valid, fresh := c.check(cookie[:], client, 1001); valid != row.valid || fresh != row.fresh {
			t.Errorf("after %v: valid %v, fresh %v; want %v, %v", row.after, valid, fresh, row.valid, row.fresh)
		}
	}
}
