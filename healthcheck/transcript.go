package healthcheck

import "bytes"

// maxTranscript bounds what is kept of a failed dialogue: enough for a greeting and the words that spoiled it.
const maxTranscript = 1 << 10

// transcript is what was said on a connection, C: by us and S: by the node, in printable characters. The zero value
// is empty.
type transcript struct {
	text  []byte
	who   byte
	midst bool // the last line has not ended yet
}

const hex = "0123456789abcdef"

// add appends what one side said, up to the bound.
func (t *transcript) add(who byte, said []byte) {
	for len(said) > 0 && len(t.text) < maxTranscript {
		line, rest, ended := bytes.Cut(said, []byte{'\n'})
		t.begin(who)
		for _, b := range bytes.TrimSuffix(line, []byte{'\r'}) {
			t.escape(b)
		}
		if t.midst = !ended; ended {
			t.text = append(t.text, '\n')
		}
		said = rest
	}
}

// note appends a remark of our own on a line of its own.
func (t *transcript) note(remark string) { t.add('*', append([]byte(remark), '\n')) }

func (t *transcript) begin(who byte) {
	if t.midst && t.who == who {
		return
	}
	if t.midst {
		t.text = append(t.text, '\n')
	}
	t.who = who
	t.text = append(t.text, who, ':', ' ')
}

func (t *transcript) escape(b byte) {
	switch {
	case len(t.text) >= maxTranscript:
	case b >= ' ' && b < 0x7f && b != '\\':
		t.text = append(t.text, b)
	default:
		t.text = append(t.text, '\\', 'x', hex[b>>4], hex[b&15])
	}
}

func (t *transcript) String() string {
	text := t.text[:min(len(t.text), maxTranscript)]
	return string(bytes.TrimRight(text, "\n"))
}
