package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"posthouse/config"
)

// httpService turns the only service of a rig into http that is read here.
func httpService(s *config.Service) {
	s.Name, s.Protocol, s.Port = "http", config.HTTP, 80
}

// newHTTPRig is a rig with one http service.
func newHTTPRig(t testing.TB, change func(*config.Service), nodes ...*node) *rig {
	t.Helper()
	return newRig(t, func(s *config.Service) {
		httpService(s)
		if change != nil {
			change(s)
		}
	}, nodes...)
}

// newTimedRig is a rig with one http service whose clients may take so long.
func newTimedRig(t testing.TB, times httpTimes, nodes ...*node) *rig {
	t.Helper()
	r := &rig{t: t, log: new(logBuffer), topology: newTopology(httpService, nodes...), times: times}
	r.service = r.topology.Services[0]
	r.start()
	return r
}

// newPathRig is a rig with jmap, webdav and http on one address, each with a node of its own.
func newPathRig(t testing.TB, jmap, webdav, http *node) *rig {
	t.Helper()
	r := &rig{t: t, log: new(logBuffer), topology: newTopology(httpService, http)}
	r.service = r.topology.Services[0]
	for _, extra := range []struct {
		name  string
		paths []string
		node  *node
	}{
		{"jmap", []string{"/jmap", "/.well-known/jmap"}, jmap},
		{"webdav", []string{"/dav", "/.well-known/caldav", "/.well-known/carddav"}, webdav},
	} {
		s := *r.service
		s.Name, s.Paths = extra.name, extra.paths
		r.topology.Services = append(r.topology.Services, &s)
		r.topology.Nodes = append(r.topology.Nodes, &config.Node{
			Name: extra.name + "-node", Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Region: "r0",
			Services: []string{extra.name}, Weight: 1, Ports: map[string]uint16{extra.name: extra.node.port},
		})
	}
	r.start()
	return r
}

// handler is a node of net/http.
func handler(t testing.TB, h http.HandlerFunc) *node {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = nil
	s.Start()
	t.Cleanup(s.Close)
	address := s.Listener.Addr().(*net.TCPAddr)
	return &node{port: uint16(address.Port)}
}

// named is a node that says who it is and what it was asked.
func named(t testing.TB, name string) *node {
	return handler(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s %s %s", name, r.Method, r.RequestURI)
	})
}

// answers is a script that answers each request of a connection with the next of some texts, and closes behind the last one. What it was
// asked goes to heads.
func answers(heads chan<- string, texts ...string) script {
	return func(c *net.TCPConn) {
		r := bufio.NewReader(c)
		for _, text := range texts {
			head, ok := readHead(r)
			if !ok {
				return
			}
			if heads != nil {
				heads <- head
			}
			io.WriteString(c, text)
		}
	}
}

// readHead reads a head, and a body with a length.
func readHead(r *bufio.Reader) (string, bool) {
	var b strings.Builder
	length := 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return b.String(), false
		}
		b.WriteString(line)
		fmt.Sscanf(strings.ToLower(line), "content-length: %d", &length)
		if line == "\r\n" {
			break
		}
	}
	body := make([]byte, length)
	_, err := io.ReadFull(r, body)
	return b.String() + string(body), err == nil
}

// answered is a whole response of a node.
func answered(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// url is where the rig listens.
func (r *rig) url(path string) string { return "http://" + r.address(r.service.Name).String() + path }

// browser is a client of net/http.
func browser(t testing.TB) *http.Client {
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// response reads a response to a request with a method.
func (p *peer) response(method string) (*http.Response, string) {
	p.t.Helper()
	res, err := http.ReadResponse(p.r, &http.Request{Method: method})
	if err != nil {
		p.t.Fatalf("response: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatalf("body: %v", err)
	}
	return res, string(body)
}

// ask sends a head and a body, and reads the response.
func (p *peer) ask(request string) (*http.Response, string) {
	p.t.Helper()
	p.say(request)
	method, _, _ := strings.Cut(request, " ")
	return p.response(method)
}

const hostField = "Host: mail.example.org\r\n"

func get(path string) string { return "GET " + path + " HTTP/1.1\r\n" + hostField + "\r\n" }
