package main

import (
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sys/unix"

	"posthouse/config"
	"posthouse/mailtest"
)

// shapeFile is an example on its way to loopback: its nodes get addresses of 127/8, and all ports become ones that
// anybody may open.
type shapeFile struct {
	t    *testing.T
	dir  string
	base int // of the ports

	ca     *mailtest.CA
	claim  net.Listener // on base: other runs of the test keep off
	server *tls.Config  // of the nodes
}

// document is a topology file as YAML gives it.
type document = map[string]any

func newShapeFile(t *testing.T) *shapeFile {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < shapeDescriptors {
		t.Skipf("a process may have %d descriptors here, and this takes %d: ulimit -n, %v", limit.Cur, shapeDescriptors, err)
	}
	f := &shapeFile{t: t, dir: t.TempDir()}
	for f.base = 10_000; f.claim == nil; f.base += 1000 {
		if f.base == 32_000 {
			t.Fatal("no free block of ports from 10,000 on")
		}
		f.claim, _ = net.Listen("tcp", fmt.Sprintf("127.99.0.1:%d", f.base))
	}
	f.base -= 1000
	t.Cleanup(func() { f.claim.Close() })
	f.makeKeys()
	return f
}

// makeKeys writes what the examples name: the cluster's certificate and the authority of the nodes.
func (f *shapeFile) makeKeys() {
	var err error
	if f.ca, err = mailtest.NewCA(); err != nil {
		f.t.Fatal(err)
	}
	if f.server, err = f.ca.Server("mail.example.org"); err != nil {
		f.t.Fatal(err)
	}
	f.server.CurvePreferences = []tls.CurveID{tls.X25519} // the quickest: both ends share two cores
	cert, err := f.ca.Issue("mail.example.org")
	if err != nil {
		f.t.Fatal(err)
	}
	chain, key, err := mailtest.PEMPair(cert)
	if err != nil {
		f.t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"mail.example.org.crt": chain, "mail.example.org.key": key, "nodes-ca.crt": f.ca.PEM(),
	} {
		if err := os.WriteFile(filepath.Join(f.dir, name), data, 0o600); err != nil {
			f.t.Fatal(err)
		}
	}
}

// port is where something of a standard port is on loopback, for balancers and nodes alike.
func (f *shapeFile) port(standard uint16) int {
	if standard > 10_000 {
		return int(standard)
	}
	return f.base + int(standard)%1000
}

var private = regexp.MustCompile(`\b10\.(\d+\.\d+\.\d+)`)

// read is the example of that name.
func (f *shapeFile) read(name string) document {
	f.t.Helper()
	text, err := os.ReadFile("../../examples/" + name + ".yaml")
	if err != nil {
		f.t.Fatal(err)
	}
	var d document
	if err := yaml.Unmarshal(private.ReplaceAll(text, []byte("127.$1")), &d); err != nil {
		f.t.Fatal(err)
	}
	return d
}

// front is the address of a region's balancer.
func front(region int) string { return fmt.Sprintf("127.99.0.%d", 10+region) }

// move puts the services of a document on loopback, where clients reach them and where nodes serve them.
func (f *shapeFile) move(d document) {
	d["state_dir"] = filepath.Join(f.dir, "state")
	d["shutdown"] = document{"deadline": "5s"}
	d["admin"] = document{"listen": "none"} // several balancers are one process
	delete(d, "dns")                        // it would need a database; geodns answers the examples' names
	for _, n := range d["nodes"].([]any) {
		if both, ok := n.(document)["address"].([]any); ok {
			n.(document)["address"] = both[0] // loopback has one IPv6 address only
		}
	}
	services, _ := d["services"].(document)
	if services == nil {
		services = make(document)
		d["services"] = services
	}
	regions := regionNames(d)
	for name, standard := range f.standardPorts(services) {
		service, _ := services[name].(document)
		if service == nil {
			service = make(document)
			services[name] = service
		}
		port := f.port(standard)
		service["port"] = port
		service["listen"] = []string{fmt.Sprintf("%s:%d", front(0), port)}
		if len(regions) == 0 {
			continue
		}
		regional := make(document)
		for i, region := range regions {
			regional[region] = []string{fmt.Sprintf("%s:%d", front(i), port)}
		}
		service["regional_listen"] = regional
	}
	if certificates, ok := d["tls"].(document); ok {
		certificates["node_ca"] = "nodes-ca.crt"
	}
	if underRace { // one round is enough
		defaults := d["defaults"].(document)
		defaults["check"] = document{"interval": "1m", "timeout": "20s"}
	}
}

func regionNames(d document) []string {
	regions, _ := d["regions"].(document)
	return slices.Sorted(maps.Keys(regions))
}

// standardPorts is the port of each service that the shapes use.
func (f *shapeFile) standardPorts(services document) map[string]uint16 {
	ports := map[string]uint16{
		"smtp": 25, "submissions": 465, "imaps": 993, "pop3s": 995, "sieve": 4190, "jmap": 443, "webdav": 443, "http": 443,
	}
	for name, s := range services {
		if port, ok := s.(document)["port"].(int); ok {
			ports[name] = uint16(port)
		}
	}
	return ports
}

// write puts the document into the file that balancers read, by rename.
func (f *shapeFile) write(d document) (path string) {
	f.t.Helper()
	text, err := yaml.Marshal(d)
	if err != nil {
		f.t.Fatal(err)
	}
	path = filepath.Join(f.dir, "topology.yaml")
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		f.t.Fatal(err)
	}
	return path
}

// load is the file as the balancer of a region reads it.
func (f *shapeFile) load(region string) *config.Topology {
	f.t.Helper()
	topology, err := config.Load(filepath.Join(f.dir, "topology.yaml"), config.Options{Region: region, Serve: true})
	if err != nil {
		f.t.Fatal(err)
	}
	return topology
}
