package e2e

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// A keeper is a client that keeps one connection for all its requests and repeats none, so that every failure counts.
// The clients of net/http repeat by themselves.
type keeper struct {
	conn     net.Conn
	read     *bufio.Reader
	answered int
	node     string // who answered last
}

// keep connects to the balancer.
func keep(y webTopology, trust *tls.Config) (*keeper, error) {
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(strings.TrimPrefix(y.base(), "https://"), "http://"), patience)
	if err != nil {
		return nil, err
	}
	if scheme(y.frontPort()) == "https" {
		conn = tls.Client(conn, trust)
	}
	return &keeper{conn: conn, read: bufio.NewReader(conn)}, nil
}

// ask sends a request without a body and takes the whole answer. An answer that ends the connection is an error.
func (k *keeper) ask(method, path, want string) error {
	k.conn.SetDeadline(time.Now().Add(patience))
	request, err := http.NewRequest(method, path, nil)
	if err != nil {
		return err
	}
	request.Host = name
	request.SetBasicAuth("u1", "secret")
	if err := request.Write(k.conn); err != nil {
		return fmt.Errorf("%s %s, the %d.: %w", method, path, k.answered+1, err)
	}
	answer, err := http.ReadResponse(k.read, request)
	if err != nil {
		return fmt.Errorf("%s %s, the %d.: %w", method, path, k.answered+1, err)
	}
	body, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return fmt.Errorf("%s %s, the %d.: in the body: %w", method, path, k.answered+1, err)
	case answer.Status != want:
		return fmt.Errorf("%s %s, the %d.: %s, want %s: %q", method, path, k.answered+1, answer.Status, want, body)
	case answer.Close:
		return fmt.Errorf("%s %s, the %d.: the answer ends the connection", method, path, k.answered+1)
	}
	k.answered++
	k.node = answer.Header.Get("X-Node")
	return nil
}

// asked is what the load asks in turn, and the answer: all of it may be done twice.
var asked = [][3]string{
	{"GET", "/dav/u1/load", "200 OK"}, {"HEAD", "/dav/u1/load", "200 OK"}, {"OPTIONS", "/dav/u1/", "200 OK"},
	{"GET", "/dav/u1/none", "404 Not Found"}, {"PROPFIND", "/dav/u1/load", "207 Multi-Status"},
}

// keepers are many of them.
type keepers struct {
	ending  chan struct{}
	members sync.WaitGroup

	mu       sync.Mutex // guards the following
	answered int
	by       map[string]int // answers of each node
	failed   []error
}

// keepAlive begins n clients, each with a request every pace over its one connection, and returns when all have had an answer.
func keepAlive(t *testing.T, y webTopology, n int, pace time.Duration) *keepers {
	t.Helper()
	if _, err := curlHTTP("--fail", "--data-binary", "under load", "--request", "PUT", y.base()+"/dav/u1/load"); err != nil {
		t.Fatal(err)
	}
	l := &keepers{ending: make(chan struct{}), by: make(map[string]int)}
	trust := trusted(t)
	for i := range n {
		l.members.Go(func() {
			if err := l.stay(i, y, trust, pace); err != nil {
				l.mu.Lock()
				l.failed = append(l.failed, fmt.Errorf("client %d: %w", i, err))
				l.mu.Unlock()
			}
		})
	}
	t.Cleanup(func() { l.leave() })
	l.after(t, 2*n)
	return l
}

// stay is one client until ending is closed.
func (l *keepers) stay(i int, y webTopology, trust *tls.Config, pace time.Duration) error {
	k, err := keep(y, trust)
	if err != nil {
		return err
	}
	defer k.conn.Close()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for ; ; i++ {
		a := asked[i%len(asked)]
		if err := k.ask(a[0], a[1], a[2]); err != nil {
			return err
		}
		l.mu.Lock()
		l.answered++
		l.by[k.node]++
		l.mu.Unlock()
		select {
		case <-l.ending:
			return nil
		case <-tick.C:
		}
	}
}

// after waits for n more answers.
func (l *keepers) after(t *testing.T, n int) {
	t.Helper()
	count := func() (int, int) { l.mu.Lock(); defer l.mu.Unlock(); return l.answered, len(l.failed) }
	begin, _ := count()
	eventually(t, 30*time.Second, "answers", func() error {
		if now, failed := count(); now < begin+n && failed == 0 {
			return fmt.Errorf("%d of %d", now-begin, n)
		}
		return nil
	})
}

// answersOf is how much a node has answered.
func (l *keepers) answersOf(node string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.by[node]
}

// leave ends all of them and says how many answers there were, and what failed.
func (l *keepers) leave() (answered int, failed error) {
	select {
	case <-l.ending:
	default:
		close(l.ending)
	}
	l.members.Wait()
	return l.answered, errors.Join(l.failed[:min(len(l.failed), 10)]...)
}
