package geodns

import (
	"net/netip"
	"time"
)

// worker answers for one thread, or for one connection.
type worker struct {
	server  *Server
	metrics *Metrics
	cell    int // of the counts

	serving *serving // as of begin
	now     uint32   // Unix time, as of begin

	counting *series // what the last questions were, and how many of them: a count costs as much as the rest of a look-up
	counted  uint64

	asking asking
	cookie [wholeCookie]byte // what the answer brings back
}

func (s *Server) newWorker(cell int) *worker {
	return &worker{server: s, metrics: s.Metrics, cell: cell}
}

// begin takes the data and the time of now for the questions that have come together.
func (w *worker) begin() time.Time {
	now := time.Now()
	w.serving, w.now = w.server.serving.Load(), uint32(now.Unix())
	return now
}

// tally counts one answer, at the latest at the end of the batch.
func (w *worker) tally(s *series) {
	if s != w.counting {
		w.end()
		w.counting = s
	}
	w.counted++
}

// end writes down what is counted: the questions that have come together are answered.
func (w *worker) end() {
	if w.counting != nil {
		w.counting.add(w.cell, w.counted)
	}
	w.counting, w.counted = nil, 0
}

// answerUDP writes the answer to a packet to out, which has room for the largest, and returns its size; 0: there is none.
func (w *worker) answerUDP(packet []byte, from netip.Addr, out []byte) int {
	if n := w.fast(packet, from, true, out); n >= 0 {
		return n
	}
	n := len(w.slow(packet, from, true, out[:0]))
	if n == 0 || n > len(out) {
		w.metrics.unanswered.Inc()
		return 0
	}
	return n
}
