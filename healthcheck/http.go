package healthcheck

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"posthouse/wire"
)

// http makes one request and judges the answer by its status: below 500 the node is up, but see misread.
func (d *dialogue) http() *failure {
	if d.secure == nil {
		d.out.greeting = time.Since(d.begun) // a session waits for the connect alone
	}
	d.Write(d.request()) // a node that is gone is found by the read
	head, body, err := d.hear()
	if err != nil {
		return d.unheard(err, head)
	}
	a, err := parseResponse(head)
	if err != nil {
		return d.unheard(err, head)
	}
	body = d.rest(a, body)
	if f := d.judge(a, body); f != nil {
		return f
	}
	if d.strict {
		if _, err := wire.CheckResponseHead(head); err != nil {
			return failed("sessions cannot pass its answer to %s on: %v", d.ask, err)
		}
	}
	d.out.version = productOf(a.server)
	d.announced(a)
	return nil
}

// request asks for one answer and the end of the connection: the node closes first, and the port stays its own affair.
func (d *dialogue) request() []byte {
	b := make([]byte, 0, 256)
	b = append(b, d.ask.method...)
	b = append(b, ' ')
	b = append(b, d.ask.path...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, d.name...)
	b = append(b, "\r\nUser-Agent: posthouse"...)
	if d.agent != "" {
		b = append(append(b, '/'), d.agent...)
	}
	return append(b, "\r\nAccept: */*\r\nConnection: close\r\n\r\n"...)
}

var errNotHTTP = errors.New("not HTTP/1")

// hear reads the head of the answer, and what comes with it of the body. With an error head is what was heard.
func (d *dialogue) hear() (head, body []byte, err error) {
	buf := make([]byte, 0, 1<<10)
	for looked := 0; ; {
		var length int
		if length, looked = wire.HeadEnd(buf, looked); length > 0 {
			if !interim(buf) {
				return buf[:length], buf[length:], nil
			}
			buf, looked = buf[length:], 0
			continue
		}
		if !plausible(buf) {
			return buf, nil, errNotHTTP
		}
		n, err := d.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if n == 0 && err != nil {
			return buf, nil, err
		}
		buf = slices.Grow(buf, 1) // d.raw ends what would be too much
	}
}

// plausible says whether an answer could become HTTP/1: a server that greets would otherwise be waited for in vain.
func plausible(said []byte) bool {
	const version = "HTTP/1."
	n := min(len(said), len(version))
	return string(said[:n]) == version[:n]
}

// interim says whether a head is that of an answer before the answer (RFC 9110, 15.2), such as 103.
func interim(head []byte) bool {
	return len(head) > len("HTTP/1.1 1") && head[9] == '1' && !bytes.HasPrefix(head[9:], []byte("101"))
}

// maxWords is how much of a body is looked at: error pages say early what is wrong.
const maxWords = 1 << 10

// rest reads the answer to its end, if that comes in a moment, and returns the beginning of the body. Where the body decides whether the
// node is good it has the probe's time.
func (d *dialogue) rest(a response, body []byte) []byte {
	var scratch []byte
	for hasty := false; !d.ended; {
		if !hasty && (!d.decidesByBody(a) || len(body) >= maxWords) {
			hasty = true
			d.raw.SetDeadline(d.lingerUntil())
		}
		into := body[len(body):cap(body)]
		if len(into) == 0 {
			if scratch == nil {
				scratch = make([]byte, maxWords)
			}
			into = scratch
		}
		n, err := d.Read(into)
		if len(body) < maxWords {
			body = append(body, into[:n]...)
		}
		if err != nil {
			break
		}
	}
	return body[:min(len(body), maxWords)]
}

func (d *dialogue) judge(a response, body []byte) *failure {
	doubt, kind := d.misread(a, body)
	if a.status >= 500 || doubt != "" {
		return failed("answers %s with %s%s", d.ask, a.line, doubt).as(kind)
	}
	return nil
}

// decidesByBody says whether the same status means that a node is good or that it is not: see misread.
func (d *dialogue) decidesByBody(a response) bool { return d.secure == nil && a.status == 400 }

// misread is why a node may not have understood a request that has nothing wrong in it, or "". All sessions get the same
// 400 as we: it reads our PROXY header as a request, or our request as a handshake.
func (d *dialogue) misread(a response, body []byte) (doubt string, kind Kind) {
	if d.secure != nil || a.status < 400 {
		return "", ""
	}
	for _, word := range []string{"plain HTTP", "HTTPS", "SSL", " TLS"} {
		if bytes.Contains(body, []byte(word)) && (a.status == 400 || a.status >= 500) {
			return d.tlsDoubt(), SpeaksTLS
		}
	}
	if a.status == 400 {
		return d.headerDoubt(), ""
	}
	return "", ""
}
