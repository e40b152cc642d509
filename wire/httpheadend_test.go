package wire

import "testing"

func TestHeadEnd(t *testing.T) {
	for _, row := range []struct {
		text string
		want int
	}{
		{"", 0}, {"GET", 0}, {"a\r\n", 0}, {"a\r\n\r", 0}, {"a\r\n\r\n", 5}, {"a\r\n\r\nb", 5}, {"a\n\n", 3}, {"a\nb\r\n\r\nc", 7}, {"\r\n\r\n", 4},
		{"a\r\n\rb\r\n\r\n", 9},
	} {
		if got, _ := HeadEnd([]byte(row.text), 0); got != row.want {
			t.Errorf("HeadEnd(%q) = %d, want %d", row.text, got, row.want)
		}
		looked, got := 0, 0 // byte by byte
		for end := 0; end <= len(row.text) && got == 0; end++ {
			got, looked = HeadEnd([]byte(row.text[:end]), looked)
		}
		if got != row.want {
			t.Errorf("HeadEnd(%q) byte by byte = %d, want %d", row.text, got, row.want)
		}
	}
}
