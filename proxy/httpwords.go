package proxy

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// problem is what we answer ourselves, as problem details (RFC 9457).
type problem struct {
	status int
	detail string
	end    end // what it counts as
}

var (
	problemHead        = problem{http.StatusBadRequest, "the request cannot be read in one way only", endRequest}
	problemPath        = problem{http.StatusBadRequest, "the path can be read in more than one way", endRequest}
	problemNotFound    = problem{http.StatusNotFound, "no service has this path", endRequest}
	problemConnect     = problem{http.StatusNotImplemented, "CONNECT is not served here", endRequest}
	problemSlow        = problem{http.StatusRequestTimeout, "the request took too long to arrive", endSlow}
	problemLarge       = problem{http.StatusRequestHeaderFieldsTooLarge, "the head of the request is longer than 32 KiB", endRequest}
	problemDestination = problem{http.StatusBadGateway, "the destination belongs to another service", endRequest}
	problemLimit       = problem{http.StatusTooManyRequests, "too many requests, try again later", endLimit}
	problemDenied      = problem{http.StatusForbidden, "not allowed from this address", endDenied}
	problemNoNode      = problem{http.StatusServiceUnavailable, "no server available, try again later", endNoNode}
	problemShutdown    = problem{http.StatusServiceUnavailable, "no server available, try again later", endShutdown}
	problemNode        = problem{http.StatusBadGateway, "the server ended the connection without an answer", endNode}
	problemAnswer      = problem{http.StatusBadGateway, "the server's answer cannot be read in one way only", endNode}
	problemLate        = problem{http.StatusGatewayTimeout, "the server did not answer in time", endIdle}
	problemRedirect    = problem{http.StatusPermanentRedirect, "this is served by https", endAnswered}
)

const retryAfter = 5 // seconds, the time in which probes find out what has changed

// append prints the whole response. head: without its body. last: the connection is closed behind it.
func (p problem) append(dst []byte, head, last bool, location string) []byte {
	body, _ := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{"about:blank", http.StatusText(p.status), p.status, p.detail})
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(p.status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(p.status)...)
	dst = append(dst, "\r\nDate: "...)
	dst = time.Now().UTC().AppendFormat(dst, http.TimeFormat)
	dst = append(dst, "\r\nContent-Type: application/problem+json\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	if location != "" {
		dst = append(append(dst, "\r\nLocation: "...), location...)
	} else {
		dst = append(dst, "\r\nCache-Control: no-store"...)
	}
	if p.status == http.StatusServiceUnavailable || p.status == http.StatusTooManyRequests {
		dst = append(dst, "\r\nRetry-After: "...)
		dst = strconv.AppendInt(dst, retryAfter, 10)
	}
	if last {
		dst = append(dst, "\r\nConnection: close"...)
	}
	dst = append(dst, "\r\n\r\n"...)
	if !head {
		dst = append(dst, body...)
	}
	return dst
}

// httpWords are what a client is told that is turned away before it has asked for anything.
func httpWords(o occasion) []byte {
	return [...]problem{problemNoNode, problemLimit, problemDenied}[o].append(nil, false, true, "")
}
