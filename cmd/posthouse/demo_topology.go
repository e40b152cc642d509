package main

import (
	"bytes"
	"fmt"
	"text/template"
)

// topology is the file, as somebody would write it.
func (c *demoCluster) topology() []byte {
	var b bytes.Buffer
	if err := demoTopology.Execute(&b, c.sheet()); err != nil {
		panic(err) // the template and its data are both ours
	}
	return b.Bytes()
}

// demoSheet is what the template shows; names begin in upper case for its sake.
type demoSheet struct {
	Cluster  string
	Cert     string
	Key      string
	CA       string
	DNS      string
	Regions  []sheetRegion
	Roles    []sheetRole
	Nodes    []sheetNode
	Services []sheetService
}

type (
	sheetRegion  struct{ Name, Location, Clients, Address string }
	sheetRole    struct{ Name, Services string }
	sheetNode    struct{ Name, Region, Role, Ports string }
	sheetService struct{ Name, TLS, Listen string } // TLS: not shown where it is the service's own
)

func (c *demoCluster) sheet() demoSheet {
	s := demoSheet{Cluster: demoName, Cert: demoCertFile, Key: demoKeyFile, CA: demoCAFile, DNS: c.regions[0].front.address(demoDNS)}
	for _, role := range demoRoles {
		s.Roles = append(s.Roles, sheetRole{role.name, commas(role.services, func(s string) string { return s })})
	}
	for _, r := range c.regions {
		s.Regions = append(s.Regions, sheetRegion{r.name, r.location, r.clients, r.address})
		for _, n := range r.nodes {
			ports := commas(servicesOf(n.role), func(s string) string { return fmt.Sprintf("%s: %d", s, n.ports[s]) })
			s.Nodes = append(s.Nodes, sheetNode{n.name, r.name, n.role, ports})
		}
	}
	for _, f := range fronted {
		for _, service := range f.services {
			if listened(service) {
				s.Services = append(s.Services, sheetService{service, tlsOf(service), c.listen(service)})
			}
		}
	}
	return s
}

// listen is where the balancer of each region has a service.
func (c *demoCluster) listen(service string) string {
	return commas(c.regions, func(r *demoRegion) string { return fmt.Sprintf("%s: [%q]", r.name, r.front.address(service)) })
}

// tlsOf is what lets a balancer read the requests that it tells apart by path; mail passes through as it comes.
func tlsOf(service string) string {
	if overHTTP(service) {
		return "reencrypt"
	}
	return ""
}

func overHTTP(service string) bool {
	return service == "jmap" || service == "webdav" || service == "http"
}

func commas[T any](all []T, show func(T) string) string {
	var b bytes.Buffer
	for i, v := range all {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(show(v))
	}
	return b.String()
}

var demoTopology = template.Must(template.New("topology").Parse(`# The topology of the running demo. Save a change and see it take effect. Try: another weight; state: drain
# (sessions stay, new ones go elsewhere); failover: [] in a region; a mistake.
cluster: {{.Cluster}}
shutdown: {deadline: 2s}

regions:
{{- range .Regions}}
  {{.Name}}:
    location: {{.Location}}
    prefixes: ["{{.Clients}}"] # whose resolvers DNS sends here
    addresses: [{{.Address}}]
    state: active
{{- end}}

roles:
{{- range .Roles}}
  {{.Name}}: [{{.Services}}]
{{- end}}

nodes:
{{- range .Nodes}}
  - name: {{.Name}}
    region: {{.Region}}
    role: {{.Role}}
    weight: 1
    state: active # drain | disabled
    address: 127.0.0.1
    ports: { {{- .Ports -}} }
{{- end}}

defaults:
  proxy_protocol: v1
  slow_start: 5s
  check: {interval: 1s, timeout: 1s, rise: 2, fall: 2, remote_interval: 3s}

services: # one balancer in each region, all of them on this machine
{{- range .Services}}
  {{.Name}}: { {{- with .TLS}}tls: {{.}}, {{end}}listen: [], regional_listen: { {{- .Listen -}} }}
{{- end}}

dns: # each balancer answers, at a port of its own
  listen: ["{{.DNS}}"]
  zones:
    {{.Cluster}}:
      nameservers: {ns1: [127.0.0.1]}
      ttl: 20
      hosts: {imap: [imaps], mx: [smtp], web: [jmap]}
      domains: [{{.Cluster}}]

tls: # jmap, webdav and http share an address: the path decides
  certificates: [{cert: {{.Cert}}, key: {{.Key}}}]
  node_ca: {{.CA}}
  node_name: {{.Cluster}}
`))
