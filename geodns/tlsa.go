package geodns

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"posthouse/config"
)

// addTLSA adds the keys of certificates at names whose TLS ends here, in zones that are signed: senders believe them
// only there (RFC 7672, 2.2). Where TLS ends at nodes we do not know their certificates.
func (z *Zones) addTLSA() error {
	signed := slices.ContainsFunc(z.Hosts, func(h *Host) bool { return h.zone.signer != nil })
	if !signed || !slices.ContainsFunc(z.topology.Services, endsTLS) {
		return nil
	}
	certificates, err := readCertificates(z.topology.TLS.Certificates)
	if err != nil {
		return err
	}
	for _, h := range z.Hosts {
		if h.zone.signer == nil {
			continue
		}
		z.addHostTLSA(h, h.Name, certificates)
		if h.Fallback != "" && h.zone.names[h.Fallback].host == h {
			z.addHostTLSA(h, h.Fallback, certificates)
		}
	}
	return nil
}

// endsTLS says whether clients of a service see a certificate of ours.
func endsTLS(s *config.Service) bool {
	starttls := s.TLS == config.TLSNone && s.StartTLS == config.Terminate
	return s.Live && (s.TLS == config.Terminate || s.TLS == config.Reencrypt || starttls)
}

func (z *Zones) addHostTLSA(h *Host, name string, certificates []*x509.Certificate) {
	for _, rr := range tlsaOf(z.topology, h.Services, name, h.ttl, certificates) {
		h.zone.add(rr)
	}
}

// tlsaOf is the keys that clients of services see at a name.
func tlsaOf(t *config.Topology, services []string, name string, ttl uint32, certificates []*x509.Certificate) []dns.RR {
	var all []dns.RR
	for _, service := range services {
		s := t.Service(service)
		if !endsTLS(s) {
			continue
		}
		for _, c := range shown(certificates, name, s.Protocol == config.SMTP) {
			for _, port := range publicPorts(t, s) {
				all = append(all, tlsa(fmt.Sprintf("_%d._tcp.%s", port, name), ttl, c))
			}
		}
	}
	return all
}

// shown is the certificates that a client may see at a name. Those who send mail see the first one where none has
// the name; all others are refused (and get no record that would be wrong).
func shown(certificates []*x509.Certificate, name string, smtp bool) []*x509.Certificate {
	var fit []*x509.Certificate
	for _, c := range certificates {
		if c.VerifyHostname(strings.TrimSuffix(name, ".")) == nil {
			fit = append(fit, c)
		}
	}
	if len(fit) == 0 && smtp && len(certificates) > 0 {
		return certificates[:1]
	}
	return fit
}

// publicPorts is where clients reach a service, in any region.
func publicPorts(t *config.Topology, s *config.Service) []uint16 {
	var ports []uint16
	for _, r := range t.Regions {
		for _, l := range s.ListenIn(r.Name) {
			ports = append(ports, l.Port())
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// tlsa is usage DANE-EE, selector SPKI, matching SHA-256 (RFC 7671, 5.1): it outlives a renewal with the same key.
func tlsa(owner string, ttl uint32, c *x509.Certificate) dns.RR {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return &dns.TLSA{Hdr: header(owner, dns.TypeTLSA, ttl), Usage: 3, Selector: 1, MatchingType: 1, Certificate: hex.EncodeToString(sum[:])}
}

// readCertificates reads the certificates that clients see, without those that vouch for them.
func readCertificates(files []config.Certificate) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for _, f := range files {
		data, err := os.ReadFile(f.Cert)
		if err != nil {
			return nil, err
		}
		block, _ := pem.Decode(data)
		if block == nil {
			return nil, fmt.Errorf("%s: no PEM block in it", f.Cert)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Cert, err)
		}
		all = append(all, c)
	}
	return all, nil
}
