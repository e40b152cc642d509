package proxy

import "github.com/prometheus/client_golang/prometheus"

// httpMetrics count requests. Sessions of an HTTP service that is read here are requests in flight; connections are counted by
// themselves.
type httpMetrics struct {
	requests    *prometheus.CounterVec
	answer      *prometheus.HistogramVec
	retries     *prometheus.CounterVec
	connections prometheus.Gauge
}

func newHTTPMetrics(r prometheus.Registerer) httpMetrics {
	m := httpMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthouse_http_requests_total", Help: "Requests by the class of their status; none: no answer reached the client."},
			[]string{"service", "status"}),
		answer: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "posthouse_http_answer_seconds", Help: "Time from a request to the head of its response.", Buckets: seconds},
			[]string{"service"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthouse_http_retries_total", Help: "Requests that another connection took over."}, []string{"service"}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "posthouse_http_connections", Help: "Clients' connections that HTTP is read from."}),
	}
	r.MustRegister(m.requests, m.answer, m.retries, m.connections)
	return m
}

func (m *httpMetrics) vectors() []interface {
	DeletePartialMatch(prometheus.Labels) int
} {
	return []interface {
		DeletePartialMatch(prometheus.Labels) int
	}{m.requests, m.answer, m.retries}
}

// httpServiceMetrics are the handles of one service.
type httpServiceMetrics struct {
	classes [6]prometheus.Counter // by status / 100; 0: none
	answer  prometheus.Observer
	retries prometheus.Counter
}

var statusClasses = [6]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

func (m *httpMetrics) of(service string) httpServiceMetrics {
	h := httpServiceMetrics{answer: m.answer.WithLabelValues(service), retries: m.retries.WithLabelValues(service)}
	for i, class := range statusClasses {
		h.classes[i] = m.requests.WithLabelValues(service, class)
	}
	return h
}

func (m *httpServiceMetrics) answered(status int) {
	if class := status / 100; class < len(m.classes) {
		m.classes[class].Inc()
	}
}
