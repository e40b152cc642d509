//go:build linux

package main

import (
	"bytes"
	"testing"
)

func TestCommandIsItsLine(t *testing.T) {
	for _, c := range []command{
		{verb: say},
		{verb: write, number: 12345678, client: 7999, size: 1_000_000_000},
		{verb: take, number: 99_999_999, client: 999_999, size: 1},
	} {
		line := c.append(nil)
		if len(line) != lineSize || !bytes.HasSuffix(line, []byte("\r\n")) {
			t.Fatalf("%+v is %q of %d bytes", c, line, len(line))
		}
		if got, err := parseCommand(line); err != nil || got != c {
			t.Errorf("parse of %q = %+v, %v; want %+v", line, got, err, c)
		}
		for i := range line {
			wrong := bytes.Clone(line)
			wrong[i] ^= 1
			if got, err := parseCommand(wrong); err == nil && got == c {
				t.Errorf("byte %d of %q may be anything", i, line)
			}
		}
	}
}

func TestStreamNoticesEveryByte(t *testing.T) {
	const size = 3*piece + 17
	all := func(number int) (p []byte) {
		for s := streamOf(number, size); s.left > 0; s.skip(len(s.next())) {
			p = append(p, s.next()...)
		}
		return p
	}
	right := all(300) // goes round the text's end
	if len(right) != size {
		t.Fatalf("%d bytes, want %d", len(right), size)
	}
	s := streamOf(300, size)
	for _, part := range [][]byte{right[:1], right[1 : piece+5], right[piece+5:]} {
		if err := s.take(part); err != nil {
			t.Fatal(err)
		}
	}
	if s.left != 0 {
		t.Errorf("%d bytes left", s.left)
	}
	changed := bytes.Clone(right)
	changed[2*piece]++
	for name, wrong := range map[string][]byte{
		"another session's": all(301),
		"one changed":       changed,
		"one missing":       append(bytes.Clone(right[:piece]), right[piece+1:]...),
		"one too many":      append(bytes.Clone(right), 'x'),
	} {
		s := streamOf(300, size)
		if s.take(wrong) == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
}
