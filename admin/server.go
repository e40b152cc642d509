// Package admin is the HTTP API that operators and their tools ask: health, metrics, what the balancer knows, and what is
// changed at run time.
//
// A Server reads from the routing table in effect and never waits for it. Marks go to the Router; drains, kills and denials to
// the sessions' side, by the funcs that it is given. What was set is kept in state_dir (state.go). Events are taken from the log
// (events.go). Prepare and Commit move the Server to another address during a reload, Run ends it. Answers are JSON; errors are problem
// details (RFC 9457).
package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/config"
	"posthouse/routing"
)

// Server is the admin API of one balancer. Its fields are set before the first call and not changed after it.
type Server struct {
	Router  *routing.Router
	Metrics prometheus.Gatherer
	Log     *slog.Logger // whose events Events keeps
	Events  *Events
	Version string
	Waiting func() string // why clients may not be sent here yet, "" if they may; nil: there is nothing to wait for

	// The side of the sessions. None of these blocks but Drain, which returns when its sessions are gone or ctx ends.
	List  func(f Filter, after string, limit int) (page []Session, all int)
	Kill  func(Filter) int
	Deny  func([]Denial)
	Drain func(ctx context.Context, s routing.Subject, within time.Duration, tell func(Drained)) Drained

	Sends func(tell func(fromRegion, name, toRegion string)) // where DNS sends whom; nil: there is none

	// The process. nil: it does not do so.
	Reload   func(context.Context) (result, why string, err error) // why: the file was not applied; err: nothing is known
	Stop     func(within time.Duration)                            // begins the end
	Explain  func(url.Values) (any, error)                         // an error says what is wrong with the question
	Drainage *Metrics

	once    sync.Once
	since   time.Time
	life    context.Context // of drains
	endLife context.CancelFunc
	unready atomic.Bool
	streams atomic.Int64   // of events
	serving sync.WaitGroup // one for each listener that was committed, and for each drain
	drains  drains
	ending  *drain // of the process; that of Ending alone
	denied  denials

	changing sync.Mutex // one change at a time; guards the file in state_dir, and the following
	restored bool
	keptIn   string // the state_dir that has what is set

	mu      sync.Mutex // guards the following
	current *front
	closing bool
}

// front is one listener and what is asked of those who connect to it.
type front struct {
	listen   string
	listener net.Listener
	http     *http.Server
	access   atomic.Pointer[access] // replaced where a reload keeps the listener
	shut     chan struct{}          // closed when the address is free for others
	once     sync.Once              // closes shut
}

// Accept begins TLS where there is a certificate at the moment.
func (f *front) Accept() (net.Conn, error) {
	c, err := f.listener.Accept()
	if err != nil {
		return nil, err
	}
	if certificate := f.access.Load().certificate; certificate != nil {
		return tls.Server(c, certificate), nil
	}
	return c, nil
}

// Close is for http.Server, which may call it twice.
func (f *front) Close() error {
	defer f.once.Do(func() { close(f.shut) })
	return f.listener.Close()
}

func (f *front) Addr() net.Addr { return f.listener.Addr() }

// init makes the parts of a literal.
func (s *Server) init() {
	s.once.Do(func() {
		s.since = time.Now()
		s.life, s.endLife = context.WithCancel(context.Background())
	})
}

// Unready makes /readyz say no from now on: the process drains.
func (s *Server) Unready() { s.unready.Store(true) }

// Change is an admin section that can be put into effect.
type Change struct {
	server *Server
	next   *front  // nil: no admin API
	access *access // for next
	fresh  bool    // next was bound by Prepare
}

// Prepare reads the token and the certificate and binds the address, unless it is bound already. Nothing else has
// changed yet; the caller calls Commit or Abort. An error names what is wrong and what to do.
func (s *Server) Prepare(a config.Admin) (*Change, error) {
	if a.Listen == "" {
		return &Change{server: s}, nil
	}
	access, err := readAccess(a)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && s.current.listen == a.Listen {
		return &Change{server: s, next: s.current, access: access}, nil
	}
	listener, err := bind(a.Listen)
	if err != nil {
		return nil, fmt.Errorf("admin: %w (something listens there already; admin.listen can name another address)", err)
	}
	next := &front{listen: a.Listen, listener: listener, shut: make(chan struct{})}
	next.http = &http.Server{
		Handler:           s.entrance(&next.access),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       meet,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	return &Change{server: s, next: next, access: access, fresh: true}, nil
}

// Commit puts the change into effect.
func (c *Change) Commit() {
	c.take()
	c.server.keepElsewhere()
}

func (c *Change) take() {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		c.Abort()
		return
	}
	old := s.current
	s.current = c.next
	if c.next != nil {
		c.next.access.Store(c.access)
	}
	if c.fresh {
		s.serving.Go(func() { s.serve(c.next) })
	}
	if old != nil && old != c.next {
		s.serving.Go(old.end) // whoever has asked for this reload is still to be answered
		<-old.shut
	}
}

// Abort closes what Prepare bound.
func (c *Change) Abort() {
	if c.fresh {
		c.next.listener.Close()
	}
}

// Run serves until ctx ends; when it returns nothing of the server is left.
func (s *Server) Run(ctx context.Context) error {
	s.init()
	<-ctx.Done()
	s.endLife()
	s.mu.Lock()
	current := s.current
	s.current, s.closing = nil, true
	s.mu.Unlock()
	if current != nil {
		current.end()
	}
	s.serving.Wait()
	return nil
}

// lastAnswers is how long requests that are under way at the end have: a profile that runs for half a minute is broken off.
const lastAnswers = time.Second

// end closes the listener, lets requests that are under way have their answers, of which the one that ends the process is one, and
// closes the rest.
func (f *front) end() {
	ctx, cancel := context.WithTimeout(context.Background(), lastAnswers)
	defer cancel()
	if f.http.Shutdown(ctx) != nil {
		f.http.Close()
	}
}

func (s *Server) serve(f *front) {
	if err := f.http.Serve(f); err != nil && !errors.Is(err, http.ErrServerClosed) {
		s.Log.Error("admin API ended", "address", f.listen, "why", err.Error())
	}
}
