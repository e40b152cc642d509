package admin

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/routing"
)

// pipes is a listener for clients that take only what they read: there is no kernel in between that would take the rest.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return new(net.UnixAddr) }

// dial connects a client and sends its request.
func (p pipes) dial(t *testing.T, request string) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	p <- server
	if _, err := io.WriteString(client, request+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return client
}

// TestWhoTakesNothing asks and reads nothing: no answer waits for ever.
func TestWhoTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		router := routing.NewRouter(load(t, topology), slog.New(slog.DiscardHandler))
		s := &Server{Router: router, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), Events: NewEvents()}
		var current atomic.Pointer[access]
		current.Store(&access{local: true})
		server, listener := &http.Server{Handler: s.entrance(&current)}, make(pipes)
		var running sync.WaitGroup
		running.Go(func() { server.Serve(listener) })
		defer running.Wait()
		defer close(listener)
		for _, request := range []string{"GET /healthz", "GET /", "GET /api/v1/nodes", "GET /nothing", "GET /metrics", "POST /api/v1/nodes/us-1/drain?within=x"} {
			client := listener.dial(t, request)
			time.Sleep(2 * takeWithin)
			if n, err := client.Read(make([]byte, 1)); n > 0 || err == nil {
				t.Errorf("%s: the answer is still there after %v", request, 2*takeWithin)
			}
			client.Close()
		}
	})
}
