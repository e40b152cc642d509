//go:build linux

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
)

// Everything that is sent is a window of one random text, which goes round: each command has a number, and the number says where its
// window begins. A byte that is missing, doubled, changed or another session's is noticed at once.
const (
	period = 1 << 20
	piece  = 256 << 10 // that can be had at a time
	stride = 4099      // a prime: neighbours have windows far apart
)

var text = func() []byte {
	r := rand.New(rand.NewPCG(1, 2))
	t := make([]byte, period, period+piece)
	for i := range t {
		t[i] = byte('0' + r.IntN(75)) // no line ends
	}
	return append(t, t[:piece]...)
}()

// stream is what is left of a window.
type stream struct {
	at   int // in the text
	left int
}

func streamOf(number, size int) stream { return stream{int(int64(number) * stride % period), size} }

// next is the part that comes next, at most a piece of it.
func (s *stream) next() []byte { return text[s.at : s.at+min(s.left, piece)] }

func (s *stream) skip(n int) { s.at, s.left = (s.at+n)%period, s.left-n }

// take compares what has come with what is to come.
func (s *stream) take(p []byte) error {
	for len(p) > 0 {
		want := s.next()
		n := min(len(p), len(want))
		if n == 0 {
			return fmt.Errorf("%d bytes too many", len(p))
		}
		if !bytes.Equal(p[:n], want[:n]) {
			return fmt.Errorf("the bytes that begin with %q differ, %d from the end", p[:min(n, 20)], s.left)
		}
		s.skip(n)
		p = p[n:]
	}
	return nil
}

// verb is what a client wants.
type verb byte

const (
	say   verb = 'L' // a line; the answer is one
	write verb = 'D' // bytes, which the node writes
	send  verb = 'F' // bytes, which the node sends as a file
	take  verb = 'U' // the node is to take bytes, and answer with a line
	reply verb = 'A' // the line of an answer
)

// A command is a line of 64 bytes: verb, number, client, size, and a window of the text.
const (
	lineSize = 64
	lineHead = len("L 00000000 000000 0000000000 ")
)

// command is a line.
type command struct {
	verb                 verb
	number, client, size int
}

// append prints it.
func (c command) append(p []byte) []byte {
	p = append(p, byte(c.verb))
	p = digits(p, c.number, 8)
	p = digits(p, c.client, 6)
	p = digits(p, c.size, 10)
	s := streamOf(c.number+int(c.verb), lineSize-lineHead-2)
	return append(append(append(p, ' '), s.next()...), '\r', '\n')
}

// digits appends a space and a number of that many digits.
func digits(p []byte, n, width int) []byte {
	p = append(p, " 0000000000"[:width+1]...)
	for i := len(p) - 1; n > 0; i-- {
		p[i] = byte('0' + n%10)
		n /= 10
	}
	return p
}

// parseCommand reads a line of lineSize bytes, all of which must be as a client would have made them.
func parseCommand(line []byte) (command, error) {
	c := command{verb: verb(line[0]), number: number(line[2:10]), client: number(line[11:17]), size: number(line[18:28])}
	var again [lineSize]byte
	if !bytes.Equal(c.append(again[:0]), line) {
		return c, fmt.Errorf("a line that nobody sent: %q", line)
	}
	return c, nil
}

func number(text []byte) (n int) {
	for _, digit := range text {
		n = n*10 + int(digit-'0')
	}
	return n
}
