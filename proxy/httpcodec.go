package proxy

import (
	"bufio"
	"bytes"
	"sync"

	"github.com/valyala/fasthttp"

	"posthouse/wire"
)

// codec prints the heads of requests and responses for the other side, once package wire has found them to have one reading only. A
// field that stays goes as it came and in its place. Where Connection names fields that are for one connection,
// fasthttp parses the head and says which; parsing every head a second time would cost a sixth of the whole request. It is
// borrowed for one exchange.
type codec struct {
	source   bytes.Reader
	reader   *bufio.Reader
	request  fasthttp.RequestHeader
	response fasthttp.ResponseHeader
	listed   [][]byte // fields that Connection names
	out      []byte
}

var codecs = sync.Pool{New: func() any {
	c := &codec{reader: bufio.NewReaderSize(nil, smallBlock), out: make([]byte, 0, smallBlock)}
	c.request.DisableNormalizing()
	c.request.SetNoDefaultContentType(true)
	c.response.DisableNormalizing()
	c.response.SetNoDefaultContentType(true)
	return c
}}

func (c *codec) giveBack() {
	if cap(c.out) > 2*largeBlock {
		c.out = make([]byte, 0, smallBlock)
	}
	codecs.Put(c)
}

// read lets fasthttp parse a whole head.
func (c *codec) read(head []byte, parse func(*bufio.Reader) error) error {
	c.source.Reset(head)
	reader := c.reader
	if len(head) > smallBlock {
		reader = bufio.NewReaderSize(nil, len(head))
	}
	reader.Reset(&c.source)
	return parse(reader)
}

// arrival is what we know of a request beside its head, and tell the node.
type arrival struct {
	client    []byte // its address, as X-Forwarded-For has it
	forwarded []byte // Forwarded up to the host (RFC 7239)
	proto     string // "http" or "https"
	host      string // where an HTTP/1.0 client names none
}

// printRequest appends the head for the node: method, target and fields as they came, less those that are for one connection
// and those in which clients could pretend to come from elsewhere, plus those in which we say where it came from.
func (c *codec) printRequest(raw []byte, h *wire.RequestHead, t *target, from *arrival, upgrade bool) error {
	if h.Listed {
		if err := c.read(raw, c.request.Read); err != nil {
			return err
		}
	}
	c.list(h.Listed, true)
	out := append(c.out[:0], h.Method...)
	out = append(append(out, ' '), t.whole...)
	out = append(out, " HTTP/1.1\r\n"...)
	host := h.Host
	if t.authority != nil { // RFC 9112, 3.2.2: it counts, not the field
		host = t.authority
	}
	if host == nil {
		host = append(host, from.host...)
	}
	if h.Host == nil || t.authority != nil {
		out = appendField(out, "Host", host)
	}
	for f := fieldsOf(raw); f.next(); {
		switch name := f.name; {
		case t.authority != nil && wire.EqualFold(name, "host"):
		case wire.HopByHop(name):
			if wire.EqualFold(name, "te") && trailersWanted(f.value()) {
				out = append(out, "TE: trailers\r\nConnection: TE\r\n"...)
			}
		case h.HTTP10 && wire.EqualFold(name, "expect"): // RFC 9110, 10.1.1
		case wire.Pretends(name), c.isListed(name):
		default:
			out = f.append(out)
		}
	}
	if upgrade {
		out = append(out, "Upgrade: websocket\r\nConnection: Upgrade\r\n"...)
	}
	c.out = from.append(out, host)
	return nil
}

// append prints where a request came from, and the end of the head.
func (a *arrival) append(out, host []byte) []byte {
	out = append(append(out, "Forwarded: "...), a.forwarded...)
	if len(host) > 0 {
		out = append(out, ";host="...)
		out = appendQuoted(out, host)
		out = append(append(out, "\r\nX-Forwarded-Host: "...), host...)
	}
	out = append(append(out, "\r\nX-Forwarded-For: "...), a.client...)
	out = append(append(out, "\r\nX-Forwarded-Proto: "...), a.proto...)
	return append(out, "\r\n\r\n"...)
}

// printResponse appends the head for the client. last: the connection is closed behind it. bare: without Transfer-Encoding.
func (c *codec) printResponse(raw []byte, h *wire.ResponseHead, last, bare bool) error {
	if h.Listed {
		if err := c.read(raw, c.response.Read); err != nil {
			return err
		}
	}
	c.list(h.Listed, false)
	out := append(c.out[:0], "HTTP/1.1 "...)
	out = append(out, byte('0'+h.Status/100), byte('0'+h.Status/10%10), byte('0'+h.Status%10), ' ')
	out = append(append(out, reasonOf(raw)...), "\r\n"...)
	upgrades := h.Upgrade && (h.Status == 101 || h.Status == 426)
	for f := fieldsOf(raw); f.next(); {
		switch name := f.name; {
		case upgrades && wire.EqualFold(name, "upgrade"):
			out = appendField(out, "Upgrade", f.value())
		case wire.HopByHop(name), c.isListed(name):
		case wire.EqualFold(name, "transfer-encoding") && (bare || h.Status < 200 || h.Status == 204): // RFC 9112, 6.1
		case wire.EqualFold(name, "content-length") && (h.Status < 200 || h.Status == 204): // RFC 9110, 8.6
		default:
			out = f.append(out)
		}
	}
	switch {
	case upgrades && !last:
		out = append(out, "Connection: Upgrade\r\n"...)
	case upgrades:
		out = append(out, "Connection: Upgrade, close\r\n"...)
	case last:
		out = append(out, "Connection: close\r\n"...)
	}
	c.out = append(out, "\r\n"...)
	return nil
}

// fields walks the lines of a head that package wire has checked: each is name, colon, value and CRLF, and an empty one ends them.
type fields struct {
	rest, line, name []byte
}

func fieldsOf(head []byte) fields {
	return fields{rest: head[bytes.IndexByte(head, '\n')+1:]}
}

func (f *fields) next() bool {
	end := bytes.IndexByte(f.rest, '\n') + 1
	f.line, f.rest = f.rest[:end], f.rest[end:]
	colon := bytes.IndexByte(f.line, ':')
	if colon < 0 {
		return false
	}
	f.name = f.line[:colon]
	return true
}

func (f *fields) value() []byte { return wire.TrimBlanks(f.line[len(f.name)+1 : len(f.line)-2]) }

// append prints the field in the one form that leaves nothing to find out: one space before the value, and no white space behind it.
// Most have that form.
func (f *fields) append(dst []byte) []byte {
	value := f.value()
	if len(f.line) == len(f.name)+len(": \r\n")+len(value) && f.line[len(f.name)+1] == ' ' {
		return append(dst, f.line...)
	}
	dst = append(append(dst, f.name...), ": "...)
	return append(append(dst, value...), "\r\n"...)
}

// reasonOf is the phrase behind the status code of a checked response, which may be missing (RFC 9112, 4).
func reasonOf(head []byte) []byte {
	const before = len("HTTP/1.1 200 ")
	end := bytes.IndexByte(head, '\r')
	return head[min(before, end):end]
}

// list collects the names in Connection. The slices are the header's.
func (c *codec) list(any, request bool) {
	c.listed = c.listed[:0]
	if !any {
		return
	}
	fields := c.response.All()
	if request {
		fields = c.request.AllInOrder()
	}
	for name, value := range fields {
		if !wire.EqualFold(name, "connection") {
			continue
		}
		for len(value) > 0 {
			var option []byte
			option, value = wire.NextListed(value)
			// An option that names what every message needs is an attempt to take it away from the node.
			if len(option) > 0 && !endToEnd(option) {
				c.listed = append(c.listed, append([]byte(nil), option...))
			}
		}
	}
}

func (c *codec) isListed(name []byte) bool {
	for _, l := range c.listed {
		if bytes.EqualFold(l, name) {
			return true
		}
	}
	return false
}

// endToEnd are fields that Connection must not name (RFC 9110, 7.6.1).
func endToEnd(name []byte) bool {
	for _, n := range [...]string{
		"host", "content-length", "transfer-encoding", "content-type", "content-encoding", "authorization", "cookie", "set-cookie",
		"cache-control", "date", "expect", "trailer", "destination",
	} {
		if wire.EqualFold(name, n) {
			return true
		}
	}
	return false
}

// trailersWanted says whether TE has the one option that is about more than one connection (RFC 9110, 10.1.4).
func trailersWanted(te []byte) bool {
	for len(te) > 0 {
		var option []byte
		if option, te = wire.NextListed(te); wire.EqualFold(option, "trailers") {
			return true
		}
	}
	return false
}

func appendField(dst []byte, name string, value []byte) []byte {
	dst = append(append(dst, name...), ": "...)
	return append(append(dst, value...), "\r\n"...)
}

// appendQuoted appends a value as RFC 7239, 4, wants it: a quoted string where it is no token, as with a port.
func appendQuoted(dst, value []byte) []byte {
	token := true
	for _, b := range value {
		token = token && wire.TokenByte(b)
	}
	if token {
		return append(dst, value...)
	}
	dst = append(dst, '"')
	for _, b := range value {
		if b == '"' || b == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, b)
	}
	return append(dst, '"')
}
