package admin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/config"
	"posthouse/routing"
)

// Metrics are what operators have set and what became of their drains. A nil one counts nothing.
type Metrics struct {
	drained *prometheus.CounterVec
	server  *Server

	drains, marks, denials, nodes, sessions, regions, services, expiry *prometheus.Desc
}

// NewMetrics registers those of a server. What is set is counted when it is asked for.
func NewMetrics(r prometheus.Registerer, s *Server) *Metrics {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	m := &Metrics{
		server: s,
		drained: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthouse_drained_sessions_total", Help: "Sessions that drains were about, by how they ended."}, []string{"how"}),
		drains:   describe("posthouse_drains", "Drains that run."),
		marks:    describe("posthouse_marks", "Marks that operators have set and not taken back.", "kind"),
		denials:  describe("posthouse_denials", "Networks whose clients an operator keeps out."),
		nodes:    describe("posthouse_node_usable_ratio", "Part of a node's services that new sessions can use.", "node", "region"),
		sessions: describe("posthouse_node_sessions", "Sessions and HTTP requests that this balancer has on a node.", "node", "region"),
		expiry: describe("posthouse_node_certificate_expiry_timestamp_seconds",
			"When the first certificate of a service's nodes expires, in Unix time.", "service"),
		regions:  describe("posthouse_region_state", "1 for the state of a region: active, drain or disabled.", "region", "state"),
		services: describe("posthouse_service_info", "Always 1; the labels say what a service speaks.", "service", "protocol", "tls"),
	}
	for _, how := range []string{"left", "quiet", "cut"} {
		m.drained.WithLabelValues(how)
	}
	r.MustRegister(m, m.drained)
	return m
}

func (m *Metrics) count(d Drained) {
	if m != nil {
		m.drained.WithLabelValues("left").Add(float64(d.Left))
		m.drained.WithLabelValues("quiet").Add(float64(d.Quiet))
		m.drained.WithLabelValues("cut").Add(float64(d.Cut))
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.drains, m.marks, m.denials, m.nodes, m.sessions, m.regions, m.services, m.expiry} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	t := m.server.Router.Table()
	weights := 0
	for _, mark := range t.Marks() {
		if mark.Weight != nil {
			weights++
		}
	}
	gauge(m.drains, float64(m.server.drains.running()))
	gauge(m.marks, float64(weights), "weight")
	gauge(m.marks, float64(len(t.Marks())-weights), "drain")
	gauge(m.denials, float64(len(m.server.denied.current())))
	for _, r := range t.Topology().Regions {
		for state := config.Active; state <= config.Disabled; state++ {
			gauge(m.regions, one(r.State == state), r.Name, state.String())
		}
	}
	for _, s := range t.Topology().Services {
		if s.Live {
			gauge(m.services, 1, s.Name, string(s.Protocol), string(s.TLS))
		}
	}
	for node, c := range countNodes(t) {
		gauge(m.nodes, float64(c.usable)/float64(c.services), node.Name, node.Region)
		gauge(m.sessions, float64(c.sessions), node.Name, node.Region)
	}
	for service, first := range firstExpiries(t) {
		gauge(m.expiry, float64(first.Unix()), service)
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

type nodeCount struct{ usable, services, sessions int64 }

// countNodes is the nodes that this balancer can reach.
func countNodes(t *routing.Table) map[*config.Node]*nodeCount {
	counts := make(map[*config.Node]*nodeCount)
	for _, b := range t.Backends() {
		c := counts[b.Node]
		if c == nil {
			c = new(nodeCount)
			counts[b.Node] = c
		}
		c.services++
		c.sessions += b.Sessions()
		if b.Health.State.Usable() && t.Barred(b) == "" {
			c.usable++
		}
	}
	return counts
}

// firstExpiries is the first end of a certificate of each service's nodes, as far as probes have seen them.
func firstExpiries(t *routing.Table) map[string]time.Time {
	first := make(map[string]time.Time)
	for _, b := range t.Backends() {
		end, known := first[b.Service.Name]
		if e := b.Health.CertExpiry; !e.IsZero() && (!known || e.Before(end)) {
			first[b.Service.Name] = e
		}
	}
	return first
}
