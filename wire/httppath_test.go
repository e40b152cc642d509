package wire

import (
	"strings"
	"testing"
)

func TestPathReadings(t *testing.T) {
	for _, row := range []struct{ path, want string }{ // "" is refused
		{"/", "/"},
		{"/jmap/ws", "/jmap/ws"},
		{"/dav/cal/u1/a.ics", "/dav/cal/u1/a.ics"},
		{"/.well-known/jmap", "/.well-known/jmap /.well-known/jmap /.well-known/jmap /.well-known/jmap"},
		{"/dav/a%20b", "/dav/a%20b /dav/a b /dav/a b /dav/a%20b"},
		{"/jmap/../dav", "/jmap/../dav /jmap/../dav /dav /dav"},
		{"/jmap/%2e%2e/dav", "/jmap/%2e%2e/dav /jmap/../dav /dav /jmap/%2e%2e/dav"},
		{"/jmap%2f..%2Fdav", "/jmap%2f..%2Fdav /jmap/../dav /dav /jmap%2f..%2Fdav"},
		{"//dav//x/", "//dav//x/ //dav//x/ /dav/x /dav/x"},
		{"/a/./b", "/a/./b /a/./b /a/b /a/b"},
		{"/%252e%252e/", "/%252e%252e/ /%2e%2e/ /%2e%2e /%252e%252e"}, // decoded once
		{"/..", ""},
		{"/%2e%2e/x", ""},
		{"/a/../../b", ""},
		{"/a%00b", ""},
		{"/a%0d%0ab", ""},
		{"/a\\b", ""},
		{"/a%5cb", ""},
		{"/a%5Cb", ""},
		{"/a#b", ""},
		{"/a%23b", "/a%23b /a#b /a#b /a%23b"},
		{"/a%", ""},
		{"/a%2", ""},
		{"/a%zz", ""},
		{"dav", ""},
		{"", ""},
	} {
		readings, err := PathReadings(row.path)
		if got := strings.Join(readings, " "); got != row.want || (err == nil) != (row.want != "") {
			t.Errorf("PathReadings(%q) = %q, %v, want %q", row.path, got, err, row.want)
		}
	}
}
