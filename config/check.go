package config

import (
	"errors"
	"io/fs"
	"os"
	"slices"
)

// checkTopology looks at how the parts go together.
func (b *builder) checkTopology() {
	for _, e := range b.entries {
		b.checkService(e)
	}
	b.checkAdmin()
	b.checkSharing()
	b.checkSpill()
	b.checkCertificates()
	b.buildDNS()
	b.checkFiles()
	b.checkUnbuilt()
	b.warn()
	if b.TLS.NodeName == "" {
		b.TLS.NodeName = b.Cluster
	}
}

// checkSpill refuses sessions that would cross to another region in plain text.
func (b *builder) checkSpill() {
	for _, e := range b.entries {
		if !e.Live || e.TLS != Terminate {
			continue
		}
		if from, to := b.spill(e); to != nil {
			b.errorf(e.where("tls", b.top), `service %q: tls: terminate would send sessions from region %q to region %q in plain text: use tls: reencrypt, or failover: [] in region %q`,
				e.Name, from.Name, to.Name, from.Name)
		}
	}
}

// spill finds two regions between which sessions of the service could go.
func (b *builder) spill(e *serviceEntry) (from, to *Region) {
	for _, from := range b.Regions {
		if len(e.ListenIn(from.Name)) == 0 {
			continue
		}
		for _, to := range b.Regions {
			next := to != from && (!from.FailoverSet || slices.Contains(from.Failover, to.Name))
			if next && to.Reach != ReachNone && b.served[servedKey{e.Name, to.Name}] {
				return from, to
			}
		}
	}
	return nil, nil
}

// checkCertificates wants a certificate where TLS ends here, and somebody to show it to.
func (b *builder) checkCertificates() {
	var ends *serviceEntry
	for _, e := range b.entries {
		if e.Live && (e.TLS == Terminate || e.TLS == Reencrypt || e.StartTLS == Terminate && hasSTARTTLS(e.Service)) {
			ends = e
			break
		}
	}
	at, given := b.seen["tls"]
	switch {
	case ends == nil && given:
		b.warnf(at, "tls has no effect: no service that a node runs has tls: terminate or reencrypt, or starttls: terminate")
	case ends != nil && len(b.TLS.Certificates) == 0 && b.seen["tls.certificates"] == (position{}):
		key := "tls"
		if ends.TLS == TLSNone {
			key = "starttls"
		}
		b.errorf(ends.where(key, b.top), "service %q: TLS ends here, which takes a certificate under tls.certificates", ends.Name)
	}
}

// checkFiles looks for the files that the topology names.
func (b *builder) checkFiles() {
	for _, f := range b.files {
		var pathError *fs.PathError
		if _, err := os.Stat(f.path); errors.As(err, &pathError) {
			b.missing(f.position, "%s: %s: %v", f.key, f.path, pathError.Err)
		}
	}
}
