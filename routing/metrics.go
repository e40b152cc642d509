package routing

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/config"
)

// Metrics is what routing tells Prometheus. A nil one tells nothing.
type Metrics struct {
	table  atomic.Pointer[Table] // nodes are counted when they are asked for, so none outlives its topology
	nodes  *prometheus.Desc
	share  *prometheus.Desc
	tables prometheus.Counter
	build  prometheus.Histogram
}

// NewMetrics registers them.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	m := &Metrics{
		nodes: prometheus.NewDesc("posthouse_nodes",
			"Nodes of a service in a region, by what probes, file and marks say of them.", []string{"service", "region", "state"}, nil),
		share: prometheus.NewDesc("posthouse_region_healthy_ratio",
			"Part of a region's weight for a service that can serve now.", []string{"service", "region"}, nil),
		tables: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "posthouse_tables_built_total", Help: "Routing tables built."}),
		build: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "posthouse_table_build_seconds", Help: "Time to build a routing table.",
			Buckets: []float64{.0001, .0003, .001, .003, .01, .03, .1, .3, 1}}),
	}
	registerer.MustRegister(m, m.tables, m.build)
	return m
}

func (m *Metrics) show(t *Table) {
	if m != nil {
		m.table.Store(t)
	}
}

func (m *Metrics) tableBuilt(took time.Duration) {
	if m != nil {
		m.tables.Inc()
		m.build.Observe(took.Seconds())
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(descs chan<- *prometheus.Desc) {
	descs <- m.nodes
	descs <- m.share
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	t := m.table.Load()
	if t == nil {
		return
	}
	for i, s := range t.layout.sections {
		m.collectNodes(metrics, s.service.Name, t.backends[s.first:s.last])
		for rank, standing := range t.pools[i].standings {
			if standing.weight > 0 {
				metrics <- prometheus.MustNewConstMetric(m.share, prometheus.GaugeValue,
					float64(standing.healthy)/float64(standing.weight), s.service.Name, t.layout.regions[rank].Name)
			}
		}
	}
}

// states is what a node is counted as; what file and marks say of it comes before what probes say.
var states = [...]string{"unknown", "up", "failing", "down", "recovering", "drain", "disabled"}

func countedAs(b *Backend) int {
	switch stateOf(b.Node, b.Service) {
	case config.Drain:
		return len(states) - 2
	case config.Disabled:
		return len(states) - 1
	}
	return int(b.Health.State)
}

func (m *Metrics) collectNodes(metrics chan<- prometheus.Metric, service string, backends []*Backend) {
	regions := make(map[string]*[len(states)]int)
	for _, b := range backends {
		counts := regions[b.Node.Region]
		if counts == nil {
			counts = new([len(states)]int)
			regions[b.Node.Region] = counts
		}
		counts[countedAs(b)]++
	}
	for region, counts := range regions {
		for state, n := range counts {
			metrics <- prometheus.MustNewConstMetric(m.nodes, prometheus.GaugeValue, float64(n), service, region, states[state])
		}
	}
}
