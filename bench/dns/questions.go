//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"

	"github.com/miekg/dns"
)

// question is a packet, with what its answer has to be.
type question struct {
	packet  []byte
	rcode   byte
	answers int // at least
}

// work is the questions of a row, which are asked one after the other, over and over.
type work []question

// many is how many questions a row has: enough that no cache of a processor holds what all of them need.
const many = 1 << 14

// ask is a question for a name.
func ask(name string, kind uint16, options ...func(*dns.Msg)) question {
	m := new(dns.Msg).SetQuestion(name+".mail.example.org.", kind)
	for _, o := range options {
		o(m)
	}
	packet, err := m.Pack()
	if err != nil {
		panic(err) // the names are all ours
	}
	return question{packet, dns.RcodeSuccess, 1}
}

func (q question) denied() question { q.rcode, q.answers = dns.RcodeNameError, 0; return q }
func (q question) empty() question  { q.answers = 0; return q }

func edns(m *dns.Msg) { m.SetEdns0(1232, false) }
func do(m *dns.Msg)   { m.SetEdns0(1232, true) }

// subnet is a client subnet somewhere in the world.
func subnet(r *rand.Rand) func(*dns.Msg) {
	return func(m *dns.Msg) {
		edns(m)
		a := [4]byte{byte(1 + r.IntN(222)), byte(r.IntN(256)), byte(r.IntN(256)), 0}
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_SUBNET{
			Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: netip.AddrFrom4(a).AsSlice(),
		}}
	}
}

// questions repeats what make makes.
func questions(make func(r *rand.Rand, i int) question) (w work) {
	r := rand.New(rand.NewPCG(20, 26)) // the same ones for every server
	for i := range many {
		w = append(w, make(r, i))
	}
	return w
}

// check says what is wrong with the answer to a question.
func (q question) check(answer []byte, id uint16) error {
	switch {
	case len(answer) < 12 || binary.BigEndian.Uint16(answer) != id || answer[2]&0x80 == 0:
		return fmt.Errorf("%x is no answer to %x", answer, q.packet)
	case answer[3]&0xf != q.rcode:
		return fmt.Errorf("%s to %x, not %s", dns.RcodeToString[int(answer[3]&0xf)], q.packet, dns.RcodeToString[int(q.rcode)])
	case int(binary.BigEndian.Uint16(answer[6:])) < q.answers:
		return fmt.Errorf("%d answers to %x", binary.BigEndian.Uint16(answer[6:]), q.packet)
	}
	return nil
}
