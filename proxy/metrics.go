package proxy

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count sessions. Labels are services, the words of end, and the stages of errors: all bounded by the topology.
type Metrics struct {
	started  *prometheus.CounterVec
	live     *prometheus.GaugeVec
	ends     *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	connect  *prometheus.HistogramVec
	greeting *prometheus.HistogramVec
	errors   *prometheus.CounterVec
	hedges   *prometheus.CounterVec
	secured  *prometheus.CounterVec
	expiry   *prometheus.GaugeVec
	pauses   prometheus.Counter
	http     httpMetrics

	mu       sync.Mutex // guards the following
	services map[string]*serviceMetrics
}

// seconds are the buckets for what a node takes: loopback to the longest time-outs.
var seconds = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// NewMetrics registers the metrics of a Server.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		services: make(map[string]*serviceMetrics),
		started: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthouse_sessions_started_total", Help: "Sessions that began."}, []string{"service"}),
		live: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "posthouse_sessions", Help: "Sessions that live."}, []string{"service"}),
		ends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthouse_sessions_ended_total", Help: "Sessions by why they ended, in the words of the session log."},
			[]string{"service", "end"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthouse_session_bytes_total", Help: "Bytes relayed, up (from clients) and down (from nodes), counted when sessions end."},
			[]string{"service", "direction"}),
		connect: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "posthouse_connect_seconds", Help: "Time that nodes took to accept a connection.", Buckets: seconds},
			[]string{"service"}),
		greeting: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "posthouse_greeting_seconds", Help: "Time from the connection to the node's greeting or first byte.", Buckets: seconds},
			[]string{"service"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthouse_session_errors_total", Help: "What went wrong in sessions, by stage; a failed node is one, though the next one served the client."},
			[]string{"service", "stage"}),
		hedges: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthouse_hedges_total", Help: "Second nodes that were dialled because the first was silent."}, []string{"service"}),
		secured: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthouse_tls_handshakes_total", Help: "TLS handshakes of clients that ended here, full or resumed."},
			[]string{"service", "kind"}),
		expiry: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "posthouse_certificate_expiry_timestamp_seconds", Help: "When the certificates that clients see expire, in Unix time."},
			[]string{"certificate"}),
		pauses: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "posthouse_accept_pauses_total", Help: "Pauses of accept loops, mostly for want of descriptors."}),
	}
	m.http = newHTTPMetrics(r)
	r.MustRegister(m.started, m.live, m.ends, m.bytes, m.connect, m.greeting, m.errors, m.hedges, m.secured, m.expiry, m.pauses)
	return m
}

// stage is where a session met an error.
type stage uint8

const (
	stageProxyHeader stage = iota // the client's PROXY header
	stageHello                    // the client's TLS hello
	stageHandshake                // what came of it, where TLS ends here
	stageOwn                      // we had no port or descriptor
	stageConnect                  // the node did not accept
	stageNodeTLS                  // no TLS with the node, or not the certificate that it should have
	stageGreeting                 // the node closed, reset, was silent or said nothing of the protocol
	stageRefusal                  // the node refused in words
	stageResponse                 // the node took a request and did not answer it
	stages                        // how many there are
)

var stageNames = [stages]string{"proxy-header", "hello", "handshake", "own", "connect", "node-tls", "greeting", "refusal", "response"}

// serviceMetrics are the handles of one service: a look-up by label costs more than the counting.
type serviceMetrics struct {
	name              string
	started           prometheus.Counter
	live              prometheus.Gauge
	ends              [ends]prometheus.Counter
	up, down          prometheus.Counter
	connect, greeting prometheus.Observer
	errors            [stages]prometheus.Counter
	hedges            prometheus.Counter
	http              httpServiceMetrics
	full, resumed     prometheus.Counter // handshakes
}

// of returns the handles of a service, the same ones as long as the service is not forgotten.
func (m *Metrics) of(service string) *serviceMetrics {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.services[service]; known != nil {
		return known
	}
	h := &serviceMetrics{
		name:     service,
		started:  m.started.WithLabelValues(service),
		live:     m.live.WithLabelValues(service),
		up:       m.bytes.WithLabelValues(service, "up"),
		down:     m.bytes.WithLabelValues(service, "down"),
		connect:  m.connect.WithLabelValues(service),
		greeting: m.greeting.WithLabelValues(service),
		hedges:   m.hedges.WithLabelValues(service),
		full:     m.secured.WithLabelValues(service, "full"),
		resumed:  m.secured.WithLabelValues(service, "resumed"),
	}
	for e := endClient; e < ends; e++ {
		h.ends[e] = m.ends.WithLabelValues(service, e.String())
	}
	for i := range stages {
		h.errors[i] = m.errors.WithLabelValues(service, stageNames[i])
	}
	h.http = m.http.of(service)
	m.services[service] = h
	return h
}

// keep forgets the services that are not in the topology any more.
func (m *Metrics) keep(services map[string]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.services {
		if !services[name] {
			m.forget(prometheus.Labels{"service": name})
			delete(m.services, name)
		}
	}
}

func (m *Metrics) forget(l prometheus.Labels) {
	for _, v := range []interface {
		DeletePartialMatch(prometheus.Labels) int
	}{m.started, m.live, m.ends, m.bytes, m.connect, m.greeting, m.errors, m.hedges, m.secured} {
		v.DeletePartialMatch(l)
	}
	for _, v := range m.http.vectors() {
		v.DeletePartialMatch(l)
	}
}

func (m *serviceMetrics) ended(why end)   { m.ends[why].Inc() }
func (m *serviceMetrics) failed(at stage) { m.errors[at].Inc() }

func (m *serviceMetrics) handshake(resumed bool) {
	if resumed {
		m.resumed.Inc()
	} else {
		m.full.Inc()
	}
}

// expire forgets the certificates that are not named any more.
func (m *Metrics) expire(all map[string]time.Time) {
	m.expiry.Reset()
	for file, when := range all {
		m.expiry.WithLabelValues(file).Set(float64(when.Unix()))
	}
}
