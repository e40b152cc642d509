package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"posthouse/mailtest"
)

const (
	visitInterval = 3 * time.Second  // a line that often can be read while other things happen
	visitTimeout  = 10 * time.Second // greeting and retries of a balancer have an end before
)

// visited are the services that the built-in clients use in turn.
var visited = []string{"imaps", "jmap", "smtp", "webdav", "pop3s", "submissions", "sieve", "imap"}

// visit makes a session in every region every few seconds and prints where it went.
func (d *demo) visit(ctx context.Context) error {
	for i := 0; ; i++ {
		service := visited[i%len(visited)]
		landed := make([]string, len(d.cluster.regions))
		var group errgroup.Group
		for i, r := range d.cluster.regions {
			group.Go(func() error {
				landed[i] = r.name + " -> " + d.visitOnce(ctx, service, r)
				return nil
			})
		}
		group.Wait()
		if ctx.Err() != nil {
			return nil
		}
		d.events.say(service, "%s", strings.Join(landed, "   "))
		if !pause(ctx, visitInterval) {
			return nil
		}
	}
}

// visitOnce makes one session and says which node took it. A session that was greeted and cut before its goodbye is
// none that a balancer could have saved; so there is no login, but in HTTP, where it is in the request.
func (d *demo) visitOnce(ctx context.Context, service string, r *demoRegion) string {
	limited, cancel := context.WithTimeout(ctx, visitTimeout)
	defer cancel()
	guest := d.guest(limited)
	if !overHTTP(service) {
		guest.Name = ""
	}
	visit, err := guest.Visit(limited, service, r.front.address(service))
	if err != nil {
		if ctx.Err() == nil {
			d.tally.failed.Add(1)
		}
		return fmt.Sprintf("nobody (%v)", err)
	}
	d.tally.sessions.Add(1)
	if visit.Leave() != nil && ctx.Err() == nil {
		d.tally.cut.Add(1)
	}
	if strings.HasPrefix(visit.Node, r.name+"-") {
		return visit.Node
	}
	d.tally.elsewhere.Add(1)
	return visit.Node + " (away)"
}

// guest is a visitor whose connections end with ctx, also while a frozen node keeps them waiting.
func (d *demo) guest(ctx context.Context) mailtest.Visitor {
	guest := d.visitor
	guest.Connected = func(c net.Conn) {
		d.own.connected(c)
		context.AfterFunc(ctx, func() { c.Close() })
	}
	return guest
}
