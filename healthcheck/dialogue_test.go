package healthcheck

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"posthouse/config"
)

// TestDialogues plays the scripts of testdata against a probe: S: is what the node says, C: how what it hears must
// begin. Whatever happens, the node must see the connection end with FIN.
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogues: %v", err)
	}
	for _, name := range files {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			t.Run(filepath.Base(name)+"/"+f.Name, func(t *testing.T) {
				t.Parallel()
				playDialogue(t, strings.Split(strings.TrimRight(string(f.Data), "\n"), "\n"))
			})
		}
	}
}

func playDialogue(t *testing.T, lines []string) {
	first, script, want := lines[0], lines[1:len(lines)-1], lines[len(lines)-1]
	first, short := strings.CutSuffix(first, " within 1s")
	j := jobOf(t, first)
	if short || strings.Contains(want, "within 1s") {
		j.spec.timeout = time.Second // in which the node says what it does say, on a busy machine too
	}
	served := j
	node := startNode(t, func(c net.Conn) error { return play(c, served, script) })
	j.spec.port = node.addr.Port()
	j.addrs = []netip.Addr{node.addr.Addr()}
	o := j.run(context.Background())
	checkOutcome(t, o, want)
	if err := node.end(t); err != nil {
		t.Errorf("at the node: %v\ntranscript:\n%s", err, o.transcript)
	}
}

// jobOf reads a line such as `probe imap tls proxy=v2 between`.
func jobOf(t *testing.T, line string) job {
	words := strings.Fields(line)
	if len(words) < 2 || words[0] != "probe" {
		t.Fatalf("script begins with %q", line)
	}
	s := &spec{node: "node-1", protocol: config.Protocol(words[1]), level: config.LevelProtocol, name: "mail.example.org", sni: "mail.example.org", timeout: 10 * time.Second}
	if s.protocol == config.TCP {
		s.level = config.LevelTCP
	}
	j := job{spec: s, whole: true}
	for _, w := range words[2:] {
		switch w {
		case "tls":
			s.tls = true
		case "inside":
			s.inside = true
		case "proxy=v1":
			s.proxy = config.ProxyV1
		case "proxy=v2":
			s.proxy = config.ProxyV2
		case "balancer":
			s.front = true
		case "between":
			j.whole = false
		case "level=tls":
			s.level = config.LevelTLS
		case "level=tcp":
			s.level = config.LevelTCP
		case "starttls":
			j.starttls = true
		case "strict":
			s.strict = true
		default:
			method, path, asks := strings.Cut(w, ":")
			if !asks {
				t.Fatalf("unknown word %q", w)
			}
			s.ask = ask{method, path}
		}
	}
	return j
}

func checkOutcome(t *testing.T, o outcome, want string) {
	t.Helper()
	if reason, failed := strings.CutPrefix(want, "failed "); failed {
		if o.failure == nil || !strings.Contains(o.failure.reason, reason) {
			t.Errorf("outcome = %v, want %q\n%s", o.failure, reason, o.transcript)
		}
		if o.failure != nil && o.transcript == "" {
			t.Error("a failed probe has no transcript")
		}
		return
	}
	got := "good"
	if o.failure != nil {
		got = "failed " + o.failure.reason
	}
	if o.version != "" {
		got += " version=" + o.version
	}
	if len(o.capabilities) > 0 {
		got += " capabilities=" + strings.Join(o.capabilities, "|")
	}
	if o.undav {
		got += " undav"
	}
	if !o.expiry.IsZero() {
		got += " expiry"
	}
	if got != want {
		t.Errorf("outcome = %q, want %q\n%s", got, want, o.transcript)
	}
}

// play is the node's side of a script. It returns an error if the client deviates or ends with anything but FIN.
func play(raw net.Conn, j job, script []string) error {
	raw.SetDeadline(time.Now().Add(10 * time.Second))
	var c net.Conn = raw
	in := bufio.NewReader(c)
	bare := len(script) > 0 && (strings.HasPrefix(script[0], "raw") || script[0] == "hangup-raw")
	if err := takeHeader(in, j, script); err != nil {
		return err
	}
	if j.tls && !bare {
		secure := tls.Server(readFrom{in, c}, serverTLS())
		if err := secure.Handshake(); err != nil {
			return fmt.Errorf("handshake: %w", err)
		}
		c, in = secure, bufio.NewReader(secure)
	}
	for _, line := range script {
		if line == "TLS" {
			secure := tls.Server(readFrom{in, c}, serverTLS())
			c, in = secure, bufio.NewReader(secure)
			if err := secure.Handshake(); err != nil {
				return fmt.Errorf("handshake: %w", err)
			}
			continue
		}
		done, err := playLine(raw, c, in, line)
		if done || err != nil {
			return err
		}
	}
	return readToEnd(in, raw)
}

// takeHeader swallows the PROXY header where the script does not treat it as words of the protocol.
func takeHeader(in *bufio.Reader, j job, script []string) error {
	speaks := len(script) > 1 && script[0] != "V1" && script[0] != "V2" && strings.HasPrefix(script[1], "C: ") && !strings.Contains(script[1], "EHLO")
	switch {
	case j.proxy == config.ProxyV2 && !speaks:
		header := make([]byte, 16)
		if _, err := io.ReadFull(in, header); err != nil || !bytes.Equal(header, []byte("\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00")) {
			return fmt.Errorf("header = %q, %v", header, err)
		}
	case j.proxy == config.ProxyV1 && !speaks:
		if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, "PROXY TCP4 127.0.0.1 127.0.0.1 ") {
			return fmt.Errorf("header = %q, %v", line, err)
		}
	}
	return nil
}

func playLine(raw, c net.Conn, in *bufio.Reader, line string) (done bool, err error) {
	word, text, _ := strings.Cut(line, " ")
	switch word {
	case "S:":
		_, err = io.WriteString(c, text+"\r\n")
	case "S+":
		_, err = io.WriteString(c, text)
	case "raw":
		if text != "" {
			_, err = io.WriteString(raw, text+"\r\n")
		}
	case "FLOOD", "FLOODLINES": // without end, so the client must end it, by a reset if need be
		if word == "FLOODLINES" {
			text += "\r\n"
		}
		for err == nil {
			_, err = io.WriteString(c, text)
		}
		return true, nil
	case "C:":
		var said string
		if said, err = in.ReadString('\n'); err == nil && !strings.HasPrefix(said, text) {
			err = fmt.Errorf("heard %q, want %q", said, text)
		}
	case "PAUSE": // a slow node, which says one thing in two segments
		var pause time.Duration
		pause, err = time.ParseDuration(text)
		time.Sleep(pause)
	case "V1", "V2": // taken already
	case "hangup", "hangup-raw":
		return true, raw.Close()
	case "close":
		if half, ok := c.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
		raw.(*net.TCPConn).CloseWrite()
		return true, readToEnd(in, raw)
	default:
		err = fmt.Errorf("unknown line %q", line)
	}
	return false, err
}

// readToEnd wants the end of the stream, and no reset.
func readToEnd(in io.Reader, raw net.Conn) error {
	if _, err := io.Copy(io.Discard, in); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the connection ended with: %w", err)
	}
	if _, err := io.Copy(io.Discard, raw); err != nil {
		return fmt.Errorf("the connection ended with: %w", err)
	}
	return nil
}

// readFrom is a connection of which some bytes are in a buffer already.
type readFrom struct {
	in io.Reader
	net.Conn
}

func (c readFrom) Read(b []byte) (int, error) { return c.in.Read(b) }

// node is a scripted server.
type node struct {
	addr  netip.AddrPort
	ended chan error
}

// startNode serves connections one by one with the given script.
func startNode(t testing.TB, serve func(net.Conn) error) *node {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &node{addr: l.Addr().(*net.TCPAddr).AddrPort(), ended: make(chan error, 10)}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				err := serve(c)
				select {
				case n.ended <- err:
				default: // more than anybody waits for
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return n
}

// end waits for the end of a connection at the node's side.
func (n *node) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-n.ended:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("the node's side does not end")
		return nil
	}
}

// serverTLS is for nodes whose certificate nobody could verify.
var serverTLS = sync.OnceValue(func() *tls.Config {
	return certificateUntil(time.Now().Add(90 * 24 * time.Hour))
})

func certificateUntil(end time.Time) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-365 * 24 * time.Hour), NotAfter: end, DNSNames: []string{"other.example"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}
