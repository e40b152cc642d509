package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestWebDrain ends the process in the middle of downloads and uploads and beside idle connections: what has begun is
// finished, the idle ones are closed, and the process ends with 0 as soon as the last body is through.
func TestWebDrain(t *testing.T) {
	const each = 4
	o := beginWeb(t)
	y := webTopology{proxy: "v2"}
	p := serveWeb(t, y)
	file := randomFile(t, 8)
	if _, err := curlHTTP("--fail", "--upload-file", file, y.base()+"/dav/u1/drained"); err != nil {
		t.Fatal(err)
	}
	var idle []*keeper
	for range each {
		k, err := keep(y, trusted(t))
		if err != nil {
			t.Fatal(err)
		}
		defer k.conn.Close()
		if err := k.ask("OPTIONS", "/dav/u1/", "200 OK"); err != nil {
			t.Fatal(err)
		}
		idle = append(idle, k)
	}
	bodies := make(chan error, 2*each)
	var backs []string
	for n := range each {
		back := filepath.Join(t.TempDir(), "back")
		backs = append(backs, back)
		go func() {
			_, err := curlHTTP("--fail", "--limit-rate", "4M", "--output", back, y.base()+"/dav/u1/drained")
			if err == nil {
				_, err = command("", "cmp", file, back)
			}
			bodies <- err
		}()
		go func() {
			_, err := curlHTTP("--fail", "--limit-rate", "4M", "--upload-file", file, y.base()+"/dav/u1/up"+string(rune('a'+n)))
			bodies <- err
		}()
	}
	eventually(t, patience, "bodies on their way", func() error { return underway(backs) })
	p.signal(t, syscall.SIGTERM)
	began := time.Now()
	for _, k := range idle {
		k.conn.SetDeadline(time.Now().Add(patience))
		if _, err := k.read.ReadByte(); err == nil || errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("an idle connection ends with %v", err)
		}
	}
	closed := time.Since(began)
	for range 2 * each {
		if err := <-bodies; err != nil {
			t.Error(err)
		}
	}
	through := time.Since(began)
	if err := p.wait(patience); err != nil {
		t.Errorf("end: %v, want exit status 0", err)
	}
	o.fact(t, "%d bodies finished %v after SIGTERM, %d idle connections closed after %v, ended after %v", 2*each,
		through.Round(10*time.Millisecond), each, closed.Round(10*time.Millisecond), time.Since(began).Round(10*time.Millisecond))
}

// underway is nil once all downloads have begun, and as many uploads: Apache keeps them in temporary files.
func underway(downloads []string) error {
	for _, file := range downloads {
		if info, err := os.Stat(file); err != nil || info.Size() == 0 {
			return fmt.Errorf("%s has nothing yet", file)
		}
	}
	uploads, err := filepath.Glob(filepath.Join(servers.dir, "web", "dav", "u1", ".davfs.tmp*"))
	if err == nil && len(uploads) < len(downloads) {
		err = fmt.Errorf("%d uploads", len(uploads))
	}
	return err
}
