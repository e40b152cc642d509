package config

import (
	"fmt"
	"strings"
	"testing"
)

func ranges() string {
	return "cluster: mail.example.org\nnodes:\n  - {name: \"node-[0001-1024]\", address: 10.16.0.1+}\ndefaults: {proxy_protocol: v2}\n"
}

func singles(count int) string {
	var s strings.Builder
	s.WriteString("cluster: mail.example.org\ndefaults: {proxy_protocol: v2}\nnodes:\n")
	for i := range count {
		fmt.Fprintf(&s, "  - {name: node-%d, address: 10.16.%d.%d, role: unified, weight: 1}\n", i, i/256, i%256)
	}
	return s.String()
}

func benchmark(b *testing.B, text string) {
	source := Source{Path: "t.yaml", Files: []File{{"t.yaml", []byte(text)}}}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(source, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseRange1024(b *testing.B)    { benchmark(b, ranges()) }
func BenchmarkParseSingles1024(b *testing.B)  { benchmark(b, singles(1024)) }
func BenchmarkParseSingles16384(b *testing.B) { benchmark(b, singles(16384)) }
