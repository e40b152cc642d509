package nearest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/oschwald/maxminddb-golang/v2"
)

// builder makes a Geography of the networks of a database, which come in order.
type builder struct {
	rules    *rules
	at       maxminddb.Result // what is being read
	gap      bool             // it is what the database does not have
	known    map[asked]uint16
	numbers  map[string]uint16 // of orders
	orders   [][]uint8
	scratch  []uint8
	v4, v6   joiner
	networks int
	db       *maxminddb.Reader    // that is being read
	dbs      [2]*maxminddb.Reader // that v4 and v6 are of
	err      error
}

// asked is a record (plus 1; 0 is a gap) and a pin (plus 1) in its last 9 bits. Databases have far fewer records than networks, and
// a map of integers is twice as fast as one of a struct.
type asked uint64

func newBuilder(r *rules) *builder {
	b := &builder{rules: r, known: make(map[asked]uint16), numbers: make(map[string]uint16)}
	v4, v6 := r.pieces()
	b.v4 = joiner{order: b.order, pieces: v4, table: table{short: true}}
	b.v6 = joiner{order: b.order, pieces: v6}
	return b
}

func (b *builder) readFile(path string) error {
	f, err := Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := b.read(f.Reader); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (b *builder) read(db *maxminddb.Reader) error {
	b.db = db
	clear(b.known) // its keys are places in one database
	before := b.networks
	// A tree has one leaf more than nodes. A broken file may have a node inside itself, and then 2^128 of them.
	leaves, most := uint(0), 4*(db.Metadata.NodeCount+1)
	for n := range db.Networks(maxminddb.IncludeNetworksWithoutData()) {
		if leaves++; leaves > most {
			return errors.New("the search tree is broken: networks without end")
		}
		if err := n.Err(); err != nil {
			return err
		}
		if !n.Found() {
			continue
		}
		if !n.Prefix().IsValid() {
			return errors.New("the search tree is broken: a network without addresses")
		}
		if b.take(n); b.err != nil {
			return b.err
		}
	}
	if b.networks == before {
		return errors.New("the database is empty")
	}
	return nil
}

func (b *builder) take(n maxminddb.Result) {
	p, family, of := n.Prefix(), &b.v6, &b.dbs[1]
	if p.Addr().Is4() {
		family, of = &b.v4, &b.dbs[0]
	}
	if *of != nil && *of != b.db {
		b.err = fmt.Errorf("two databases know addresses of the family of %s: give one for all, or one for each family", p)
		return
	}
	*of = b.db
	first, last := span(p)
	b.gap = true
	family.skipTo(first)
	b.at, b.gap = n, false
	family.cover(first, last)
	b.networks++
}

func (b *builder) finish() (*Geography, error) {
	b.gap = true
	b.v4.finish()
	b.v6.finish()
	if b.err != nil {
		return nil, b.err
	}
	return &Geography{rules: b.rules, orders: b.orders, v4: b.v4.table, v6: b.v6.table, networks: b.networks}, nil
}

// order is the number of the order of what is being read, for addresses that are pinned to a region or (-1) to none.
func (b *builder) order(pin int) uint16 {
	ask := asked(pin + 1)
	if !b.gap {
		ask |= asked(b.at.Offset()+1) << 9
	}
	if n, known := b.known[ask]; known {
		return n
	}
	b.scratch = b.rules.order(b.scratch[:0], pin, b.place())
	n := b.number(b.scratch)
	b.known[ask] = n
	return n
}

func (b *builder) place() Place {
	if b.gap {
		return Place{}
	}
	place, err := placeOf(b.at)
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("record of %s: %w", b.at.Prefix(), err)
	}
	return place
}

// maxOrders is what 16 bits count. Orders of three nearest regions are a few thousand even for 256 regions; only pins in
// great numbers could make more.
const maxOrders = 1 << 16

func (b *builder) number(order []uint8) uint16 {
	n, known := b.numbers[string(order)]
	if known {
		return n
	}
	if len(b.orders) == maxOrders {
		b.err = fmt.Errorf("the regions come in more than %d orders: use fewer pins", maxOrders)
		return 0
	}
	n = uint16(len(b.orders))
	b.orders = append(b.orders, slices.Clone(order))
	b.numbers[string(order)] = n
	return n
}
