package healthcheck

import (
	"crypto/tls"
	"net"
	"net/netip"
	"sync"

	"posthouse/config"
)

// handshake speaks TLS to the node and learns when its certificate ends.
func (d *dialogue) handshake() *failure {
	d.secure = tls.Client(d.raw, clientConfig(d.sni, d.protocol))
	if err := d.secure.Handshake(); err != nil {
		d.script.note("TLS: " + err.Error())
		f := d.unshaken(err, d.raw.read)
		d.ended, d.secure = hungUp(err), nil
		return f
	}
	d.out.greeting = d.raw.first.Sub(d.begun) // what a session waits for: the first byte after the hello
	if certs := d.secure.ConnectionState().PeerCertificates; len(certs) > 0 {
		d.out.expiry = certs[0].NotAfter
	}
	return nil
}

type configKey struct {
	sni  string
	http bool
}

// configs holds a tls.Config for each name; there are as many names as the topology has.
var configs sync.Map // configKey -> *tls.Config

func clientConfig(sni string, protocol config.Protocol) *tls.Config {
	key := configKey{sni, protocol == config.HTTP}
	if c, ok := configs.Load(key); ok {
		return c.(*tls.Config)
	}
	c := &tls.Config{
		ServerName: sni,
		// Clients verify this certificate, not we: with passthrough the node's TLS is theirs, the name that they
		// expect may be another, and a certificate that fails must be told (its expiry is), not take the node away.
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
