package healthcheck

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"

	"posthouse/config"
)

// handshake speaks TLS to the node and learns when its certificate ends.
func (d *dialogue) handshake() *failure {
	settings, err := d.settings()
	if err != nil {
		return &failure{reason: "node_ca: " + err.Error(), ours: true}
	}
	d.secure = tls.Client(d.raw, settings)
	if err := d.secure.Handshake(); err != nil {
		d.script.note("TLS: " + err.Error())
		d.distrusted(err)
		f := d.unshaken(err, d.raw.read)
		d.ended, d.secure = hungUp(err), nil
		return f
	}
	d.out.greeting = d.raw.first.Sub(d.begun) // what a session waits for: the first byte after the hello
	if certs := d.secure.ConnectionState().PeerCertificates; len(certs) > 0 {
		d.out.expiry, d.out.leaf = certs[0].NotAfter, certs[0]
	}
	return nil
}

// distrusted learns the end of a certificate that was not accepted: it may be the reason.
func (d *dialogue) distrusted(err error) {
	var v *tls.CertificateVerificationError
	if errors.As(err, &v) && len(v.UnverifiedCertificates) > 0 {
		d.out.expiry = v.UnverifiedCertificates[0].NotAfter
	}
}

// settings are those of sessions, where TLS is ours.
func (d *dialogue) settings() (*tls.Config, error) {
	shared := clientConfig(configKey{d.sni, d.protocol == config.HTTP})
	if !d.verify {
		return shared, nil
	}
	pool, err := authorities(d.ca)
	own := shared.Clone()
	own.VerifyConnection = func(s tls.ConnectionState) error { return verified.check(s, pool, d.sni) }
	return own, err
}

type configKey struct {
	sni  string
	http bool
}

// configs holds a tls.Config for each name; there are as many names as the topology has.
var configs sync.Map // configKey -> *tls.Config

func clientConfig(key configKey) *tls.Config {
	if c, ok := configs.Load(key); ok {
		return c.(*tls.Config)
	}
	c := &tls.Config{
		ServerName: key.sni,
		// With passthrough clients verify this certificate, not we: the node's TLS is theirs, the name that they
		// expect may be another, and a certificate that fails must be told (its expiry is), not take the node away.
		// With reencrypt VerifyConnection does it.
		InsecureSkipVerify: true,
		// Without the post-quantum share: it costs 80 µs a handshake to protect a greeting.
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384},
	}
	if key.http {
		c.NextProtos = []string{"http/1.1"}
	}
	shared, _ := configs.LoadOrStore(key, c)
	return shared.(*tls.Config)
}

func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort()
	}
	return netip.AddrPort{}
}
