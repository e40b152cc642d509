package healthcheck

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"posthouse/config"
)

// Kind is a fault that an examination can name.
type Kind string

const (
	Refused       Kind = "refused"
	Unreachable   Kind = "unreachable"
	Silent        Kind = "silent"
	Closed        Kind = "closed-at-once" // as a ban or a connection limit looks from outside
	ProxyMissing  Kind = "proxy-expected"
	ProxyUnwanted Kind = "proxy-not-expected"
	ProxyVersion  Kind = "proxy-version"
	SpeaksTLS     Kind = "tls-on-plain-port"
	SpeaksPlain   Kind = "plain-on-tls-port"
	OtherProtocol Kind = "other-protocol"
	Untrusted     Kind = "certificate-untrusted"
	NotYetValid   Kind = "certificate-not-yet-valid"
	Expired       Kind = "certificate-expired"
	ExpiresSoon   Kind = "certificate-expires"
	OtherName     Kind = "certificate-name"
	NoStartTLS    Kind = "no-starttls"
	Differs       Kind = "capabilities-differ"
	Unresolved    Kind = "unresolved"
	Ours          Kind = "this-machine"
	Unhealthy     Kind = "unhealthy" // anything else that a probe does not like
)

// Finding is what is wrong with a service on a node, or with several that are probed as one.
type Finding struct {
	Node       string   `json:"node"`
	Services   []string `json:"services"`
	Port       uint16   `json:"port"`
	Kind       Kind     `json:"kind"`
	Warning    bool     `json:"warning"` // sessions work all the same
	Says       string   `json:"says"`
	Transcript string   `json:"transcript,omitempty"`
}

// examiner asks every node once, and again in other ways where the first one fails.
type examiner struct {
	topology *config.Topology
	agent    string
	lookup   func(ctx context.Context, network, host string) ([]netip.Addr, error)
	probe    func(context.Context, job) outcome
}

// Examine probes every node as a balancer does that serves the topology, and names what is wrong. How many probes are done,
// and of how many, is told to progress, which may be nil.
func Examine(ctx context.Context, t *config.Topology, agent string, progress func(done, of int)) (found []Finding, probes int) {
	x := &examiner{topology: t, agent: agent, lookup: lookup, probe: func(ctx context.Context, j job) outcome { return j.run(ctx) }}
	return x.all(ctx, progress)
}

// parallel examinations: nodes of a large cluster are not all waited for one by one, and none is asked twice at once.
const examinations = 64

func (x *examiner) all(ctx context.Context, progress func(done, of int)) ([]Finding, int) {
	planned := plan(x.topology)
	findings, outcomes := make([][]Finding, len(planned)), make([]outcome, len(planned))
	next, done := make(chan int), make(chan int)
	var working sync.WaitGroup
	for range min(examinations, len(planned)) {
		working.Go(func() {
			for i := range next {
				findings[i], outcomes[i] = x.one(ctx, planned[i])
				done <- i
			}
		})
	}
	go func() {
		defer close(done)
		defer working.Wait()
		defer close(next)
		for i := range planned {
			next <- i
		}
	}()
	count := 0
	for range done {
		if count++; progress != nil {
			progress(count, len(planned))
		}
	}
	return slices.Concat(slices.Concat(findings...), compareCapabilities(planned, outcomes)), len(planned)
}

// one examines a node at a port.
func (x *examiner) one(ctx context.Context, p *planned) ([]Finding, outcome) {
	j := job{spec: &p.spec, sources: p.sources, whole: true, agent: x.agent}
	j.addrs = slices.DeleteFunc(p.spec.addrs[:], func(a netip.Addr) bool { return !a.IsValid() })
	if p.spec.host != "" {
		addrs, err := x.lookup(ctx, "ip", p.spec.host)
		if err != nil || len(addrs) == 0 {
			return []Finding{p.finding(Unresolved, fmt.Sprintf("its host name %s has no address%s", p.spec.host, because(err)))}, outcome{}
		}
		j.addrs = addrs
	}
	o := x.probe(ctx, j)
	if o.failure != nil {
		kind, says := x.diagnose(ctx, j, o)
		f := p.finding(kind, says)
		f.Transcript = o.transcript
		return append([]Finding{f}, x.certificate(p, o)...), outcome{}
	}
	return append(x.certificate(p, o), x.startTLS(ctx, p, j, o)...), o
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

func (p *planned) finding(k Kind, says string) Finding {
	f := Finding{Node: p.spec.node, Port: p.spec.port, Kind: k, Says: says}
	for _, t := range p.targets {
		f.Services = append(f.Services, t.id.Service)
	}
	return f
}

func (p *planned) warning(k Kind, says string) Finding {
	f := p.finding(k, says)
	f.Warning = true
	return f
}

// diagnose finds out why a probe failed by asking in other ways: what then goes well names the fault.
func (x *examiner) diagnose(ctx context.Context, j job, o outcome) (Kind, string) {
	switch k := o.failure.kind; {
	case o.ours():
		return Ours, "this machine lacks something: " + o.failure.reason
	case k == Refused, k == Unreachable, k == Untrusted:
		return k, o.failure.reason
	}
	for _, other := range j.variants() {
		if x.probe(ctx, other.job).good() {
			return other.kind, other.says
		}
	}
	switch o.failure.kind {
	case Closed:
		return Closed, "accepts and closes at once, with and without a PROXY header: it has banned our address, is past its connection limit, or does not have us among those that may send one"
	case SpeaksTLS: // it says so itself, and to ask it in TLS did not go well for another reason
		return SpeaksTLS, o.failure.reason
	case Silent:
		return Silent, "accepts and says nothing, with and without a PROXY header: is the server frozen or overloaded?"
	}
	if strings.Contains(o.failure.reason, "is not ") || strings.Contains(o.failure.reason, "no TLS on port") {
		return OtherProtocol, o.failure.reason
	}
	return Unhealthy, o.failure.reason
}

// variant is another way to ask, and what it means if that goes well.
type variant struct {
	job
	kind Kind
	says string
}

// variants are the ways in which a node and the topology are most often at odds: PROXY first, then TLS, then both.
func (j job) variants() (all []variant) {
	add := func(change func(*spec), kind Kind, says string) {
		s := *j.spec
		change(&s)
		next := j
		next.spec = &s
		all = append(all, variant{next, kind, says})
	}
	with := func(v config.ProxyVersion) func(*spec) { return func(s *spec) { s.proxy = v } }
	otherTLS := func(s *spec) { s.tls, s.verify = !s.tls, false }
	kind, says := SpeaksPlain, fmt.Sprintf("speaks plain text on port %d, where the topology has TLS: give the service another port, or another tls", j.port)
	if !j.tls {
		kind, says = SpeaksTLS, fmt.Sprintf("speaks TLS on port %d, where the topology has plain text: give the service another port, or tls: passthrough", j.port)
	}
	switch {
	case j.front: // a balancer: its header is not ours to choose
	case j.proxy == config.ProxyNone:
		add(with(config.ProxyV2), ProxyMissing, "expects a PROXY header that is not sent: set proxy_protocol: v2, or take our address out of the node's trusted networks")
		add(with(config.ProxyV1), ProxyMissing, "expects a PROXY header of version 1 that is not sent: set proxy_protocol: v1, or have the node expect none")
	default:
		add(with(config.ProxyNone), ProxyUnwanted, "does not expect the PROXY header that is sent: set proxy_protocol: none, or have the node trust our address")
		add(with(config.ProxyV1+config.ProxyV2-j.proxy), ProxyVersion, fmt.Sprintf("expects the other version of the PROXY header, not v%d", j.proxy))
	}
	if j.protocol != config.TCP {
		add(otherTLS, kind, says)
	}
	return all
}
