package e2e

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// An attempt is what one client of the load saw of its session.
type attempt struct {
	service string
	began   time.Time
	heard   time.Duration // from its connect to the first byte from the other side; 0: it heard nothing
	node    string        // who greeted it; "" if nobody did
	ended   time.Time
	err     error // anything but the session that it wanted
}

// A script is one polite session: what the greeting begins with, then commands and how the last line of their
// answers begins.
type script struct {
	tls      bool
	greeting string
	steps    [][2]string
}

var scripts = map[string]script{
	"imap":        {false, "* OK ", imapSteps},
	"imaps":       {true, "* OK ", imapSteps},
	"pop3":        {false, "+OK ", pop3Steps},
	"pop3s":       {true, "+OK ", pop3Steps},
	"sieve":       {false, "OK ", [][2]string{{"NOOP", "OK"}, {"LOGOUT", "OK"}}},
	"lmtp":        {false, "220 ", [][2]string{{"LHLO load.example.test", "250 "}, {"QUIT", "221 "}}},
	"smtp":        {false, "220 ", smtpSteps},
	"submission":  {false, "220 ", smtpSteps},
	"submissions": {true, "220 ", smtpSteps},
}

var (
	imapSteps = [][2]string{{"a NOOP", "a OK"}, {"b LOGOUT", "b OK"}}
	pop3Steps = [][2]string{{"CAPA", "."}, {"QUIT", "+OK"}}
	smtpSteps = [][2]string{{"EHLO load.example.test", "250 "}, {"NOOP", "250 "}, {"QUIT", "221 "}}
)

// patience is how long a client of the load waits for anything: longer than whatever the balancer may need.
const patience = 20 * time.Second

// greeter finds the node in a greeting; all of them say "<instance> ready".
var greeter = regexp.MustCompile(`\b([dp][1-3]) ready`)

// try is one session from begin to end.
func try(service string, trust *tls.Config) attempt {
	a := attempt{service: service, began: time.Now()}
	a.err = a.play(scripts[service], trust)
	a.ended = time.Now()
	return a
}

func (a *attempt) play(s script, trust *tls.Config) error {
	raw, err := net.DialTimeout("tcp", at(a.service), patience)
	if err != nil {
		return err
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(patience))
	conn := net.Conn(&listening{Conn: raw, attempt: a})
	if s.tls {
		conn = tls.Client(conn, trust)
	}
	c := bufio.NewReader(conn)
	greeting, err := until(c, s.greeting)
	if err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	found := greeter.FindStringSubmatch(greeting)
	if found == nil {
		return fmt.Errorf("greeting %q", greeting)
	}
	a.node = found[1]
	for _, step := range s.steps {
		if _, err := fmt.Fprintf(conn, "%s\r\n", step[0]); err != nil {
			return err
		}
		if _, err := until(c, step[1]); err != nil {
			return fmt.Errorf("%s: %w", step[0], err)
		}
	}
	return nil
}

// until reads lines to the one that begins so. What begins like a refusal ends it at once.
func until(c *bufio.Reader, prefix string) (string, error) {
	for {
		line, err := c.ReadString('\n')
		switch {
		case err != nil:
			return "", fmt.Errorf("after %q: %w", line, err)
		case strings.HasPrefix(line, prefix):
			return line, nil
		case refusal.MatchString(line):
			return "", fmt.Errorf("refused: %q", line)
		}
	}
}

// refusal is how the protocols begin to say no. IMAP's BYE also follows a LOGOUT, so only one with words of a refusal.
var refusal = regexp.MustCompile(`(?i)^([45]\d\d |-ERR|NO|BYE|\* BYE \[)|^\* BYE .*unavailable`)

// listening notes when the first byte comes.
type listening struct {
	net.Conn
	attempt *attempt
}

func (l *listening) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if n > 0 && l.attempt.heard == 0 {
		l.attempt.heard = time.Since(l.attempt.began)
	}
	return n, err
}

// load is clients that come at a steady pace, each as soon as its worker is free.
type load struct {
	stop    chan struct{}
	workers sync.WaitGroup

	mu       sync.Mutex // guards the following
	attempts []attempt
}

// startLoad lets each of workers begin a session of the next service every pace.
func startLoad(t *testing.T, workers int, pace time.Duration, services ...string) *load {
	t.Helper()
	l := &load{stop: make(chan struct{})}
	trust := trusted(t)
	for w := range workers {
		l.workers.Go(func() { l.work(w, pace, services, trust) })
	}
	t.Cleanup(func() { l.finish() })
	return l
}

func (l *load) work(n int, pace time.Duration, services []string, trust *tls.Config) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for ; ; n++ {
		select {
		case <-l.stop:
			return
		case <-tick.C:
		}
		a := try(services[n%len(services)], trust)
		l.mu.Lock()
		l.attempts = append(l.attempts, a)
		l.mu.Unlock()
	}
}

// finish ends the load and gives everything it saw.
func (l *load) finish() []attempt {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.workers.Wait()
	return l.attempts
}

// after waits until n more sessions have ended.
func (l *load) after(t *testing.T, n int) {
	t.Helper()
	count := func() int { l.mu.Lock(); defer l.mu.Unlock(); return len(l.attempts) }
	want := count() + n
	eventually(t, 30*time.Second, "load", func() error {
		if got := count(); got < want {
			return fmt.Errorf("%d of %d sessions", got, want)
		}
		return nil
	})
}

// trusted is TLS as a careful client does it.
func trusted(t *testing.T) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(servers.ca())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in " + servers.ca())
	}
	return &tls.Config{RootCAs: pool, ServerName: name}
}

// slowest is the attempt that waited longest for its first byte.
func slowest(all []attempt) attempt {
	if len(all) == 0 {
		return attempt{}
	}
	return slices.MaxFunc(all, func(a, b attempt) int { return cmp.Compare(a.heard, b.heard) })
}

// pick is the attempts that match.
func pick(all []attempt, match func(attempt) bool) []attempt {
	return slices.DeleteFunc(slices.Clone(all), func(a attempt) bool { return !match(a) })
}

func (a attempt) failed() bool { return a.err != nil }

func (a attempt) String() string {
	return fmt.Sprintf("%s at %s by %q, first byte after %v: %v", a.service, a.began.Format("15:04:05.000"), a.node, a.heard, a.err)
}
