package healthcheck

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posthouse/config"
	"posthouse/mailtest"
)

// The nodes of the benchmarks are one child process, so that getrusage counts our side alone. It listens on every
// address of 127/8; the ports lie below those that connects are given.
const (
	benchPort = 17000 // and the standard port on top
	childMark = "POSTHOUSE_BENCH_NODES"
)

func TestMain(m *testing.M) {
	if os.Getenv(childMark) != "" {
		serveBenchNodes()
		return
	}
	goleak.VerifyTestMain(m)
}

// BenchmarkProbe is the cost of one probe to us: go test -bench Probe -benchmem ./healthcheck
func BenchmarkProbe(b *testing.B) {
	startBenchNodes(b)
	for _, c := range []struct {
		name     string
		protocol config.Protocol
		port     uint16
		level    config.Level
		tls      bool
		between  bool
	}{
		{name: "plain-connect", protocol: config.IMAP, port: 993, level: config.LevelProtocol, tls: true, between: true},
		{name: "smtp", protocol: config.SMTP, port: 25, level: config.LevelProtocol},
		{name: "sieve", protocol: config.Sieve, port: 4190, level: config.LevelProtocol},
		{name: "tls", protocol: config.HTTP, port: 443, level: config.LevelTLS, tls: true},
		{name: "http", protocol: config.HTTP, port: 8080, level: config.LevelProtocol},
		{name: "http-in-tls", protocol: config.HTTP, port: 443, level: config.LevelProtocol, tls: true},
		{name: "imap-in-tls", protocol: config.IMAP, port: 993, level: config.LevelProtocol, tls: true},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := &spec{protocol: c.protocol, level: c.level, tls: c.tls, port: benchPort + c.port, name: "mail.example.org", sni: "mail.example.org", timeout: 3 * time.Second, proxy: config.ProxyV2, ask: ask{"GET", jmapPath}, strict: true}
			b.ReportAllocs()
			before := cpuTime()
			for i := 0; b.Loop(); i++ {
				a := netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)})
				if o := (job{spec: s, addrs: []netip.Addr{a}, whole: !c.between}).run(b.Context()); !o.good() {
					b.Fatal(o.failure.reason, o.transcript)
				}
			}
			b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/1e3/float64(b.N), "cpu-µs/probe")
		})
	}
}

// BenchmarkFleet probes 1,024 nodes with the 8 services that a node runs by default, every 5 s, and reports the share
// of a core that it takes in four intervals, and the memory: go test -bench Fleet -benchtime 1x ./healthcheck
func BenchmarkFleet(b *testing.B) {
	for _, c := range []struct {
		tls  config.TLSMode
		port int
	}{{config.Passthrough, 443}, {config.Reencrypt, 443}, {config.TLSNone, 8080}} {
		b.Run("http-"+string(c.tls), func(b *testing.B) { benchFleet(b, c.tls, c.port) })
	}
}

func benchFleet(b *testing.B, mode config.TLSMode, port int) {
	authority := startBenchNodes(b)
	yaml := "cluster: mail.example.org\ndefaults: {proxy_protocol: v2}\nservices:\n"
	for name, port := range map[string]int{"smtp": 25, "submissions": 465, "imaps": 993, "pop3s": 995, "sieve": 4190} {
		yaml += fmt.Sprintf("  %s: {port: %d}\n", name, benchPort+port)
	}
	for _, name := range []string{"jmap", "webdav", "http"} {
		yaml += fmt.Sprintf("  %s: {tls: %s, port: %d}\n", name, mode, benchPort+port)
	}
	yaml += "nodes: [{name: \"node-[0001-1024]\", address: 127.1.1.1+}]\n"
	if mode == config.Reencrypt {
		yaml += fmt.Sprintf("tls: {node_ca: %s, certificates: [{cert: %[1]s, key: %[1]s}]}\n", authority)
	}
	for b.Loop() {
		bench := newBench(topology(b, yaml), nil)
		b.ReportMetric(memoryMiB(b), "RSS-MiB-before")
		began := cpuTime()
		stop := bench.start()
		time.Sleep(10 * time.Second)
		b.ReportMetric((cpuTime() - began).Seconds(), "cpu-s-in-first-10s")
		before, from := cpuTime(), time.Now()
		time.Sleep(20 * time.Second)
		b.ReportMetric(100*(cpuTime()-before).Seconds()/time.Since(from).Seconds(), "core-%")
		b.ReportMetric(memoryMiB(b), "RSS-MiB")
		stop()
		up := 0
		for _, h := range bench.health {
			if h.State == config.Up {
				up++
			}
		}
		b.ReportMetric(float64(up), "up")
	}
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// memoryMiB is the peak of what the process held, a test binary of about 15 MiB included.
func memoryMiB(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip(err)
	}
	var kib float64
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmHWM:") {
			fmt.Sscanf(line, "VmHWM: %f kB", &kib)
		}
	}
	return kib / 1024
}

// startBenchNodes returns the file of the authority that signs their certificates.
func startBenchNodes(b *testing.B) (authority string) {
	ca, err := mailtest.NewCA()
	if err != nil {
		b.Fatal(err)
	}
	cert, err := ca.Issue("mail.example.org")
	if err != nil {
		b.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	authority = filepath.Join(dir, "ca.pem")
	pair := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	for _, der := range cert.Certificate {
		pair = append(pair, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	if err := errors.Join(os.WriteFile(authority, ca.PEM(), 0o600), os.WriteFile(filepath.Join(dir, "pair.pem"), pair, 0o600)); err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), os.Args[0])
	cmd.Env = append(os.Environ(), childMark+"="+filepath.Join(dir, "pair.pem"))
	in, err := cmd.StdinPipe() // its end ends the child, however we end
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		b.Fatalf("the nodes said %q, %v", line, err)
	}
	return authority
}

func serveBenchNodes() {
	for port, serve := range map[int]func(net.Conn){25: smtpNode, 465: inTLS(smtpNode), 993: inTLS(imapNode), 995: inTLS(pop3Node), 4190: sieveNode, 443: inTLS(httpNode), 8080: httpNode} {
		l, err := net.Listen("tcp4", fmt.Sprintf(":%d", benchPort+port))
		if err != nil {
			fmt.Println(err)
			return
		}
		go acceptBench(l, serve)
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
}

func acceptBench(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			c.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.ReadFull(c, make([]byte, 16)); err == nil { // the PROXY header
				serve(c)
			}
		}()
	}
}

func inTLS(serve func(net.Conn)) func(net.Conn) {
	pair, err := tls.LoadX509KeyPair(os.Getenv(childMark), os.Getenv(childMark))
	if err != nil {
		panic(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}
	return func(c net.Conn) {
		secure := tls.Server(c, config)
		if secure.Handshake() == nil {
			serve(secure)
		}
		secure.CloseWrite()
	}
}

// answers is a node that greets, and answers lines that begin so.
func answers(c net.Conn, greeting string, replies ...string) {
	io.WriteString(c, greeting)
	in := bufio.NewReader(c)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		for i := 0; i < len(replies); i += 2 {
			if strings.HasPrefix(line, replies[i]) {
				io.WriteString(c, replies[i+1])
				if i == len(replies)-2 {
					return
				}
			}
		}
	}
}

func smtpNode(c net.Conn) {
	answers(c, "220 node.example.org ESMTP Postfix (Debian)\r\n",
		"EHLO", "250-node.example.org\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-ETRN\r\n250-STARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250 CHUNKING\r\n",
		"QUIT", "221 2.0.0 Bye\r\n")
}

func imapNode(c net.Conn) {
	answers(c, "* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN] Dovecot (Debian) ready.\r\n",
		"p1", "* CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN\r\np1 OK done\r\n",
		"p2", "* BYE Logging out\r\np2 OK Logout completed.\r\n")
}

func pop3Node(c net.Conn) {
	answers(c, "+OK Dovecot (Debian) ready.\r\n", "CAPA", "+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nUSER\r\nSASL PLAIN\r\n.\r\n", "QUIT", "+OK Logging out\r\n")
}

func sieveNode(c net.Conn) {
	answers(c, "\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"\r\n\"SIEVE\" \"fileinto reject envelope encoded-character vacation subaddress\"\r\n\"SASL\" \"PLAIN\"\r\n\"VERSION\" \"1.0\"\r\nOK \"ready\"\r\n",
		"LOGOUT", "OK \"Logout completed.\"\r\n")
}

// httpNode answers as Stalwart does to a client that has not logged in.
func httpNode(c net.Conn) {
	request, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return
	}
	answer := "HTTP/1.1 307 Temporary Redirect\r\nlocation: /jmap/session\r\ncache-control: no-store\r\n"
	if request.Method == "OPTIONS" {
		answer = "HTTP/1.1 200 OK\r\ndav: 1, 2, 3, access-control, extended-mkcol, calendar-access, calendar-no-timezone, addressbook\r\nallow: OPTIONS, GET, HEAD\r\n"
	}
	io.WriteString(c, answer+"server: Stalwart\r\nconnection: close\r\ncontent-length: 0\r\ndate: Mon, 23 Nov 2026 23:59:21 GMT\r\n\r\n")
}
