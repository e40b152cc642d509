package relay

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mathrand "math/rand/v2"
)

// identity is what every TLS server of these tests shows.
var identity = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// ground is what TLS stands on until the relay has the connection.
type ground struct {
	net.Conn
	on io.ReadWriter
}

func (g *ground) Carry(on io.ReadWriter) { g.on = on }

func (g *ground) Read(b []byte) (int, error) {
	if g.on != nil {
		return g.on.Read(b)
	}
	return g.Conn.Read(b)
}

func (g *ground) Write(b []byte) (int, error) {
	if g.on != nil {
		return g.on.Write(b)
	}
	return g.Conn.Write(b)
}

// secureEnd is the far end of a connection with TLS. Its Close is that of TCP.
type secureEnd struct {
	*tls.Conn
	tcp *net.TCPConn
}

func (e secureEnd) SetLinger(seconds int) error { return e.tcp.SetLinger(seconds) }
func (e secureEnd) Close() error                { return e.tcp.Close() }

// handshake makes TLS over a connection: ours is over its near end, which serves if it is the client's.
func handshake(t testing.TB, far, near *net.TCPConn, serves bool, version uint16) (secureEnd, *tls.Conn) {
	t.Helper()
	settings := &tls.Config{Certificates: []tls.Certificate{identity()}, InsecureSkipVerify: true, MaxVersion: version}
	there, ours := tls.Client(far, settings), tls.Server(&ground{Conn: near}, settings)
	if !serves {
		there, ours = tls.Server(far, settings), tls.Client(&ground{Conn: near}, settings)
	}
	done := make(chan error, 1)
	go func() { done <- there.Handshake() }()
	if err := ours.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return secureEnd{there, far}, ours
}

// dressings are which sides of a pair have TLS, and which.
var dressings = []struct {
	client, node bool
	version      uint16
}{
	{true, false, tls.VersionTLS13}, {false, true, tls.VersionTLS13}, {true, true, tls.VersionTLS13},
	{true, false, tls.VersionTLS12}, {true, true, tls.VersionTLS12},
}

// dress begins TLS on sides of a pair.
func dress(t testing.TB, p *Pair, ends *[2]end, client, node bool, version uint16) {
	t.Helper()
	needsLoops(t)
	if client {
		ends[0], p.ClientTLS = handshake(t, ends[0].(*net.TCPConn), p.Client, true, version)
	}
	if node {
		ends[1], p.NodeTLS = handshake(t, ends[1].(*net.TCPConn), p.Node, false, version)
	}
}

// TestSecureStress is TestStress with TLS on one side or both.
func TestSecureStress(t *testing.T) {
	for _, d := range dressings {
		t.Run(fmt.Sprintf("client %v node %v %s", d.client, d.node, tls.VersionName(d.version)), func(t *testing.T) {
			engine := new(Engine)
			defer engine.Close()
			bytes := int64(24 << 20)
			if mib, err := strconv.Atoi(os.Getenv("POSTHOUSE_STRESS")); err == nil {
				bytes = int64(mib) << 20 / int64(len(dressings))
			}
			var moved, sessions atomic.Int64
			var crew sync.WaitGroup
			for worker := range uint64(8) {
				crew.Go(func() {
					random := mathrand.New(mathrand.NewPCG(worker, 2))
					for moved.Load() < bytes && !t.Failed() {
						s := newStress(random)
						s.dress = func(p *Pair, ends *[2]end) { dress(t, p, ends, d.client, d.node, d.version) }
						moved.Add(s.run(t, engine))
						sessions.Add(1)
					}
				})
			}
			crew.Wait()
			t.Logf("%d MiB in %d sessions", moved.Load()>>20, sessions.Load())
		})
	}
}

// What a reader does not take is held and bounded, and nothing of it is lost; the end comes behind it.
func TestSecureBackPressure(t *testing.T) {
	engine := new(Engine)
	defer engine.Close()
	var p Pair
	var ends [2]end
	result := make(chan Result, 1)
	ends[0], p.Client = connection(t)
	ends[1], p.Node = connection(t)
	dress(t, &p, &ends, true, false, tls.VersionTLS13)
	p.Owner = ending(func(r Result) { result <- r })
	s := engine.Start(p)
	content := noise[:4<<20]
	go func() {
		ends[1].Write(content)
		ends[1].CloseWrite()
	}()
	for began, last := time.Now(), int64(-1); ; time.Sleep(20 * time.Millisecond) { // until nothing moves
		f := s.Facts()
		if !f.Flushed && f.Down == last {
			break
		}
		last = f.Down
		if time.Since(began) > patience {
			t.Fatalf("the reader was never full: %+v", f)
		}
	}
	expectBounded(t, &s.(*pair).client)
	got, err := io.ReadAll(ends[0])
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes arrived, of %d: %v", len(got), len(content), err)
	}
	ends[0].CloseWrite()
	ends[0].Close()
	ends[1].Close()
	if r := <-result; r.Down != int64(len(content)) || r.End != NodeLeft {
		t.Errorf("result = %+v", r)
	}
}

// What TLS has read already, and what each side said before the relay, comes first.
func TestSecureFirst(t *testing.T) {
	engine := new(Engine)
	defer engine.Close()
	p := Pair{First: []byte("* OK\r\n"), Early: []byte("a ")}
	var ends [2]end
	result := make(chan Result, 1)
	ends[0], p.Client = connection(t)
	ends[1], p.Node = connection(t)
	dress(t, &p, &ends, true, true, tls.VersionTLS13)
	p.Owner = ending(func(r Result) { result <- r })
	io.WriteString(ends[0], "xNOOP\r\n")
	if n, err := p.ClientTLS.Read(make([]byte, 1)); n != 1 { // its record is inside now, and no event will tell of it
		t.Fatal(err)
	}
	s := engine.Start(p)
	for i, want := range []string{"* OK\r\n", "a NOOP\r\n"} {
		got := make([]byte, len(want))
		if _, err := io.ReadFull(ends[i], got); string(got) != want {
			t.Errorf("heard %q, %v, want %q", got, err, want)
		}
	}
	eventually(t, func() bool {
		f := s.Facts()
		return f.Up == 8 && f.Down == 6 && f.Flushed && f.LineEnded && !f.TLS
	})
	s.Close(Drained)
	for i := range ends { // both are told by close_notify
		if rest, err := io.ReadAll(ends[i]); err != nil || len(rest) > 0 {
			t.Errorf("heard %q, %v", rest, err)
		}
		ends[i].Close()
	}
	<-result
}

func eventually(t *testing.T, fact func() bool) {
	t.Helper()
	for began := time.Now(); !fact(); time.Sleep(time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatal("waited in vain")
		}
	}
}

// Where there is no loop nothing is taken.
func TestSecureWithoutLoops(t *testing.T) {
	engine := new(Engine)
	engine.Close()
	var p Pair
	var ends [2]end
	ends[0], p.Client = connection(t)
	ends[1], p.Node = connection(t)
	dress(t, &p, &ends, true, false, tls.VersionTLS13)
	if s := engine.Start(p); s != nil {
		t.Errorf("Start = %v", s)
	}
	go io.WriteString(ends[0], "still here")
	got := make([]byte, 10)
	if _, err := io.ReadFull(p.ClientTLS, got); err != nil {
		t.Error(err)
	}
	for _, c := range []io.Closer{ends[0], ends[1], p.Client, p.Node} {
		c.Close()
	}
}
