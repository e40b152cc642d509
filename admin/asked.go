package admin

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// query is the parameters of a request. The first one that is wrong is what the client is told.
type query struct {
	url.Values
	err error
}

func asked(r *http.Request) *query { return &query{Values: r.URL.Query()} }

// refused answers where something was wrong.
func (q *query) refused(w http.ResponseWriter) bool {
	if q.err != nil {
		problem(w, http.StatusBadRequest, q.err.Error())
	}
	return q.err != nil
}

func (q *query) wrong(format string, args ...any) {
	if q.err == nil {
		q.err = fmt.Errorf(format, args...)
	}
}

// number is a whole one from least to most; least where the key is not given.
func (q *query) number(key string, least, most int64) int64 {
	text := q.Get(key)
	if text == "" {
		return least
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		q.wrong("%s=%s: want a number from %d to %d", key, clip(text), least, most)
	}
	return n
}

const (
	usualRows = 100
	maxRows   = 1000
)

// limit is how many rows are wanted.
func (q *query) limit() int64 {
	if q.Get("limit") == "" {
		return usualRows
	}
	return q.number("limit", 1, maxRows)
}

// duration is one like 10m, from 0 to most.
func (q *query) duration(key string, usual, most time.Duration) time.Duration {
	text := q.Get(key)
	if text == "" {
		return usual
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > most {
		q.wrong("%s=%s: want a time such as 30s, 10m or 2h, at most %v", key, clip(text), most)
	}
	return d
}

// flag is true where the key is given, unless its value says false.
func (q *query) flag(key string) bool {
	if !q.Has(key) || q.Get(key) == "" {
		return q.Has(key)
	}
	yes, err := strconv.ParseBool(q.Get(key))
	if err != nil {
		q.wrong("%s=%s: want true or false", key, clip(q.Get(key)))
	}
	return yes
}

// network is an address or a prefix; the zero value where the key is not given.
func (q *query) network(key string) netip.Prefix {
	text := q.Get(key)
	if text == "" {
		return netip.Prefix{}
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		q.wrong("%s=%s: want an address or a network such as 192.0.2.0/24", key, clip(text))
	}
	return p.Masked()
}

// word is a name; it is not looked up.
func (q *query) word(key string) string { return clip(q.Get(key)) }

// reason is why the operator does it, in a line of its own words.
func (q *query) reason() string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, clip(q.Get("reason")))
}

// clip bounds what is repeated to others.
func clip(text string) string {
	const most = 200
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}

type connKey struct{}

// meet notes who is at the other end of a connection.
func meet(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// asker says who made a request: the user of a unix socket, or an address.
func asker(r *http.Request) string {
	who := r.RemoteAddr
	if c, ok := r.Context().Value(connKey{}).(*net.UnixConn); ok {
		who = userOf(c)
	} else if host, _, err := net.SplitHostPort(who); err == nil {
		who = host
	}
	if r.Header.Get("Authorization") != "" {
		return who + " with the token"
	}
	return who
}

func userOf(c *net.UnixConn) string {
	who := "somebody on this machine"
	raw, err := c.SyscallConn()
	if err != nil {
		return who
	}
	raw.Control(func(fd uintptr) {
		if uid, err := peerUID(int(fd)); err == nil {
			who = fmt.Sprintf("uid %d", uid)
		}
	})
	return who
}
