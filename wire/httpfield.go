package wire

import "bytes"

// httpFraming is what requests and responses say alike about their body and their connection.
type httpFraming struct {
	HTTP10  bool  // HTTP/1.0, else HTTP/1.1
	Chunked bool  // Transfer-Encoding: chunked
	Length  int64 // Content-Length; -1: none
	Close   bool  // Connection: close
	Upgrade bool  // an Upgrade field and Connection: upgrade
	Listed  bool  // Connection names fields that are for this connection alone, beside those that always are

	upgradeField, upgradeOption bool
}

// frame takes one field.
func (f *httpFraming) frame(name, value []byte) error {
	switch {
	case EqualFold(name, "content-length"):
		if f.Length >= 0 { // also where both say the same: nobody needs it
			return headError("two Content-Length fields")
		}
		n, ok := parseLength(value)
		if !ok {
			return headError("Content-Length is not a number")
		}
		f.Length = n
	case EqualFold(name, "transfer-encoding"):
		if f.Chunked || !EqualFold(value, "chunked") {
			return headError("a Transfer-Encoding other than chunked")
		}
		f.Chunked = true
	case EqualFold(name, "connection"):
		f.connection(value)
	case EqualFold(name, "upgrade"):
		f.upgradeField = true
	}
	return nil
}

func (f *httpFraming) connection(value []byte) {
	for len(value) > 0 {
		var option []byte
		option, value = NextListed(value)
		switch {
		case len(option) == 0:
		case EqualFold(option, "close"):
			f.Close = true
		case EqualFold(option, "upgrade"):
			f.upgradeOption = true
		case !HopByHop(option):
			f.Listed = true
		}
	}
}

// framed checks what only the end of the head can tell.
func (f *httpFraming) framed() error {
	f.Upgrade = f.upgradeField && f.upgradeOption
	switch {
	case f.Chunked && f.Length >= 0: // RFC 9112, 6.3
		return headError("Transfer-Encoding with Content-Length")
	case f.Chunked && f.HTTP10: // RFC 9112, 6.1
		return headError("Transfer-Encoding on HTTP/1.0")
	}
	return nil
}

// NextListed takes the first element off a comma-separated list (RFC 9110, 5.6.1); it may be empty.
func NextListed(list []byte) (element, rest []byte) {
	element, rest, _ = bytes.Cut(list, []byte{','})
	return TrimBlanks(element), rest
}

// HopByHop says whether a field is for one connection alone, named by Connection or not (RFC 9110, 7.6.1).
func HopByHop(name []byte) bool {
	switch len(name) {
	case 2:
		return EqualFold(name, "te")
	case 7:
		return EqualFold(name, "upgrade")
	case 10:
		return EqualFold(name, "connection") || EqualFold(name, "keep-alive")
	case 16:
		return EqualFold(name, "proxy-connection")
	}
	return false
}

// Pretends says whether a field tells a node who the client is. Ours take the place of what a client sends.
func Pretends(name []byte) bool {
	switch name[0] | 0x20 {
	case 'x':
		return len(name) > 11 && EqualFold(name[:12], "x-forwarded-") || EqualFold(name, "x-real-ip") || EqualFold(name, "x-client-ip") ||
			EqualFold(name, "x-cluster-client-ip") || EqualFold(name, "x-original-forwarded-for")
	case 'f':
		return EqualFold(name, "forwarded")
	case 't':
		return EqualFold(name, "true-client-ip")
	}
	return false
}
