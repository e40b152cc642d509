package nearest

// joiner takes the networks of one family in order, fills the gaps between them, cuts them where pins begin and end,
// and puts neighbours of the same order into the table as one.
type joiner struct {
	order  func(pin int) uint16 // of what is being covered
	pieces []piece              // those that are not behind us
	table  table

	next key  // the first that is not covered
	full bool // there is none

	start  key // of what is not in the table yet; it ends before next
	common uint16
	begun  bool
}

// piece is the addresses that one pin is the longest for.
type piece struct {
	first, last key
	region      int
}

// skipTo covers the gap before a network.
func (j *joiner) skipTo(first key) {
	if !j.full && j.next.less(first) {
		j.cover(j.next, first.before())
	}
}

func (j *joiner) finish() {
	if last := suffix(0); !j.full {
		j.cover(j.next, last)
	}
	j.put(suffix(0))
	j.table.finish()
}

// cover takes all keys from first, which is next, to last.
func (j *joiner) cover(first, last key) {
	for {
		for len(j.pieces) > 0 && j.pieces[0].last.less(first) {
			j.pieces = j.pieces[1:]
		}
		end, pin := last, -1
		switch {
		case len(j.pieces) == 0 || last.less(j.pieces[0].first):
		case first.less(j.pieces[0].first):
			end = j.pieces[0].first.before()
		default:
			pin = j.pieces[0].region
			if j.pieces[0].last.less(last) {
				end = j.pieces[0].last
			}
		}
		j.join(first, end, j.order(pin))
		if end == last {
			return
		}
		first = j.next
	}
}

// join adds to what has the same order, or begins anew.
func (j *joiner) join(first, last key, order uint16) {
	if j.begun && order != j.common {
		j.put(first.before())
		j.begun = false
	}
	if !j.begun {
		j.start, j.common, j.begun = first, order, true
	}
	next, more := last.next()
	j.next, j.full = next, !more
}

// put puts what has been joined, up to last, into the table: as the largest networks that it consists of.
func (j *joiner) put(last key) {
	for k, more := j.start, true; more && !last.less(k); {
		length := k.network(last)
		j.table.add(k, length, leaf(j.common, length))
		k, more = k.with(suffix(length)).next()
	}
}
