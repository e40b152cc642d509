package main

import (
	"crypto/tls"
	"fmt"
	"slices"

	"posthouse/config"
	"posthouse/mailtest"
)

const (
	demoName  = "mail.demo.example"
	demoAdmin = "admin"
	demoDNS   = "dns"
)

// listened says whether a port of a balancer is one of its services', as the file knows them.
func listened(service string) bool { return service != demoAdmin && service != demoDNS }

// demoRoles is what the nodes of each role run. No node has both JMAP and WebDAV: the path of a request at the one
// HTTPS address shows in the node that answers.
var demoRoles = []struct {
	name     string
	services []string
}{
	{"mail", []string{"smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "sieve", "jmap", "http"}},
	{"access", []string{"imap", "imaps", "pop3", "pop3s", "sieve", "webdav"}},
	{"outbound", []string{"submission", "submissions", "jmap"}},
	{"mx", []string{"smtp", "webdav"}},
}

// demoMap is the regions with their places, the clients that are theirs, what DNS answers for them, and the roles of their nodes. The
// networks are those of documentation (RFC 5737): nobody's.
var demoMap = []struct {
	region, location, clients, address string
	roles                              [3]string
}{
	{"eu", "[50.11, 8.68]", "192.0.2.0/24", "127.0.0.11", [3]string{"mail", "mail", "access"}},
	{"us", "[39.04, -77.49]", "198.51.100.0/24", "127.0.0.12", [3]string{"mail", "mail", "mx"}},
	{"ap", "[1.35, 103.82]", "203.0.113.0/24", "127.0.0.13", [3]string{"mail", "access", "outbound"}},
}

// demoCluster is what runs where.
type demoCluster struct {
	regions []*demoRegion
	blocks  portBlocks
}

type demoRegion struct {
	name, location, clients, address string
	front                            portMap // of the balancer
	nodes                            []*demoNode
}

type demoNode struct {
	name, role string
	ports      portMap
}

// newDemoCluster finds free ports for everything. They are claimed until release.
func newDemoCluster(base int) (*demoCluster, error) {
	c := &demoCluster{blocks: portBlocks{next: base}}
	var nodes []portMap
	for _, m := range demoMap {
		r := &demoRegion{name: m.region, location: m.location, clients: m.clients, address: m.address, front: frontPorts()}
		for i, role := range m.roles {
			n := &demoNode{name: fmt.Sprintf("%s-%d", m.region, i+1), role: role, ports: nodePorts(len(nodes), servicesOf(role))}
			r.nodes, nodes = append(r.nodes, n), append(nodes, n.ports)
		}
		c.regions = append(c.regions, r)
	}
	if err := c.takeBlocks(nodes); err != nil {
		c.release()
		return nil, err
	}
	return c, nil
}

// takeBlocks gives each balancer a block of its own, as people type those ports, and all nodes together one.
func (c *demoCluster) takeBlocks(nodes []portMap) error {
	for _, r := range c.regions {
		if err := c.blocks.take(r.front); err != nil {
			return err
		}
	}
	return c.blocks.take(nodes...)
}

func (c *demoCluster) release() { c.blocks.release() }

func servicesOf(role string) []string {
	for _, r := range demoRoles {
		if r.name == role {
			return slices.Clone(r.services)
		}
	}
	return nil
}

// mailNodes makes the nodes, with one mailbox between them.
func (c *demoCluster) mailNodes(server *tls.Config) map[string]*mailtest.Node {
	store := mailtest.NewStore(mailtest.Account{Name: demoUser, Password: demoPassword, Messages: []string{
		"From: Posthouse <demo@" + demoName + ">\r\nTo: " + demoUser + "\r\nSubject: It works\r\n\r\n" +
			"This message is the same on every node; the greeting said which one you got.\r\n",
	}})
	nodes := make(map[string]*mailtest.Node)
	for _, r := range c.regions {
		for _, n := range r.nodes {
			addresses := make(map[string]string)
			for service := range n.ports {
				addresses[service] = n.ports.address(service)
			}
			nodes[n.name] = &mailtest.Node{Name: n.name, Address: addresses, TLS: server, Proxy: config.ProxyV1, Store: store}
		}
	}
	return nodes
}
