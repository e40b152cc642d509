package nearest

import "github.com/prometheus/client_golang/prometheus"

// Metrics tell of the database in effect. Nil counts nothing.
type Metrics struct {
	networks prometheus.Gauge
	loaded   prometheus.Gauge
	refused  prometheus.Counter
}

// NewMetrics registers the metrics of a Loader.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		networks: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "posthouse_geoip_networks", Help: "Networks in the geoip database in effect, 0 without one."}),
		loaded: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "posthouse_geoip_loaded_timestamp_seconds", Help: "When the geoip database in effect was loaded, Unix time; 0 without one."}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "posthouse_geoip_refused_total", Help: "Databases that could not be loaded, so that the one before stayed in effect."}),
	}
	r.MustRegister(m.networks, m.loaded, m.refused)
	return m
}

// load says that a geography is in effect, with a database or without one.
func (m *Metrics) load(g *Geography, database bool) {
	switch {
	case m == nil:
	case database:
		m.networks.Set(float64(g.Networks()))
		m.loaded.SetToCurrentTime()
	default:
		m.networks.Set(0)
		m.loaded.Set(0)
	}
}

func (m *Metrics) refuse() {
	if m != nil {
		m.refused.Inc()
	}
}
