package wire

import "encoding/binary"

// control looks for the first byte that no value and no reason may have (RFC 9110, 5.5): a control character, but for tabs. It looks at
// eight bytes at a time.
func control(text []byte) (c byte, found bool) {
	for len(text) >= 8 {
		const each, high = 0x0101010101010101, 0x8080808080808080
		word := binary.LittleEndian.Uint64(text)
		del := word ^ 0x7f*each
		if ((word-' '*each)&^word|(del-each)&^del)&high != 0 { // a byte below space, or the last of ASCII
			if c, found = controlByte(text[:8]); found {
				return c, true
			}
		}
		text = text[8:]
	}
	return controlByte(text)
}

func controlByte(text []byte) (c byte, found bool) {
	for _, c := range text {
		if c < ' ' && c != '\t' || c == 0x7f {
			return c, true
		}
	}
	return 0, false
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// TrimBlanks takes off the white space around a value (OWS: RFC 9110, 5.6.3).
func TrimBlanks(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func parseLength(digits []byte) (int64, bool) {
	if len(digits) == 0 || len(digits) > maxLengthN {
		return 0, false
	}
	var n int64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// isToken is RFC 9110, 5.6.2.
func isToken(b []byte) bool {
	for _, c := range b {
		if !tokenByte[c] {
			return false
		}
	}
	return len(b) > 0
}

var tokenByte = func() (t [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[c] = true
	}
	return t
}()

// EqualFold compares with a lower-case ASCII word.
func EqualFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// TokenByte says whether a byte may stand in a token, such as a method.
func TokenByte(b byte) bool { return tokenByte[b] }
