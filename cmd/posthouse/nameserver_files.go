package main

import (
	"context"
	"time"

	"posthouse/geodns"
)

// sourcesEvery is how often the files of keys and certificates are looked at: as often as those that clients see, which TLSA has to follow.
const sourcesEvery = 2 * time.Second

// follow makes the zones again when keys or certificates change, until ctx ends.
func (n *nameServer) follow(ctx context.Context) error {
	tick := time.NewTicker(sourcesEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			n.look()
		case <-ctx.Done():
			return nil
		}
	}
}

// look makes the zones again if a file has changed that they are made of. What is not good, half-written perhaps, is said once and
// the zones in effect stay.
func (n *nameServer) look() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.topology == nil || n.prepared {
		return // a change on its way has its serial already, and reads the files itself
	}
	seen := geodns.Sources(n.topology)
	if seen == n.sources {
		n.refused = ""
		return
	}
	if err := n.remake(); err != nil {
		if n.refused != seen {
			n.refused = seen
			n.log.Error("keys or certificates of DNS not taken, the zones in effect stay", "event", "dns-refused", "why", err.Error())
		}
		return // the next look tries again: the reason may be none of the files', as "too many open files"
	}
	n.sources, n.refused = seen, ""
	n.log.Info("keys or certificates have changed: zones made again", "event", "dns-remade", "serial", n.serial.number)
	n.wake()
}

// remake makes the zones of the topology in effect again. The caller holds mu.
func (n *nameServer) remake() error {
	next, err := n.serial.next(n.topology.StateDir)
	if err != nil {
		return err
	}
	zones, err := geodns.NewZones(n.topology, next.number)
	if err != nil {
		return err
	}
	n.zones, n.serial = zones, next
	n.keepSerial()
	return nil
}

// keepSerial remembers the serial. The caller holds mu.
func (n *nameServer) keepSerial() {
	if err := n.serial.keep(n.topology.StateDir); err != nil {
		n.log.Error("dns: the serial is not remembered: after a restart it may not grow", "why", err.Error())
	}
}
