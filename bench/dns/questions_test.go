//go:build linux

package main

import (
	"math/rand/v2"
	"testing"

	"github.com/miekg/dns"
)

// TestCheck has answers that a load must not take for good ones.
func TestCheck(t *testing.T) {
	q := ask("imap", dns.TypeA, subnet(rand.New(rand.NewPCG(1, 1))))
	m := new(dns.Msg)
	if err := m.Unpack(q.packet); err != nil {
		t.Fatal(err)
	}
	reply := func(change func(*dns.Msg)) []byte {
		r := new(dns.Msg).SetReply(m)
		r.Id = 7
		r.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "imap.mail.example.org.", Rrtype: dns.TypeA, Class: dns.ClassINET}}}
		change(r)
		packed, err := r.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return packed
	}
	for name, answer := range map[string][]byte{
		"another id":         reply(func(r *dns.Msg) { r.Id = 8 }),
		"a question":         reply(func(r *dns.Msg) { r.Response = false }),
		"no such name":       reply(func(r *dns.Msg) { r.Rcode = dns.RcodeNameError }),
		"nothing":            reply(func(r *dns.Msg) { r.Answer = nil }),
		"less than a header": {0, 7, 0x80},
	} {
		if q.check(answer, 7) == nil {
			t.Errorf("%s is taken for an answer", name)
		}
	}
	if err := q.check(reply(func(*dns.Msg) {}), 7); err != nil {
		t.Error(err)
	}
	if err := q.denied().check(reply(func(r *dns.Msg) { r.Rcode, r.Answer = dns.RcodeNameError, nil }), 7); err != nil {
		t.Error(err)
	}
}
