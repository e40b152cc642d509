package geodns

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// drawer is a state_dir.
type drawer struct {
	data  []byte
	fails error
	wrote int
}

// restarted is a server that has its first data, of a topology with that state_dir, and what it logs.
func (d *drawer) restarted(t *testing.T, dir string) (*Server, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	s := &Server{Log: slog.New(slog.NewTextHandler(&log, nil))}
	s.Kept = func(string) ([]byte, error) { return d.data, d.fails }
	s.Keep = func(_ string, data []byte) error { d.data, d.wrote = data, d.wrote+1; return d.fails }
	data := newData(t, testTopology)
	data.Zones.topology.StateDir = dir
	s.Use(data)
	return s, &log
}

// knows says whether a server takes a cookie for its own.
func knows(s *Server, cookie [wholeCookie]byte) bool {
	valid, _ := s.cookies.check(cookie[:], anyClient, uint32(time.Now().Unix()))
	return valid
}

func cookieFrom(s *Server) (cookie [wholeCookie]byte) {
	s.cookies.make(&cookie, anyClient, uint32(time.Now().Unix()))
	return cookie
}

// TestSecretsAreKept has cookies outlive a restart, and the change of secrets before it.
func TestSecretsAreKept(t *testing.T) {
	var d drawer
	first, _ := d.restarted(t, "/state")
	cookie := cookieFrom(first)
	second, log := d.restarted(t, "/state")
	if !knows(second, cookie) || log.Len() > 0 {
		t.Errorf("a cookie from before the restart is not known: %s", log)
	}
	second.renew(time.Now().Add(secretLife))
	third, _ := d.restarted(t, "/state")
	if !knows(third, cookie) || !knows(third, cookieFrom(second)) {
		t.Error("cookies of the secrets before and after the change are not known after a restart")
	}
	wrote := d.wrote
	if third.Use(third.Data()); d.wrote != wrote {
		t.Error("secrets are written again with data of the same state_dir")
	}
}

// TestSecretsAreNotKept has servers that begin with secrets of their own.
func TestSecretsAreNotKept(t *testing.T) {
	for _, row := range []struct {
		name, dir, file string
		fails           error
		says            string
	}{
		{name: "no state_dir"},
		{name: "broken", dir: "/state", file: "{", says: "not known"},
		{name: "short", dir: "/state", file: `{"Now":"AAAA","Before":"AAAA"}`, says: "secrets of 3 and 3 bytes, not 16"},
		{name: "not to be written", dir: "/state", fails: errors.New("disk full"), says: "not kept"},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := drawer{data: []byte(row.file), fails: row.fails}
			if row.file == "" {
				d.data = nil
			}
			first, log := d.restarted(t, row.dir)
			if said := log.String(); !strings.Contains(said, row.says) || (said != "") != (row.says != "") {
				t.Errorf("says %q, want %q", said, row.says)
			}
			if kept := d.wrote > 0; kept != (row.dir != "") {
				t.Errorf("written: %v", kept)
			}
			if !knows(first, cookieFrom(first)) {
				t.Error("its own cookie is not known")
			}
		})
	}
}

// TestSecretsFromTheFuture are of a clock that was set back: they are to change a day from now.
func TestSecretsFromTheFuture(t *testing.T) {
	var d drawer
	first, _ := d.restarted(t, "/state")
	first.renew(time.Now().Add(1000 * secretLife))
	second, _ := d.restarted(t, "/state")
	if since := second.cookies.secrets.Load().since; since.After(time.Now()) {
		t.Errorf("secrets since %v", since)
	}
	if !knows(second, cookieFrom(first)) {
		t.Error("a cookie from before the restart is not known")
	}
}
