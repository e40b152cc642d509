package main

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// reloadMetrics count what became of the contents of the topology file.
type reloadMetrics struct {
	reloads *prometheus.CounterVec
	fresh   prometheus.Gauge
	last    prometheus.Gauge
}

func newReloadMetrics(r prometheus.Registerer) *reloadMetrics {
	m := &reloadMetrics{
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthouse_reloads_total",
			Help: "Contents of the topology file by what became of them: applied, refused (mistakes), held (max_shrink).",
		}, []string{"result"}),
		fresh: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "posthouse_topology_current",
			Help: "1 while the topology in effect is what the file says, 0 after a content was refused or held.",
		}),
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "posthouse_topology_loaded_timestamp_seconds",
			Help: "When the topology in effect was loaded, Unix time.",
		}),
	}
	r.MustRegister(m.reloads, m.fresh, m.last)
	for _, result := range []string{"applied", "refused", "held"} {
		m.reloads.WithLabelValues(result)
	}
	m.current()
	m.last.SetToCurrentTime()
	return m
}

// current says that the topology in effect is the file's.
func (m *reloadMetrics) current() { m.fresh.Set(1) }

func (m *reloadMetrics) applied() {
	m.current()
	m.last.SetToCurrentTime()
	m.reloads.WithLabelValues("applied").Inc()
}

func (m *reloadMetrics) refused() {
	m.fresh.Set(0)
	m.reloads.WithLabelValues("refused").Inc()
}

func (m *reloadMetrics) held() {
	m.fresh.Set(0)
	m.reloads.WithLabelValues("held").Inc()
}

// newRegistry is a registry that knows the process and the build.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "posthouse_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version(), "go": runtime.Version()},
	})
	build.Set(1)
	r.MustRegister(build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}
