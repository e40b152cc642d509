package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestWebBody sends 256 MB up and down, and 32 MB in chunks: they come back as they were, and our memory does not grow with
// them.
func TestWebBody(t *testing.T) {
	const mayGrow = 16 << 20
	o := beginWeb(t)
	long, short := randomFile(t, 256), randomFile(t, 32)
	for _, mode := range []string{"none", "terminate", "reencrypt"} {
		t.Run(mode, func(t *testing.T) {
			y := webTopology{tls: mode}
			p := serveWeb(t, y)
			for range 5 { // what the first requests need stays
				if _, err := curlHTTP("--fail", y.base()+"/dav/u1/load", "--upload-file", "doc.go"); err != nil {
					t.Fatal(err)
				}
			}
			before := p.peak(t)
			up, down := thereAndBack(t, long, y.base()+"/dav/u1/big")
			chunked, unchunked := thereAndBack(t, short, y.base()+"/dav/u1/big.chunked", "--header", "Transfer-Encoding: chunked")
			grown := p.memory(t, "VmHWM") - before
			if grown > mayGrow {
				t.Errorf("our memory grew by %d KiB", grown>>10)
			}
			o.fact(t, "tls: %-9s: 256 MB up in %v, down in %v, 32 MB in chunks %v, %v, identical; memory grew by %d KiB", mode,
				up, down, chunked, unchunked, grown>>10)
		})
	}
}

// randomFile has so many megabytes.
func randomFile(t *testing.T, size int) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if out, err := command("", "dd", "if=/dev/urandom", "of="+file, "bs=1M", fmt.Sprint("count=", size)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

// thereAndBack puts a file and gets it again, and says how long each took.
func thereAndBack(t *testing.T, file, url string, more ...string) (up, down time.Duration) {
	t.Helper()
	began := time.Now()
	if _, err := curlHTTP(append(more, "--fail", "--upload-file", file, url)...); err != nil {
		t.Error(err)
		return
	}
	up = time.Since(began)
	began = time.Now()
	back := filepath.Join(t.TempDir(), "back")
	if _, err := curlHTTP("--fail", "--output", back, url); err != nil {
		t.Error(err)
	}
	down = time.Since(began)
	if out, err := command("", "cmp", file, back); err != nil {
		t.Errorf("it came back changed: %s", out)
	}
	if _, err := curlHTTP("--fail", "--request", "DELETE", url); err != nil {
		t.Error(err)
	}
	return up.Round(10 * time.Millisecond), down.Round(10 * time.Millisecond)
}

// peak begins to watch the peak of our memory from where it is now, in bytes.
func (p *posthouse) peak(t *testing.T) int {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.process.Process.Pid), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	return p.memory(t, "VmRSS")
}

// memory is a line of /proc/PID/status in bytes.
func (p *posthouse) memory(t *testing.T, line string) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.process.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := bytes.Cut(data, []byte("\n"+line+":"))
	value, _, _ := strings.Cut(strings.TrimSpace(string(after)), " ")
	n, err := strconv.Atoi(value)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return n << 10
}
