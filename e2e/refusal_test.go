package e2e

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// ourWords is what a client reads when no node answers; "" where TLS passes through and no words are possible.
var ourWords = map[string]string{
	"smtp": smtpWords, "submission": smtpWords, "submissions": "", "lmtp": smtpWords,
	"imap": "* BYE [UNAVAILABLE] no server available, try again later\r\n", "imaps": "",
	"pop3": "-ERR [SYS/TEMP] no server available, try again later\r\n", "pop3s": "",
	"sieve": "BYE (TRYLATER) \"no server available, try again later\"\r\n",
}

const smtpWords = "421 4.3.2 " + name + " no server available, try again later\r\n"

// TestNobodyAnswers kills all nodes, then freezes all: clients get our words, at once or after the greeting timeout.
func TestNobodyAnswers(t *testing.T) {
	o := begin(t)
	servers.restoreAfter(t)
	keys := make(map[string]string)
	for service := range ports {
		keys[service] = "timeouts: {hedge: 500ms, greeting: 1500ms}"
	}
	p := serve(t, topology{proxy: "v2", keys: keys})

	servers.must(t, "kill9", everybody...)
	dead := sayNo(t, 2*time.Second)
	eventually(t, 15*time.Second, "down", func() error { return p.are("down", everybody, services()) })
	sayNo(t, 2*time.Second)
	if err := p.ready(""); err != nil {
		t.Error("without nodes the balancer itself is not ready:", err)
	}
	if err := p.ready("imaps"); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("readyz?service=imaps with all nodes down: %v, want 503", err)
	}

	servers.must(t, "start", everybody...)
	eventually(t, 20*time.Second, "up", func() error { return p.are("up", everybody, services()) })
	servers.must(t, "stop", everybody...)
	// Each candidate has the greeting timeout; three of them, one hedge apart.
	frozen := sayNo(t, 6*time.Second)
	o.fact(t, "our words in %d protocols: dead nodes within %v, frozen ones within %v", len(ourWords),
		dead.Round(time.Millisecond), frozen.Round(time.Millisecond))
}

func services() (all []string) {
	for service := range ports {
		all = append(all, service)
	}
	return all
}

// sayNo asks every service and gives the longest time until it said no.
func sayNo(t *testing.T, within time.Duration) (longest time.Duration) {
	t.Helper()
	type answer struct {
		service, words string
		err            error
		took           time.Duration
	}
	answers := make(chan answer)
	trust := trusted(t)
	for service := range ourWords {
		go func() {
			began := time.Now()
			words, err := refused(service, trust)
			answers <- answer{service, words, err, time.Since(began)}
		}()
	}
	for range ourWords {
		a := <-answers
		longest = max(longest, a.took)
		if a.err != nil || a.words != ourWords[a.service] {
			t.Errorf("%s says %q, %v; want %q and a close", a.service, a.words, a.err, ourWords[a.service])
		}
		if a.took > within {
			t.Errorf("%s said no after %v, want %v at most", a.service, a.took, within)
		}
	}
	return longest
}

// refused is all that a client reads until the close. A reset instead is an error: it could cost the client the words.
func refused(service string, trust *tls.Config) (string, error) {
	conn, err := net.DialTimeout("tcp", at(service), patience)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if !scripts[service].tls {
		words, err := io.ReadAll(conn)
		return string(words), err
	}
	if err := tls.Client(conn, trust).Handshake(); !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("the TLS handshake ends with %w, want EOF", err)
	}
	return "", nil
}

// TestBadFile replaces the topology by files that are wrong: nothing changes, the log says why, once, and a good file
// is taken again.
func TestBadFile(t *testing.T) {
	begin(t)
	y := topology{proxy: "v2"}
	p := serve(t, y)
	live := dialogue(t, "imap", "127.0.9.90")
	live.expect("* OK ")

	replace(t, p.path, strings.Replace(y.String(), "role: store", "role: stroe", 1))
	refusedCount := func(want float64) error {
		got, err := p.metric(`posthouse_reloads_total{result="refused"}`)
		if err == nil && got != want {
			err = fmt.Errorf("%v refused", got)
		}
		return err
	}
	eventually(t, patience, "refused", func() error { return refusedCount(1) })
	if n := strings.Count(p.logged(), "stroe"); n != 1 {
		t.Errorf("the log speaks of the mistake %d times, want once:\n%s", n, p.logged())
	}
	if !strings.Contains(p.logged(), `did you mean \"store\"`) && !strings.Contains(p.logged(), `did you mean \\\"store\\\"`) {
		t.Errorf("the log does not say what was meant:\n%s", p.logged())
	}
	if current, err := p.metric("posthouse_topology_current"); err != nil || current != 0 {
		t.Errorf("posthouse_topology_current is %v, %v; want 0", current, err)
	}
	// The same again changes nothing and says nothing; the empty file does.
	replace(t, p.path, strings.Replace(y.String(), "role: store", "role: stroe", 1))
	replace(t, p.path, "")
	eventually(t, patience, "refused", func() error { return refusedCount(2) })
	if n := strings.Count(p.logged(), "stroe"); n != 1 {
		t.Errorf("the log speaks of the mistake %d times, want once:\n%s", n, p.logged())
	}
	live.say("a NOOP")
	live.expect("a OK")
	for service := range ports {
		if a := try(service, trusted(t)); a.err != nil {
			t.Error(a)
		}
	}

	y.weights = map[string]int{"d2": 3}
	y.write(t, p.path)
	eventually(t, patience, "good again", func() error {
		current, err := p.metric("posthouse_topology_current")
		if err == nil && current != 1 {
			err = fmt.Errorf("current is %v", current)
		}
		return err
	})
	live.say("b LOGOUT")
	live.expect("b OK")
}

// TestSecondProcess starts posthouse twice: the second is refused and says which address is taken, and the first serves on.
func TestSecondProcess(t *testing.T) {
	begin(t)
	p := serve(t, topology{proxy: "v2"})
	out, err := command("", binary, "serve", "--config", p.path)
	if exitCode(err) != 1 || !strings.Contains(out, front+":") || !strings.Contains(out, "in use") {
		t.Errorf("the second process says %q, %v; want exit status 1 and the address in use", out, err)
	}
	for service := range ports {
		if a := try(service, trusted(t)); a.err != nil {
			t.Error(a)
		}
	}
}
