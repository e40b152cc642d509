package geodns

import (
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count questions. Labels are names that the zones have ("other" for all others), the types that are packed ahead, regions
// and response codes: all bounded by the topology.
type Metrics struct {
	queries    *prometheus.Desc
	limited    *prometheus.CounterVec
	unanswered prometheus.Counter
	conns      prometheus.Gauge
	refused    prometheus.Counter

	slipped, dropped prometheus.Counter // of limited

	mu  sync.Mutex // guards the following
	all map[seriesKey]*series
}

type seriesKey struct{ name, kind, region, rcode string }

// series is one count, in a cell for each worker: one for all would go to and fro between the cores.
type series struct{ cells []cell }

type cell struct {
	n atomic.Uint64
	_ [56]byte // a cache line each
}

func (s *series) add(worker int, n uint64) { s.cells[worker].n.Add(n) }

func (s *series) sum() (n uint64) {
	for i := range s.cells {
		n += s.cells[i].n.Load()
	}
	return n
}

// Workers is how many threads answer over UDP on each address; the connections of TCP are counted as one more.
func Workers() int { return runtime.NumCPU() } // by the affinity mask

// NewMetrics registers the metrics of a Server.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		all: make(map[seriesKey]*series),
		queries: prometheus.NewDesc("posthouse_dns_queries_total",
			"Questions that were answered, by name, type, the region that the answer leads to, and response code.",
			[]string{"name", "type", "region", "rcode"}, nil),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthouse_dns_limited_total",
			Help: "Answers over rate_limit: dropped, or slipped (a short answer that sends real clients to TCP or gives them a cookie).",
		}, []string{"action"}),
		unanswered: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "posthouse_dns_unanswered_total", Help: "Packets that get no answer: responses, and what is no question at all."}),
		conns: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "posthouse_dns_tcp_connections", Help: "TCP connections of resolvers that live."}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "posthouse_dns_tcp_refused_total", Help: "TCP connections over the limits, closed at once."}),
	}
	m.slipped, m.dropped = m.limited.WithLabelValues("slipped"), m.limited.WithLabelValues("dropped")
	r.MustRegister(m, m.limited, m.unanswered, m.conns, m.refused)
	return m
}

// Register registers the metric of a Health.
func (h *Health) Register(r prometheus.Registerer) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "posthouse_dns_doubt",
		Help: "1 while all other regions seem to have fallen at once, which is not believed for some minutes: more likely our own network is cut off.",
	}, func() float64 {
		if h.doubts(time.Now()) {
			return 1
		}
		return 0
	}))
}

// series is the count of one kind of answers, the same one as long as it is not forgotten.
func (m *Metrics) series(name string, qtype uint16, region string, rcode int) *series {
	key := seriesKey{name, "other", region, dns.RcodeToString[rcode]}
	if slices.Contains(packedTypes, qtype) {
		key.kind = dns.TypeToString[qtype]
	}
	if key.rcode == "" {
		key.rcode = strconv.Itoa(rcode)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.all[key]
	if s == nil {
		s = &series{make([]cell, Workers()+1)}
		m.all[key] = s
	}
	return s
}

// keep forgets the names and regions that are not there any more.
func (m *Metrics) keep(s *serving) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key := range m.all {
		named := key.name == otherName || s.nodes[key.name] != nil
		placed := key.region == "" || s.data.Zones.topology.RegionNamed(key.region) != nil
		if !named || !placed {
			delete(m.all, key)
		}
	}
}

// otherName is what names that are in no zone are counted as.
const otherName = "other"

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(descs chan<- *prometheus.Desc) { descs <- m.queries }

// Collect implements prometheus.Collector. What was never asked is left out: there is an answer for every type of every name.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, s := range m.all {
		if n := s.sum(); n > 0 {
			metrics <- prometheus.MustNewConstMetric(m.queries, prometheus.CounterValue, float64(n), key.name, key.kind, key.region, key.rcode)
		}
	}
}
