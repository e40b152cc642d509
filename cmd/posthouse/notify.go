package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// notifier tells the service manager how the process is (sd_notify(3)). The zero value tells nobody.
type notifier struct {
	socket   string        // a path, or @name in the abstract namespace
	watchdog time.Duration // it wants a sign of life that often; 0: it does not
}

// newNotifier reads what the service manager has put into the environment, and takes it out: children are not the service.
func newNotifier() *notifier {
	n := &notifier{socket: os.Getenv("NOTIFY_SOCKET")}
	if pid := os.Getenv("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
		if micros, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64); err == nil && micros > 0 {
			n.watchdog = time.Duration(micros) * time.Microsecond
		}
	}
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"} {
		os.Unsetenv(name)
	}
	return n
}

// say sends assignments in one datagram. Whether anybody hears it does not matter to us.
func (n *notifier) say(lines ...string) {
	if n.socket == "" {
		return
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return
	}
	defer c.Close()
	c.SetWriteDeadline(time.Now().Add(time.Second))
	c.Write([]byte(strings.Join(lines, "\n")))
}

func (n *notifier) ready(status string) { n.say("READY=1", "STATUS="+status) }

// reloading begins a reload, which the next ready ends. The time tells the manager that it is not one before its signal.
func (n *notifier) reloading() {
	n.say("RELOADING=1", moment())
}

// stopping asks for as long as the sessions have, and a moment to be gone.
func (n *notifier) stopping(within time.Duration) {
	n.say("STOPPING=1", "STATUS=draining", fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", (within+10*time.Second).Microseconds()))
}

// live gives signs of life as long as alive returns, until ctx ends.
func (n *notifier) live(ctx context.Context, alive func()) error {
	if n.watchdog == 0 {
		return nil
	}
	tick := time.NewTicker(n.watchdog / 2)
	defer tick.Stop()
	for {
		alive()
		n.say("WATCHDOG=1")
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
