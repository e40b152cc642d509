//go:build linux

package main

import "math/rand/v2"

// Bodies are windows of one random text: each request has a number, and the number says where its window begins. A byte that is
// missing, doubled, changed or another request's is noticed at once.
const (
	windows  = 1 << 16
	stride   = 4099 // a prime: neighbours have windows far apart
	bodySize = 1_000_000
)

var text = func() []byte {
	r := rand.New(rand.NewPCG(1, 2))
	t := make([]byte, windows+bodySize)
	for i := range t {
		t[i] = byte(r.Uint32())
	}
	return t
}()

// body is the body of n bytes of the request with this number.
func body(number, n int) []byte {
	from := number * stride % windows
	return text[from : from+n]
}
