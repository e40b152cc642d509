package config

import (
	"fmt"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
)

// maxNodes bounds what the ranges of a file expand to.
const maxNodes = 65536

// pattern is a word with counters in brackets: "eu-imap-[001-192]".
type pattern struct {
	literals []string // one more than counters
	counters []counter
}

// counter is "[001-192]": numbers from first, padded with zeros to width.
type counter struct {
	first uint64
	count int
	width int
}

// parsePattern reads a word with any number of brackets. It never expands anything.
func parsePattern(word string) (pattern, error) {
	var p pattern
	for {
		before, rest, found := strings.Cut(word, "[")
		p.literals = append(p.literals, before)
		if strings.Contains(before, "]") {
			return p, fmt.Errorf("%q has a ] without its [", shortened(word))
		}
		if !found {
			return p, nil
		}
		inside, after, closed := strings.Cut(rest, "]")
		if !closed {
			return p, fmt.Errorf("%q has a [ without its ]", shortened(word))
		}
		c, err := parseCounter(inside)
		if err != nil {
			return p, err
		}
		p.counters = append(p.counters, c)
		word = after
	}
}

func parseCounter(inside string) (counter, error) {
	from, to, found := strings.Cut(inside, "-")
	first, err := strconv.ParseUint(from, 10, 32)
	last, err2 := strconv.ParseUint(to, 10, 32)
	if !found || err != nil || err2 != nil {
		return counter{}, fmt.Errorf("[%s] is no range: it counts from one number to another, such as [1-192]", shortened(inside))
	}
	if last < first {
		return counter{}, fmt.Errorf("[%s] counts backwards", inside)
	}
	if last-first >= maxNodes {
		return counter{}, fmt.Errorf("[%s] is more than %d nodes", inside, maxNodes)
	}
	c := counter{first: first, count: int(last-first) + 1}
	padded := len(from) > 1 && from[0] == '0'
	if padded && len(from) != len(to) || !padded && len(to) > 1 && to[0] == '0' {
		return c, fmt.Errorf("[%s]: zero padding needs as many digits on both sides", inside)
	}
	if padded {
		c.width = len(from)
	}
	return c, nil
}

// at is the word of the i-th step: all counters step together.
func (p pattern) at(i int) string {
	if len(p.counters) == 0 {
		return p.literals[0]
	}
	word := make([]byte, 0, 64)
	for j, c := range p.counters {
		word = append(word, p.literals[j]...)
		digits := strconv.FormatUint(c.first+uint64(i), 10)
		for range c.width - len(digits) {
			word = append(word, '0')
		}
		word = append(word, digits...)
	}
	return string(append(word, p.literals[len(p.counters)]...))
}

// length is how many steps the counters take; 1 without counters. They must agree.
func length(counters []counter) (int, error) {
	for _, c := range counters {
		if c.count != counters[0].count {
			return 0, fmt.Errorf("all brackets of an entry step together, but one counts %d and another %d", counters[0].count, c.count)
		}
	}
	if len(counters) == 0 {
		return 1, nil
	}
	return counters[0].count, nil
}

// plus is the i-th address after a, by integer arithmetic: 10.1.1.255 is followed by 10.1.2.0.
func plus(a netip.Addr, i int) (netip.Addr, bool) {
	sum := new(big.Int).SetBytes(a.AsSlice())
	sum.Add(sum, big.NewInt(int64(i)))
	bytes := make([]byte, a.BitLen()/8)
	if sum.BitLen() > a.BitLen() {
		return netip.Addr{}, false
	}
	next, ok := netip.AddrFromSlice(sum.FillBytes(bytes))
	return next, ok
}
