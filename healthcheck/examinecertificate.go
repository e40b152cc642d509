package healthcheck

import (
	"context"
	"fmt"
	"slices"
	"time"

	"posthouse/config"
)

// certificate looks at what clients would see of it by passthrough, and at its time.
func (x *examiner) certificate(p *planned, o outcome) (found []Finding) {
	now, its := time.Now(), "its certificate"
	if !p.spec.tls {
		its += " behind " + startTLSWord(p.spec.protocol)
	}
	switch left := o.expiry.Sub(now); {
	case o.expiry.IsZero():
	case left < 0:
		found = append(found, p.finding(Expired, its+" has expired on "+o.expiry.UTC().Format(time.DateOnly)))
	case left < expiryWarning:
		found = append(found, p.warning(ExpiresSoon, fmt.Sprintf("%s expires on %s, in %.0f days", its, o.expiry.UTC().Format(time.DateOnly), left.Hours()/24)))
	}
	if o.leaf != nil && o.leaf.NotBefore.After(now) {
		found = append(found, p.finding(NotYetValid, its+" is good only from "+o.leaf.NotBefore.UTC().Format(time.DateTime)+": is this clock right?"))
	}
	if o.leaf != nil && !p.spec.verify {
		if err := o.leaf.VerifyHostname(p.spec.sni); err != nil {
			found = append(found, p.warning(OtherName, fmt.Sprintf("%s is not good for %s, which clients ask for: %v", its, p.spec.sni, err)))
		}
	}
	return found
}

// startTLS looks at a plain port as clients do that encrypt there, and warns where they cannot.
func (x *examiner) startTLS(ctx context.Context, p *planned, j job, o outcome) []Finding {
	word := startTLSWord(p.spec.protocol)
	if word == "" || p.spec.tls || len(o.capabilities) == 0 || x.endsTLS(p) {
		return nil
	}
	if !slices.Contains(o.capabilities, word) {
		return []Finding{p.warning(NoStartTLS, "does not offer "+word+": clients cannot encrypt")}
	}
	j.starttls = true
	o = x.probe(ctx, j)
	if o.failure != nil {
		f := p.warning(NoStartTLS, "offers "+word+", but clients cannot encrypt: "+o.failure.reason)
		f.Transcript = o.transcript
		return []Finding{f}
	}
	return x.certificate(p, o)
}

// endsTLS says whether clients of all its services encrypt towards the balancer.
func (x *examiner) endsTLS(p *planned) bool {
	return !slices.ContainsFunc(p.targets, func(w wanted) bool {
		s := x.topology.Service(w.id.Service)
		return s == nil || s.TLS == config.TLSNone && s.StartTLS != config.Terminate
	})
}
