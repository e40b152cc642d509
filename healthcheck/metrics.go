package healthcheck

import (
	"github.com/prometheus/client_golang/prometheus"

	"posthouse/config"
)

// Metrics are the figures of the probes. A nil *Metrics counts nothing. Only Run's goroutine uses it.
type Metrics struct {
	probes  *prometheus.CounterVec   // by service and result
	seconds *prometheus.HistogramVec // by service
	targets *prometheus.GaugeVec     // by service and state

	states map[config.Target]config.HealthState // what targets shows now
}

// Results of posthouse_probes_total.
const (
	resultGood   = "good"
	resultFailed = "failed"
	resultOurs   = "local" // ports, descriptors or a source address were missing here
)

// NewMetrics registers the figures.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		probes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthouse_probes_total", Help: "Probes of nodes, by service and result; services that share a probe count once, as the first of them.",
		}, []string{"service", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "posthouse_probe_seconds", Help: "How long probes took, goodbye included.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"service"}),
		targets: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "posthouse_targets", Help: "Services on nodes, by service and state.",
		}, []string{"service", "state"}),
		states: make(map[config.Target]config.HealthState),
	}
	r.MustRegister(m.probes, m.seconds, m.targets)
	return m
}

func (m *Metrics) probed(p *probe, o outcome) {
	if m == nil || len(p.targets) == 0 {
		return
	}
	result := resultGood
	if o.ours() {
		result = resultOurs
	} else if !o.good() {
		result = resultFailed
	}
	service := p.targets[0].id.Service
	m.probes.WithLabelValues(service, result).Inc()
	m.seconds.WithLabelValues(service).Observe(o.took.Seconds())
}

// state moves a target from the gauge of its old state to that of its new one.
func (m *Metrics) state(t config.Target, s config.HealthState) {
	if m == nil {
		return
	}
	if old, known := m.states[t]; known {
		m.targets.WithLabelValues(t.Service, old.String()).Dec()
	}
	m.states[t] = s
	m.targets.WithLabelValues(t.Service, s.String()).Inc()
}

// retain forgets the services and targets that a reload has taken away.
func (m *Metrics) retain(targets map[place]*target) {
	if m == nil {
		return
	}
	gone := make(map[string]bool)
	for t := range m.states {
		gone[t.Service] = true
	}
	m.targets.Reset()
	m.states = make(map[config.Target]config.HealthState, len(targets))
	for _, t := range targets {
		delete(gone, t.id.Service)
		m.state(t.id, t.health.State)
	}
	for service := range gone {
		labels := prometheus.Labels{"service": service}
		m.probes.DeletePartialMatch(labels)
		m.seconds.DeletePartialMatch(labels)
	}
}
