// Package config reads the topology file: what the cluster is, and how this balancer treats it.
//
// Read takes the bytes of a file or directory as a Source, Parse turns a Source into a Topology or into all the
// mistakes that are in it, and Watch says when the bytes have changed. A Topology is plain data: every default is
// filled in, every range is expanded, and nobody changes it once it is made, so it is shared without locks.
package config

import (
	"net/netip"
	"slices"
	"time"
)

// Topology is a cluster as its operator wrote it, with defaults, ranges, overrides and built-in services applied.
type Topology struct {
	Cluster   string        // public name of the cluster; also the name in the replies that we write ourselves
	Region    string        // where this balancer stands; always one of Regions
	StateDir  string        // where marks and last-known health are kept; "" keeps none
	Deadline  time.Duration // how long sessions have after SIGTERM
	MaxShrink float64       // the largest share of a pool that one change may take away, 0 to 1

	Regions  []*Region  // in file order; at least one
	Roles    []*Role    // in file order, without the built-in ones that nobody uses
	Nodes    []*Node    // in file order, ranges expanded
	Services []*Service // built-in ones first, in the order of the documentation, then those of the file

	TLS        TLS
	MinHealthy float64 // locality.min_healthy, 0 to 1
	DNS        *DNS    // nil: no DNS
	Admin      Admin

	Warnings []Problem // what check prints and serve logs
}

// RegionNamed returns the region of that name, or nil.
func (t *Topology) RegionNamed(name string) *Region {
	return named(t.Regions, func(r *Region) bool { return r.Name == name })
}

// Service returns the service of that name, or nil.
func (t *Topology) Service(name string) *Service {
	return named(t.Services, func(s *Service) bool { return s.Name == name })
}

// Node returns the node of that name, or nil. It looks through all of them: not for a hot path.
func (t *Topology) Node(name string) *Node {
	return named(t.Nodes, func(n *Node) bool { return n.Name == name })
}

func named[T any](all []*T, match func(*T) bool) *T {
	if i := slices.IndexFunc(all, match); i >= 0 {
		return all[i]
	}
	return nil
}

// AdminState is what the file says about a region or a node; marks set at run time come on top.
type AdminState uint8

// The zero value is Active.
const (
	Active   AdminState = iota
	Drain               // sessions stay, new ones go elsewhere
	Disabled            // as if it were not there
)

func (s AdminState) String() string { return [...]string{"active", "drain", "disabled"}[s] }

// Region is a place with balancers and nodes.
type Region struct {
	Name        string
	Location    *Location // nil: not given
	Continents  []string  // DNS pins: two-letter continent codes
	Countries   []string  // DNS pins: ISO 3166-1 alpha-2
	Prefixes    []netip.Prefix
	Addresses   []netip.Addr // public addresses of the region's balancers
	Reach       Reach
	Failover    []string // where its clients go next, in order; see FailoverSet
	FailoverSet bool     // false: all other regions, nearest first; true: Failover alone, even if it is empty
	State       AdminState
}

// Location is a point on the globe in degrees.
type Location struct{ Latitude, Longitude float64 }

// Reach says how balancers of other regions send sessions to a region.
type Reach uint8

const (
	ReachNodes     Reach = iota // straight to its nodes
	ReachBalancers              // to its public addresses, with PROXY v2
	ReachNone                   // not at all
)

// Role is a set of services that a node may run: a Stalwart ClusterRole.
type Role struct {
	Name     string
	Services []string // names, `all` and `-name` resolved, in the order of Topology.Services
}

// Node is one mail server.
type Node struct {
	Name        string
	Addresses   []netip.Addr // one, or an IPv4 and an IPv6 one; empty when Host is set
	Host        string       // a host name that is resolved while we run; "" when Addresses are given
	Region      string
	Roles       []string       // as written; empty when services were given inline
	Services    []string       // what it runs, in the order of Topology.Services
	Weight      int            // share inside its region; 0 = only when all others are down
	Weights     map[string]int // by service, where it differs
	State       AdminState
	States      map[string]AdminState // by service, where a mark of run time makes it stricter; the file has none
	Ports       map[string]uint16     // by service, where it differs
	MaxSessions int                   // for each balancer; 0 = no limit
	Balancer    bool                  // stands for the nodes of a region with ReachBalancers; see Reachable
	Public      bool                  // stands for a public address as clients see it; see Probed
	File        string                // where the topology names it
	Line        int
}

// Runs says whether the node runs the service of that name.
func (n *Node) Runs(service string) bool { return slices.Contains(n.Services, service) }

// WeightFor is the node's share of a service inside its region.
func (n *Node) WeightFor(service string) int {
	if w, ok := n.Weights[service]; ok {
		return w
	}
	return n.Weight
}

// StateFor is what the node takes of a service.
func (n *Node) StateFor(service string) AdminState { return max(n.State, n.States[service]) }

// Port is where the node serves a service.
func (n *Node) Port(s *Service) uint16 {
	if p, ok := n.Ports[s.Name]; ok {
		return p
	}
	return s.Port
}

// TLS is the certificates that clients see and how nodes are verified.
type TLS struct {
	Certificates []Certificate // the first answers clients without SNI
	MinVersion   uint16        // tls.VersionTLS12 or tls.VersionTLS13
	NodeCA       string        // path; "" = the system's roots
	NodeName     string        // the name that is verified; default the cluster's
	NodeVerify   bool
}

// Certificate is a pair of PEM files, as absolute paths or relative to the working directory.
type Certificate struct{ Cert, Key string }

// DNS is the part of the topology that the name server reads.
type DNS struct {
	Listen    []netip.AddrPort
	GeoIP     []string // paths of mmdbs, of which no two know the same family; nil = none
	RateLimit int      // equal responses a second to one client network; 0 = off
	KeyDir    string   // dnssec.keys; "" = unsigned
	Zones     []*Zone
}

// Zone is one zone that we are authoritative for.
type Zone struct {
	Name        string // lower case, without the final dot
	Nameservers []Nameserver
	TTL         time.Duration
	Hosts       []Host
	Domains     []string
	TLSRPT      string
	Records     string // master-file syntax, relative to the zone
	RecordsLine int    // line of the file at which Records begins
}

// Fallback is the second name of a host that takes mail, in full: it leads to the next region.
func (z *Zone) Fallback(host string) string {
	if host == "@" {
		return "fallback." + z.Name
	}
	return "fallback-" + host + "." + z.Name
}

// Nameserver is a name (relative to the zone unless it ends in a dot) with its addresses.
type Nameserver struct {
	Name      string
	Addresses []netip.Addr
}

// Host is a name that is answered by where the client is and by what its region can serve.
type Host struct {
	Name     string   // relative to the zone; "@" is the zone itself
	Services []string // what a region must be able to serve
	Any      bool     // true: one of Services is enough
}

// Admin is where the admin API listens.
type Admin struct {
	Listen    string // host:port, or unix:PATH; "" = no admin API
	TokenFile string
	Cert, Key string
}
