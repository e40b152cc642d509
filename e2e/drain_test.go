package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mailer is where the mails of these tests come from.
const mailer = "127.0.9.91"

// mailing begins a mail and stops in the middle of its DATA.
func mailing(t *testing.T) *talk {
	t.Helper()
	k := dialogue(t, "smtp", mailer)
	k.expect("220 ")
	for _, step := range [][2]string{
		{"EHLO client.example.test", "250 "}, {"MAIL FROM:<a@example.test>", "250 "}, {"RCPT TO:<" + sink + ">", "250 "}, {"DATA", "354 "},
	} {
		k.say(step[0])
		k.expect(step[1])
	}
	k.say("Subject: in the middle\r\n\r\nthe first half")
	return k
}

// finish sends the rest of it.
func (k *talk) finish() {
	k.t.Helper()
	k.say("the second half\r\n.")
	k.expect("250 ")
	k.say("QUIT")
	k.expect("221 ")
	k.conn.Close()
}

// TestDrain ends the process while mails are in the middle of DATA: all of them are finished, nobody new is let in, and
// the process ends, with 0, as soon as the last one is gone.
func TestDrain(t *testing.T) {
	o := begin(t)
	p := serve(t, topology{proxy: "v2"})
	var mails []*talk
	for range 10 {
		mails = append(mails, mailing(t))
	}
	p.signal(t, syscall.SIGTERM)
	began := time.Now()
	eventually(t, 3*time.Second, "closed to new clients", closed)
	if err := p.ready(""); err == nil {
		t.Error("readyz is still true")
	}
	if err := p.wait(0); !errors.Is(err, errStays) {
		t.Fatalf("posthouse ended with mails in their middle: %v", err)
	}
	for _, k := range mails {
		k.finish()
	}
	if err := p.wait(patience); err != nil {
		t.Errorf("end: %v, want exit status 0", err)
	}
	requireEnds(t, p, "smtp", len(mails), "client", "node", "reset-client")
	o.fact(t, "%d mails finished in their middle, ended %v after SIGTERM", len(mails), time.Since(began).Round(time.Millisecond))
}

// TestDrainDeadline leaves a mail in its middle, which is cut at the deadline, and an IMAP session in IDLE, which is closed
// before that because nothing is lost by it. The process ends with 0.
func TestDrainDeadline(t *testing.T) {
	o := begin(t)
	p := serve(t, topology{proxy: "v2", deadline: "4s"})
	mail := mailing(t)
	quiet := dialogue(t, "imap", mailer)
	quiet.expect("* OK ")
	for _, step := range [][2]string{{"a LOGIN u70 secret", "a OK"}, {"b SELECT INBOX", "b OK"}, {"c IDLE", "+ "}} {
		quiet.say(step[0])
		quiet.expect(step[1])
	}
	p.signal(t, syscall.SIGTERM)
	began := time.Now()
	quiet.rest()
	closed := time.Since(began)
	if err := p.wait(10 * time.Second); err != nil {
		t.Fatalf("end: %v, want exit status 0", err)
	}
	took := time.Since(began)
	if took < 3900*time.Millisecond || took > 6*time.Second {
		t.Errorf("ended %v after SIGTERM, want the deadline of 4 s", took)
	}
	if _, err := io.ReadAll(mail.read); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the cut session ends with %v", err)
	}
	requireEnds(t, p, "imap", 1, "drained")
	requireEnds(t, p, "smtp", 1, "cut")
	o.fact(t, "IDLE closed %v after SIGTERM, a mail in its middle cut after %v", closed.Round(10*time.Millisecond), took.Round(10*time.Millisecond))
}

// closed is nil once the balancer's smtp port refuses.
func closed() error {
	conn, err := net.DialTimeout("tcp", at("smtp"), time.Second)
	if err == nil {
		conn.Close()
		return errors.New("still accepts")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return nil
}

// requireEnds is that the log has so many of the mailer's sessions, all with one of these ends.
func requireEnds(t *testing.T, p *posthouse, service string, want int, ends ...string) {
	t.Helper()
	found := 0
	for _, r := range p.records("session") {
		if r["service"] != service || !strings.HasPrefix(fmt.Sprint(r["client"]), mailer+":") {
			continue
		}
		found++
		if !slices.Contains(ends, fmt.Sprint(r["end"])) {
			t.Errorf("a session ends with %v, want one of %v: %v", r["end"], ends, r)
		}
	}
	if found != want {
		t.Errorf("the log has %d %s sessions, want %d", found, service, want)
	}
}
