package proxy

import "runtime"

// turnstile lets so many handshakes compute at the same time: from the hello to our answer, which is nearly all that they cost. In a storm of
// them Go's scheduler would otherwise have thousands to run before a goroutine whose session needs a microsecond. Nobody in it waits for a
// client.
type turnstile chan struct{}

func newTurnstile() turnstile { return make(turnstile, runtime.NumCPU()) }

func (t *tape) enter() {
	t.session.server.turnstile <- struct{}{}
	t.passing = true
}

func (t *tape) pass() {
	if t.passing {
		t.passing = false
		<-t.session.server.turnstile
	}
}

// asksAgain recognises a HelloRetryRequest, which is a ServerHello with a certain random (RFC 8446, 4.1.3) in a record of its own.
func asksAgain(record []byte) bool {
	const handshake, serverHello, random = 22, 2, 11
	return len(record) > random+len(retry) && record[0] == handshake && record[5] == serverHello && string(record[random:random+len(retry)]) == retry
}

const retry = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"
