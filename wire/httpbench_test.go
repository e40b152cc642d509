package wire

import "testing"

const browserHead = "GET /jmap/session?x=1 HTTP/1.1\r\nHost: mail.example.org\r\nUser-Agent: curl/8.1\r\nAccept: */*\r\n" +
	"Accept-Encoding: gzip, br\r\nAuthorization: Bearer 0123456789abcdef\r\nConnection: keep-alive\r\n\r\n"

func BenchmarkCheckRequestHead(b *testing.B) {
	head := []byte(browserHead)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := CheckRequestHead(head); err != nil {
			b.Fatal(err)
		}
	}
}
