package mailtest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	pires "github.com/pires/go-proxyproto"
	"golang.org/x/net/websocket"

	"posthouse/config"
)

// browser is an HTTP client that knows anna's password.
type browser struct {
	t      testing.TB
	base   string
	client *http.Client
}

func browsing(t testing.TB, n *Node, service string, config *tls.Config) *browser {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)
	scheme := "http"
	if services[service].implicitTLS {
		scheme = "https"
	}
	noRedirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{t, scheme + "://" + n.Addr(service).String(), &http.Client{Transport: transport, CheckRedirect: noRedirect}}
}

// do sends a request as anna; header lines are "Name: value".
func (b *browser) do(method, path string, body io.Reader, header ...string) *http.Response {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	r.SetBasicAuth("anna", "secret")
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	response, err := b.client.Do(r)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	b.t.Cleanup(func() { response.Body.Close() })
	return response
}

// text does and reads all of the answer.
func (b *browser) text(method, path, body string, header ...string) (status int, text string) {
	b.t.Helper()
	response := b.do(method, path, strings.NewReader(body), header...)
	all, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	return response.StatusCode, string(all)
}

func TestHTTPAnswers(t *testing.T) {
	node, config := started(t, config.ProxyNone)
	for _, service := range []string{"jmap", "jmap-plain"} {
		b := browsing(t, node, service, config)
		for _, row := range []struct {
			method, path, body string
			status             int
			contains           string
		}{
			{"GET", "/.well-known/jmap", "", 200, b.base + "/jmap/upload/{accountId}/"},
			{"GET", "/jmap/session", "", 200, `"anna"`},
			{"POST", "/jmap/", `{"using":[],"methodCalls":[["Core/echo",{"a":1},"x"]]}`, 200, `["Core/echo",{"a":1},"x"]`},
			{"POST", "/jmap", `{"methodCalls":[["Mailbox/get",{"accountId":"anna"},"x"]]}`, 200, `"totalEmails":2`},
			{"POST", "/jmap/", `{"methodCalls":[["Mailbox/get",{"accountId":"bert"},"x"]]}`, 200, "accountNotFound"},
			{"POST", "/jmap/", `{"methodCalls":[["Email/set",{},"x"]]}`, 200, "unknownMethod"},
			{"POST", "/jmap/", "what", 400, "notRequest"},
			{"GET", "/jmap/", "", 405, ""},
			{"GET", "/jmap/other", "", 404, ""},
			{"GET", "/jmapper", "", 404, ""},
			{"GET", "/jmap/download/anna/b10/name", "", 200, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09"},
			{"HEAD", "/jmap/download/anna/b10/name", "", 200, ""},
			{"GET", "/jmap/download/bert/b10/name", "", 404, ""},
			{"GET", "/jmap/download/anna/b-1/name", "", 404, ""},
			{"PUT", "/jmap/upload/anna/", "x", 405, ""},
			{"GET", "/", "", 404, ""},
			{"GET", "/api/seen", "", 200, `"node":"eu-1"`},
			{"GET", "/.well-known/caldav", "", 307, ""},
			{"OPTIONS", "/dav/", "", 204, ""},
		} {
			response := b.do(row.method, row.path, strings.NewReader(row.body))
			text, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != row.status || !strings.Contains(string(text), row.contains) {
				t.Errorf("%s %s = %d %q %v, want %d %s", row.method, row.path, response.StatusCode, text, err, row.status, row.contains)
			}
			if got := response.Header.Get(NodeHeader); got != "eu-1" {
				t.Errorf("%s %s by %q", row.method, row.path, got)
			}
		}
	}
}

func TestHTTPWantsALogin(t *testing.T) {
	node, config := started(t, config.ProxyNone)
	b := browsing(t, node, "jmap", config)
	for _, path := range []string{"/.well-known/jmap", "/jmap/", "/jmap/ws", "/jmap/eventsource/", "/dav/file/anna/"} {
		if status, _ := b.text("GET", path, "", "Authorization: Basic YW5uYTp3cm9uZw=="); status != http.StatusUnauthorized {
			t.Errorf("GET %s with a wrong password = %d", path, status)
		}
	}
	response := b.do("OPTIONS", "/dav/cal/", nil, "Authorization: ")
	if dav := response.Header.Get("DAV"); !strings.Contains(dav, "calendar-access") {
		t.Errorf("OPTIONS without login: DAV %q", dav)
	}
}

// TestHTTPServicesOfANode: what a node does not run is not there, whether its ports are shared or not.
func TestHTTPServicesOfANode(t *testing.T) {
	node := &Node{Name: "eu-1", Address: map[string]string{"jmap-plain": "127.0.0.1:0", "webdav-plain": "127.0.0.2:0"}}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	defer node.Kill()
	for _, row := range []struct {
		service, path string
		status        int
	}{
		{"jmap-plain", "/jmap/api/seen", 200}, {"jmap-plain", "/dav/api/seen", 404}, {"jmap-plain", "/api/seen", 404},
		{"webdav-plain", "/dav/api/seen", 200}, {"webdav-plain", "/jmap/api/seen", 404},
	} {
		if status, _ := browsing(t, node, row.service, nil).text("GET", row.path, ""); status != row.status {
			t.Errorf("%s on the port of %s = %d, want %d", row.path, row.service, status, row.status)
		}
	}
	if err := (&Node{Name: "x", Address: map[string]string{"jmap": "127.0.0.1:0"}}).Start(); err == nil {
		t.Error("jmap without a TLS configuration: no error")
	}
}

// TestHTTPSharesAPort: the three services of a node are on one port, with TLS and without.
func TestHTTPSharesAPort(t *testing.T) {
	node, _ := started(t, config.ProxyNone)
	for _, suffix := range []string{"", plainSuffix} {
		first := node.Addr("jmap" + suffix)
		if a, b := node.Addr("webdav"+suffix), node.Addr("http"+suffix); a != first || b != first {
			t.Errorf("ports %v %v %v", first, a, b)
		}
	}
	if node.Addr("jmap") == node.Addr("jmap-plain") {
		t.Error("one port with TLS and without it")
	}
}

func TestHTTPSeen(t *testing.T) {
	node, tlsConfig := started(t, config.ProxyNone)
	b := browsing(t, node, "http", tlsConfig)
	var seen [2]Request
	for i := range seen {
		_, text := b.text("REPORT", "/dav/x/%2e%2E//api/seen?a=%20b", "", "X-Mine: yes")
		if err := json.Unmarshal([]byte(text), &seen[i]); err != nil {
			t.Fatal(err)
		}
	}
	s := seen[0]
	if s.Method != "REPORT" || s.Target != "/dav/x/%2e%2E//api/seen?a=%20b" || s.Header.Get("X-Mine") != "yes" || s.Service != "webdav" ||
		s.TLS == nil || s.TLS.ServerName != "mail.example.org" || s.Client != s.Peer || s.Proxy != nil || s.Connection != seen[1].Connection {
		t.Errorf("seen %+v", seen)
	}
}

func TestHTTPBehindProxyV2(t *testing.T) {
	node, tlsConfig := started(t, config.ProxyV2)
	for _, service := range []string{"http", "http-plain"} {
		header := pires.HeaderProxyFromAddrs(2, &net.TCPAddr{IP: net.IP{192, 0, 2, 7}, Port: 4711}, &net.TCPAddr{IP: net.IP{192, 0, 2, 1}, Port: 443})
		header.SetTLVs([]pires.TLV{{Type: pires.PP2_TYPE_AUTHORITY, Value: []byte("mail.example.org")}, {Type: pires.PP2_TYPE_UNIQUE_ID, Value: []byte{1, 255}}})
		dial := func(context.Context, string, string) (net.Conn, error) {
			c, err := net.Dial("tcp", node.Addr(service).String())
			if err == nil {
				_, err = header.WriteTo(c)
			}
			return c, err
		}
		b := browsing(t, node, service, tlsConfig)
		b.client.Transport.(*http.Transport).DialContext = dial
		var seen Request
		if _, text := b.text("GET", "/api/seen", ""); json.Unmarshal([]byte(text), &seen) != nil {
			t.Fatalf("%s: %s", service, text)
		}
		if seen.Client.String() != "192.0.2.7:4711" || seen.Peer.Addr().String() != "127.0.0.1" || seen.Proxy == nil ||
			seen.Proxy.SNI != "mail.example.org" || seen.Proxy.UniqueID != "01ff" {
			t.Errorf("%s: seen %+v %+v", service, seen, seen.Proxy)
		}
	}
}

func TestUploadStreams(t *testing.T) {
	node, config := started(t, config.ProxyNone)
	b := browsing(t, node, "jmap", config)
	const size = 3 << 20
	r, w := io.Pipe()
	answers := make(chan string, 1)
	go func() {
		_, text := b.text("POST", "/jmap/upload/anna/", "")
		answers <- text
	}()
	<-answers // an empty one first, so that the connection is warm
	go func() {
		response := b.do("POST", "/jmap/upload/anna/", r)
		text, _ := io.ReadAll(response.Body)
		answers <- string(text)
	}()
	half := io.LimitReader(Pattern(size), size/2)
	io.Copy(w, half)
	eventually(t, "the first half is there before the second is sent", func() bool { return node.Received() == size/2 })
	rest := Pattern(size)
	io.CopyN(io.Discard, rest, size/2)
	io.Copy(w, rest)
	w.Close()
	want, err := BlobID(Pattern(size))
	if text := <-answers; err != nil || !strings.Contains(text, fmt.Sprintf(`"blobId":%q`, want)) {
		t.Errorf("upload = %s, want blob %s", text, want)
	}
	response := b.do("GET", "/jmap/download/anna/"+want+"/x", nil)
	got, err := BlobID(response.Body)
	if err != nil || got != want || response.ContentLength != size {
		t.Errorf("download = %s, %v, want %s", got, err, want)
	}
	eventually(t, "all of it is counted", func() bool { return node.Sent() == size })
}

func TestEventSource(t *testing.T) {
	node, config := started(t, config.ProxyNone)
	b := browsing(t, node, "jmap", config)
	lines := bufio.NewScanner(b.do("GET", "/jmap/eventsource/?types=*&closeafter=no&ping=0.01", nil).Body)
	var got []string
	for len(got) < 3 && lines.Scan() {
		if event, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			got = append(got, event)
		}
	}
	if want := "[state ping ping]"; fmt.Sprint(got) != want {
		t.Errorf("events %v, want %s", got, want)
	}
	if _, text := b.text("GET", "/jmap/eventsource/?closeafter=state&ping=0", ""); strings.Count(text, "event:") != 1 {
		t.Errorf("closeafter=state gave %q", text)
	}
	node.Kill()
	for lines.Scan() {
	}
}

func TestWebSocketEchoes(t *testing.T) {
	node, config := started(t, config.ProxyNone)
	dial, err := websocket.NewConfig(strings.Replace("https://"+node.Addr("jmap").String(), "http", "ws", 1)+"/jmap/ws", "https://mail.example.org")
	if err != nil {
		t.Fatal(err)
	}
	dial.TlsConfig, dial.Protocol = config, []string{"jmap"}
	dial.Header = http.Header{"Authorization": {"Basic YW5uYTpzZWNyZXQ="}}
	ws, err := dial.DialContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	ws.SetDeadline(time.Now().Add(10 * time.Second))
	for _, f := range []frame{
		{websocket.TextFrame, []byte("hello")}, {websocket.BinaryFrame, []byte{0, 255}}, {websocket.TextFrame, bytes.Repeat([]byte("x"), 70_000)},
	} {
		var got frame
		if err := frames.Send(ws, f); err != nil {
			t.Fatal(err)
		}
		if err := frames.Receive(ws, &got); err != nil || got.kind != f.kind || !bytes.Equal(got.data, f.data) {
			t.Errorf("%d bytes of type %d came back as %d of type %d, %v", len(f.data), f.kind, len(got.data), got.kind, err)
		}
	}
	if protocols := ws.Config().Protocol; len(protocols) != 1 || protocols[0] != "jmap" {
		t.Errorf("subprotocol %v", protocols)
	}
	node.Kill()
	var f frame
	if err := frames.Receive(ws, &f); err == nil {
		t.Error("the socket outlives its node")
	}
}

// TestHTTPFreezes: a frozen node answers nobody, and all once it is thawed.
func TestHTTPFreezes(t *testing.T) {
	node, config := started(t, config.ProxyNone)
	b := browsing(t, node, "http", config)
	b.text("GET", "/api/seen", "")
	node.Freeze()
	done := make(chan int, 1)
	go func() {
		status, _ := b.text("GET", "/api/seen", "")
		done <- status
	}()
	timeout := time.NewTimer(50 * time.Millisecond)
	defer timeout.Stop()
	select {
	case status := <-done:
		t.Errorf("a frozen node answered %d", status)
	case <-timeout.C:
	}
	node.Thaw()
	if status := <-done; status != http.StatusOK {
		t.Errorf("thawed: %d", status)
	}
}

func TestPEMPairLoads(t *testing.T) {
	ca, err := NewCA()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue("mail.example.org")
	if err != nil {
		t.Fatal(err)
	}
	chain, key, err := PEMPair(cert)
	if err != nil {
		t.Fatal(err)
	}
	if pair, err := tls.X509KeyPair(chain, key); err != nil || len(pair.Certificate) != 2 {
		t.Errorf("the pair has %d certificates, %v", len(pair.Certificate), err)
	}
}
