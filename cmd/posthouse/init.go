package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"posthouse/config"
)

type initCmd struct {
	Model   string             `required:"" enum:"unified,dedicated,weighted,paired,geographic" help:"How the nodes divide the work: ${enum}."`
	Nodes   int                `default:"8" help:"How many mail nodes there are."`
	Traffic map[string]float64 `mapsep:"," placeholder:"imap=60,smtp=25,..." help:"How much of the work each protocol is: imap, smtp, jmap, webdav, and where they get nodes of their own submission, pop3, sieve."`
	Cluster string             `default:"mail.example.org" help:"The public name of the cluster."`
}

func (initCmd) Help() string {
	return `Prints a topology to start with, which check accepts; put your addresses and certificates into it.

unified      every node runs everything
dedicated    a pool for each protocol, all of one size or as --traffic says
weighted     a pool for each protocol, as large as the protocol is busy
paired       protocols that share caches share nodes: IMAP with JMAP
geographic   three regions, each complete

Example: posthouse init --model weighted --nodes 1024 --traffic imap=60,smtp=25,jmap=12,webdav=3 > topology.yaml`
}

func (cmd initCmd) Run(c console) error {
	text, err := cmd.topology()
	if err != nil {
		return err
	}
	_, err = io.WriteString(c.out, text)
	return err
}

// maxInit is how many nodes a topology may have.
const maxInit = 65536

func (cmd initCmd) topology() (string, error) {
	if cmd.Nodes < 1 || cmd.Nodes > maxInit {
		return "", fmt.Errorf("--nodes takes a number from 1 to %d, not %d", maxInit, cmd.Nodes)
	}
	if !config.IsHost(cmd.Cluster) {
		return "", noHost(cmd.Cluster)
	}
	mix, err := cmd.mix()
	if err != nil {
		return "", err
	}
	m := initModels[cmd.Model]
	s := &sketch{cluster: cmd.Cluster, regions: m.regions}
	if s.regions == nil {
		s.regions = []sketchRegion{{}}
	}
	if cmd.Nodes < len(s.regions) {
		return "", fmt.Errorf("--nodes %d: %s has %d regions, and each needs a node", cmd.Nodes, cmd.Model, len(s.regions))
	}
	s.roles = m.roles(mix)
	for i, n := range divide(cmd.Nodes, equal(len(s.regions))) {
		s.place(i, n)
	}
	return s.text(m.about), nil
}

// mix is the traffic by protocol, checked.
func (cmd initCmd) mix() (map[string]float64, error) {
	if cmd.Traffic == nil {
		return initModels[cmd.Model].traffic, nil
	}
	if cmd.Model == "unified" {
		return nil, fmt.Errorf("--traffic: with --model unified every node runs everything, so there is nothing to divide")
	}
	sum := 0.0
	for name, share := range cmd.Traffic {
		if _, known := initServices[name]; !known {
			return nil, fmt.Errorf("--traffic: no protocol %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(initServices)), ", "))
		}
		if !(share >= 0 && share <= 1e9) {
			return nil, fmt.Errorf("--traffic: %s=%g is not a share", name, share)
		}
		sum += share
	}
	if sum == 0 {
		return nil, fmt.Errorf("--traffic: the shares add up to nothing")
	}
	return cmd.Traffic, nil
}

// initServices is what the nodes of a protocol run. What gets nodes of its own is taken from the others.
var initServices = map[string][]string{
	"imap": {"imaps", "pop3s", "sieve"}, "smtp": {"smtp", "submissions"}, "jmap": {"jmap", "http"}, "webdav": {"webdav"},
	"submission": {"submissions"}, "pop3": {"pop3s"}, "sieve": {"sieve"},
}

// initModel is how the nodes divide the work.
type initModel struct {
	about   string
	traffic map[string]float64 // unless --traffic says
	pools   [][]string         // protocols that share nodes; those in none have a pool each
	names   []string           // of the pools
	regions []sketchRegion
}

var evenly = map[string]float64{"imap": 1, "smtp": 1, "jmap": 1, "webdav": 1}
var busy = map[string]float64{"imap": 50, "smtp": 25, "jmap": 19, "webdav": 6}

var initModels = map[string]initModel{
	"unified":   {about: "Nodes of one kind: every node runs everything, any node takes any client."},
	"dedicated": {about: "One pool for each protocol.", traffic: evenly},
	"weighted":  {about: "Pools as large as their protocols are busy.", traffic: busy},
	"paired": {about: "Protocols that share their caches share their nodes: IMAP with JMAP.", traffic: busy,
		pools: [][]string{{"imap", "jmap", "pop3", "sieve"}, {"webdav"}, {"smtp", "submission"}}, names: []string{"mailbox", "files", "transport"}},
	"geographic": {about: "Three regions, each complete on its own. A client is served where it arrives; what its region cannot serve goes to\n# the next by distance.",
		traffic: busy, pools: [][]string{{"smtp", "submission"}, {"imap", "pop3", "sieve"}, {"jmap", "webdav"}}, names: []string{"smtp", "imap", "web"},
		regions: []sketchRegion{
			{"eu", "location: [50.11, 8.68] # Frankfurt\n    continents: [EU, AF]\n    addresses: [192.0.2.10]"},
			{"us", "location: [38.95, -77.45] # Virginia\n    continents: [NA, SA]\n    addresses: [198.51.100.10]"},
			{"ap", "location: [1.35, 103.82] # Singapore\n    continents: [AS, OC]\n    addresses: [203.0.113.10]"},
		}},
}

// roles are the pools that a mix of traffic asks for, in the order of the model; none: every node runs everything.
func (m initModel) roles(mix map[string]float64) []sketchRole {
	pools, names := m.pools, m.names
	if pools == nil {
		for _, p := range []string{"imap", "smtp", "submission", "jmap", "webdav", "pop3", "sieve"} {
			pools, names = append(pools, []string{p}), append(names, p)
		}
	}
	var roles []sketchRole
	for i, protocols := range pools {
		role := sketchRole{name: names[i]}
		named := false
		for _, p := range protocols {
			share, given := mix[p]
			named = named || given
			role.share += share
			if given {
				role.services = append(role.services, runs(p, mix)...)
			}
		}
		if named {
			roles = append(roles, role)
		}
	}
	return roles
}

// runs is the services of a protocol's nodes.
func runs(protocol string, mix map[string]float64) []string {
	elsewhere := map[string]string{"submissions": "submission", "pop3s": "pop3", "sieve": "sieve"}
	return slices.DeleteFunc(slices.Clone(initServices[protocol]), func(s string) bool {
		own := elsewhere[s]
		_, given := mix[own]
		return given && own != protocol
	})
}
