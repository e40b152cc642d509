package proxy

import (
	"net/netip"
	"time"

	"posthouse/config"
)

// clientKey is an IPv4 address or an IPv6 /64: what one customer has at least.
type clientKey struct {
	network uint64
	six     bool
}

func keyOf(a netip.Addr) clientKey {
	if a.Is4() {
		b := a.As4()
		return clientKey{network: uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])}
	}
	b := a.As16()
	key := clientKey{six: true}
	for _, octet := range b[:8] {
		key.network = key.network<<8 | uint64(octet)
	}
	return key
}

// client is what is remembered of one: no pointers, so that the collector does not look at the table.
type client struct {
	key      clientKey
	sessions int32
	tokens   float32       // as of filled
	filled   time.Duration // since base; 0: never, which counts as full
}

// base is where the limiter's clock starts: monotonic, as a step of the wall clock must not refill buckets.
var base = time.Now()

// refill adds the tokens of the time that passed. A bucket holds Events: a client may use its share of Per at once.
func (c *client) refill(rate config.Rate, now time.Duration) {
	full := float32(rate.Events)
	if c.filled == 0 {
		c.tokens, c.filled = full, now
		return
	}
	c.tokens = min(full, c.tokens+full*float32(float64(now-c.filled)/float64(rate.Per)))
	c.filled = now
}

// maxClients bounds the table. Clients with sessions are always kept (there are no more than sessions); of the others some
// are forgotten when it is full, which gives them a full bucket again: 2^17 take about 10 MB.
const maxClients = 1 << 17

// sweep is how many entries are looked at for each new one, to forget those that are as good as new. Two would be enough
// to keep up.
const sweep = 4

// clientTable is the clients that have sessions, or no full bucket. The zero value is empty.
type clientTable struct {
	index  map[clientKey]int32
	all    []client
	cursor int // where the sweep goes on
}

func (t *clientTable) of(key clientKey) *client {
	if i, ok := t.index[key]; ok {
		return &t.all[i]
	}
	return nil
}

// add makes room for a client that is not in the table. per is how long a bucket takes to fill.
func (t *clientTable) add(c client, now, per time.Duration) {
	if t.index == nil {
		t.index = make(map[clientKey]int32)
	}
	for range sweep {
		full := len(t.all) >= maxClients
		if len(t.all) == 0 {
			break
		}
		t.cursor--
		if t.cursor < 0 || t.cursor >= len(t.all) {
			t.cursor = len(t.all) - 1
		}
		if old := &t.all[t.cursor]; old.sessions == 0 && (full || old.filled+per <= now) {
			t.remove(old.key)
		}
	}
	t.index[c.key] = int32(len(t.all))
	t.all = append(t.all, c)
}

// remove moves the last client to the free place. The sweep goes downwards, so it has seen that one.
func (t *clientTable) remove(key clientKey) {
	i, last := t.index[key], len(t.all)-1
	delete(t.index, key)
	if int(i) != last {
		t.all[i] = t.all[last]
		t.index[t.all[i].key] = i
	}
	t.all = t.all[:last]
}

// forgetRates empties every bucket's memory: tokens of another rate mean nothing.
func (t *clientTable) forgetRates() {
	for i := len(t.all) - 1; i >= 0; i-- {
		if t.all[i].filled = 0; t.all[i].sessions == 0 {
			t.remove(t.all[i].key)
		}
	}
}
