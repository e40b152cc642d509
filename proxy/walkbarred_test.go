package proxy

import (
	"bufio"
	"io"
	"net"
	"testing"

	"posthouse/config"
	"posthouse/routing"
)

// While a walk waits for one node, another one that it would have come to is taken away: it gets no session any more.
func TestWalkHeedsChanges(t *testing.T) {
	changes := map[string]func(*rig){
		"a mark": func(r *rig) { r.mark(routing.Subject{Node: "node-2"}) },
		"a reload": func(r *rig) {
			next := *r.topology
			next.Nodes = []*config.Node{r.topology.Nodes[0], r.topology.Nodes[2]}
			r.apply(&next)
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			leave, second := make(chan bool), newNode(t, echo)
			first := newNode(t, func(*net.TCPConn) { <-leave })
			r := newRig(t, patiently(func(*config.Service) {}), first, second, newNode(t, echo))
			c := r.connect()
			eventually(t, "the first node is asked", func() bool { return first.accepted() == 1 })
			change(r)
			close(leave)
			c.hear(greeting)
			c.Close()
			if line := r.expectEnd("client"); line["node"] != "node-3" || second.accepted() > 0 {
				t.Errorf("session log: %v", line)
			}
		})
		t.Run(name+" during a request", func(t *testing.T) {
			asked, leave, second := make(chan bool), make(chan bool), newNode(t, responder)
			first := newNode(t, func(c *net.TCPConn) {
				readHead(bufio.NewReader(c))
				close(asked)
				<-leave
			})
			third := newNode(t, func(c *net.TCPConn) {
				readHead(bufio.NewReader(c))
				io.WriteString(c, answered("third"))
			})
			r := newHTTPRig(t, nil, first, second, third)
			c := r.connect()
			c.say(get("/"))
			<-asked
			change(r)
			close(leave)
			if _, body := c.response("GET"); body != "third" || second.accepted() > 0 {
				t.Errorf("%q answered", body)
			}
		})
	}
}
