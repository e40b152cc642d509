package main

import (
	"fmt"
	"maps"
	"net"
	"slices"
)

// Ports are below 32768, where Linux begins to take those of outgoing connections.
const (
	blockSize = 1000
	lastBlock = 31000
	blocks    = 4 // that a demo takes
)

// fronted is the ports of a balancer in its block of a thousand: the last three digits of the usual ones. Services
// that share a port are told apart by path.
var fronted = []struct {
	column   string // of the banner
	digits   int
	services []string
}{
	{"smtp", 25, []string{"smtp"}}, {"subm.", 587, []string{"submission"}}, {"subms", 465, []string{"submissions"}},
	{"imap", 143, []string{"imap"}}, {"imaps", 993, []string{"imaps"}}, {"pop3", 110, []string{"pop3"}},
	{"pop3s", 995, []string{"pop3s"}}, {"sieve", 419, []string{"sieve"}}, {"https", 443, []string{"jmap", "webdav", "http"}},
	{demoAdmin, 907, []string{demoAdmin}}, {demoDNS, 53, []string{demoDNS}},
}

// portMap is the ports of a balancer or a node on 127.0.0.1, by service.
type portMap map[string]int

func (p portMap) address(service string) string { return loopback(p[service]) }

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// frontPorts and nodePorts are places in a block, until take says where that is. The nodes share one: the first has
// 101 for smtp, 102 for submission, ..., the second 201, 202, ...
func frontPorts() portMap {
	ports := make(portMap)
	for _, f := range fronted {
		for _, service := range f.services {
			ports[service] = f.digits
		}
	}
	return ports
}

func nodePorts(number int, services []string) portMap {
	ports := make(portMap)
	for i, f := range fronted {
		for _, service := range f.services {
			if slices.Contains(services, service) {
				ports[service] = 100*(number+1) + i + 1
			}
		}
	}
	return ports
}

// portBlocks hands out blocks of a thousand ports. The first port of each is held, so that two demos at a time do
// not take the same one.
type portBlocks struct {
	next   int
	claims []net.Listener
}

// take claims the next block in which all of the ports are free, and moves them there.
func (b *portBlocks) take(all ...portMap) error {
	for ; b.next >= 1024 && b.next <= lastBlock; b.next += blockSize {
		claim, err := net.Listen("tcp", loopback(b.next))
		if err != nil {
			continue
		}
		if !allFree(b.next, all) {
			claim.Close()
			continue
		}
		b.claims = append(b.claims, claim)
		for _, ports := range all {
			for service := range ports {
				ports[service] += b.next
			}
		}
		b.next += blockSize
		return nil
	}
	return fmt.Errorf("no free ports left: the demo takes four blocks of a thousand from --base-port on, "+
		"which must be at least 1024 and at most %d", lastBlock-(blocks-1)*blockSize)
}

func (b *portBlocks) release() {
	for _, claim := range b.claims {
		claim.Close()
	}
	b.claims = nil
}

func allFree(base int, all []portMap) bool {
	for _, ports := range all {
		for _, place := range slices.Sorted(maps.Values(ports)) {
			if !free(loopback(base + place)) {
				return false
			}
		}
	}
	return true
}

func free(address string) bool {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	l.Close()
	return true
}
