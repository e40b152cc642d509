package proxy

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/proxy/relay"
)

// TestClerk: sessions that end within a pause are written down together, each with the time at which it ended.
func TestClerk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := new(logBuffer)
		var together atomic.Int32
		server := &Server{
			Log:    slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: withoutTime})),
			Gather: func() func() { together.Add(1); return func() {} },
		}
		begun := time.Now()
		end := func(why relay.End, up int64) {
			s := endedSession(server.Log.Handler())
			s.server, s.began = server, begun.Sub(base)
			server.live.add(s)
			server.running.Add(1)
			server.clerk.add(s, relay.Result{End: why, Up: up})
		}
		for i, batch := range []string{
			head(1) + "total_ms=2 tries=1 end=client\n" + head(2) + "total_ms=3.5 tries=1 end=idle\n",
			head(1) + "total_ms=25.5 tries=1 end=client\n" + head(2) + "total_ms=27 tries=1 end=idle\n",
		} {
			before := len(out.String())
			time.Sleep(2 * time.Millisecond)
			end(relay.ClientLeft, 1)
			time.Sleep(1500 * time.Microsecond)
			end(relay.Idle, 2)
			synctest.Wait()
			if said := out.String()[before:]; said != "" {
				t.Errorf("at once there is %s", said)
			}
			time.Sleep(clerkPause)
			synctest.Wait()
			if said, times := out.String()[before:], together.Load(); said != batch || times != int32(i+1) {
				t.Errorf("%d times together\n%s, want\n%s", times, said, batch)
			}
			if n := server.Sessions(); n != 0 {
				t.Errorf("%d sessions are left", n)
			}
		}
		server.running.Wait()
	})
}

// TestClerkGather: the lines of requests that come within a pause wait for its end, and the Server for them; a panic does not.
func TestClerkGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun, written atomic.Int32
		server := &Server{Gather: func() func() { begun.Add(1); return func() { written.Add(1) } }}
		c := &server.clerk
		for i := range int32(2) {
			c.gather(server)
			time.Sleep(clerkPause / 2)
			c.gather(server)
			if begun, written := begun.Load(), written.Load(); begun != i+1 || written != i {
				t.Errorf("round %d: begun %d times, written %d times", i, begun, written)
			}
			server.running.Wait()
			if written := written.Load(); written != i+1 {
				t.Errorf("round %d: written %d times", i, written)
			}
		}
		c.gather(server)
		if c.panicking(); written.Load() != 3 {
			t.Error("a panic leaves lines unwritten")
		}
		server.running.Wait()
	})
}

// What the last sessions leave to be written is written when Run returns: nobody waits for the log after that.
func TestLastLines(t *testing.T) {
	r := &rig{t: t, log: new(logBuffer), topology: newTopology(nil, newNode(t, echo))}
	said, written := make(chan bool), make(chan bool)
	r.gather = func() func() {
		return func() {
			said <- true
			<-written
		}
	}
	r.service = r.topology.Services[0]
	r.start()
	c := r.connect()
	c.hear(greeting)
	c.Close()
	<-said
	r.stop() // no session is left that it has to wait for
	select {
	case <-r.done:
		t.Error("Run returned before the log was written")
	case <-time.After(100 * time.Millisecond):
	}
	written <- true
}

// head is the line of an endedSession up to its times.
func head(up int) string {
	return fmt.Sprintf("level=INFO msg=session id=06h1bk8j15ajqr00000g service=imaps client=203.0.113.77:51234 node=eu-imap-007 "+
		"address=10.1.2.3:10993 region=eu up=%d down=0 walk_ms=0.371 connect_ms=0.057 greeting_ms=0.243 ", up)
}
