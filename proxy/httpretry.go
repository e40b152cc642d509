package proxy

// repeatable says whether a request with this method may be done twice (RFC 9110, 9.2.2; the registry of methods for those of WebDAV
// and its extensions). Of a method that we do not know nothing is promised.
func repeatable(method []byte) bool {
	switch string(method) {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PROPFIND", "REPORT", "SEARCH", "PROPPATCH", "MKCOL", "COPY", "MOVE",
		"UNLOCK", "MKCALENDAR", "ACL", "QUERY":
		return true
	}
	return false
}

// fate is how far a request got on a connection that failed.
type fate struct {
	stale    bool // the connection had ended before anything of the request was sent
	fresh    bool // it had been made for this request
	safe     bool // the request may be done twice
	body     bool // bytes of its body may have been sent
	answered bool // bytes of a response have come
	timedOut bool // the node was silent until timeouts.idle
	failures int  // fresh connections that have failed on this request before
}

// verdict is where a request goes from there.
type verdict uint8

const (
	giveUp  verdict = iota // the client is told
	again                  // another connection to the same node
	another                // the next node
)

// maxFailures bounds the nodes that a request may fail: one that brings its node down must not bring them all down.
const maxFailures = 2

// decide never sends anything twice that could have an effect twice.
func (f fate) decide() verdict {
	switch {
	case f.answered, f.timedOut:
		return giveUp
	case f.stale && !f.fresh: // nothing was sent
		return again
	case !f.stale && (f.body || !f.safe):
		return giveUp
	case !f.fresh: // it was closed while the request was on its way: the node may have kept it just as long as we did
		return again
	case f.failures+1 < maxFailures:
		return another
	}
	return giveUp
}
