package geodns

import "encoding/binary"

// ready are the answers that are packed ahead of time, for one name.
type ready struct {
	types   []uint16 // those that have answers of their own, the most frequent first
	answers []choices
	others  choices // for every other type that is none of questions about questions
}

// choices are an answer's forms: without and with DNSSEC, by the order of regions where the client is.
type choices [2][]*packed

// choices are those of a type; none are ready where it is special.
func (r *ready) choices(qtype uint16) *choices {
	for i, t := range r.types {
		if t == qtype && i < len(r.answers) {
			return &r.answers[i]
		}
	}
	if special(qtype) {
		return &choices{}
	}
	return &r.others
}

// packed is an answer as it is sent, but for what each question brings: the header's id and some of its bits, the question
// itself, the client subnet and the cookie.
type packed struct {
	flags  [2]byte // bytes 2 and 3 of the header
	counts [6]byte // of answers, authority and additional records, OPT not counted
	opt    [optSize]byte
	bodies []string // what is behind the question, OPT left out; records take turns in being first, so there may be several
	end    int      // where its question ended, for the following
	moving []uint16 // where in a body pointers are that move with the end of the question
	scoped bool     // the answer depends on where the client is

	kind   uint64  // what is counted as an equal answer
	series *series // where it is counted
}

// body is the one for an id.
func (p *packed) body(id uint16) string {
	if len(p.bodies) == 1 {
		return p.bodies[0]
	}
	return p.bodies[uint32(id)%uint32(len(p.bodies))]
}

// put writes a body behind a question that ends at an offset of out, and returns where it ends. There is room for it.
func (p *packed) put(out []byte, end int, body string) int {
	n := copy(out[end:], body)
	if by := uint16(end - p.end); by != 0 {
		for _, at := range p.moving {
			pointer := out[end+int(at):]
			binary.BigEndian.PutUint16(pointer, binary.BigEndian.Uint16(pointer)+by)
		}
	}
	return end + n
}
