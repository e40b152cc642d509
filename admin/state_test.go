package admin

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"posthouse/config"
)

// What was set survives a restart with state_dir.
func TestRestore(t *testing.T) {
	text := topology + "state_dir: " + t.TempDir() + "\n"
	o := operate(t, text)
	for _, call := range []string{
		"POST /api/v1/nodes/us-1/drain?service=smtp&reason=disk", "POST /api/v1/services/pop3s/drain", "POST /api/v1/regions/eu/drain",
		"POST /api/v1/regions/eu/resume", "POST /api/v1/nodes/us-2/weight?weight=9", "POST /api/v1/deny?prefix=192.0.2.0/24",
	} {
		if status, got := o.call(t, call); status >= 300 {
			t.Fatalf("%s = %d %v", call, status, got)
		}
	}
	next := operate(t, text)
	next.Restore()
	if got, want := fmt.Sprint(next.Router.Table().Marks()), fmt.Sprint(o.Router.Table().Marks()); len(next.Router.Table().Marks()) != 3 {
		t.Errorf("marks after the restart\n%s\nwant\n%s", got, want)
	}
	for i, m := range o.Router.Table().Marks() {
		again := next.Router.Table().Marks()[i]
		if again.Subject != m.Subject || again.Reason != m.Reason || !again.Since.Equal(m.Since) || (again.Weight == nil) != (m.Weight == nil) {
			t.Errorf("mark %+v came back as %+v", m, again)
		}
	}
	if !slices.Equal(next.sessions.denied, []string{"192.0.2.0/24"}) {
		t.Errorf("denied after the restart: %q", next.sessions.denied)
	}
	if kinds := next.kinds(); kinds != "marks-restored" {
		t.Errorf("events %s", kinds)
	}
}

// A file that cannot be read is said, and the balancer starts.
func TestRestoreOfRubbish(t *testing.T) {
	for _, text := range []string{"{", `{"denials": [{}]}`, `{"denials": [{"prefix": "x"}]}`} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		o := operate(t, topology+"state_dir: "+dir+"\n")
		o.Restore()
		if kinds := o.kinds(); kinds != "marks-lost" || len(o.sessions.denied) > 0 {
			t.Errorf("%s: events %q, denied %q", text, kinds, o.sessions.denied)
		}
	}
}

// A mark is in effect although it cannot be kept, and that is said.
func TestUnkept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := operate(t, topology+"state_dir: "+file+"\n")
	if status, _ := o.call(t, "POST /api/v1/nodes/us-1/weight?weight=3"); status != 200 {
		t.Errorf("status %d", status)
	}
	if !strings.HasPrefix(o.kinds(), "marks-unsaved") || o.Router.Table().Topology().Node("us-1").Weight != 3 {
		t.Errorf("events %s", o.kinds())
	}
}

// What is set is in effect, and so it is what a start finds in another state_dir that a reload has named.
func TestKeptElsewhere(t *testing.T) {
	before, after := t.TempDir(), t.TempDir()
	text := func(dir string) string { return topology + "state_dir: " + dir + "\n" }
	o := operate(t, text(before))
	o.Restore()
	if status, got := o.call(t, "POST /api/v1/nodes/us-1/drain"); status >= 300 {
		t.Fatal(status, got)
	}
	move := func(dir string) {
		o.Router.Publish(load(t, text(dir)))
		change, err := o.Prepare(config.Admin{Listen: "unix:" + o.path})
		if err != nil {
			t.Fatal(err)
		}
		change.Commit()
	}
	for _, step := range []struct {
		dir  string
		call string
		want int // marks after a restart
	}{{after, "POST /api/v1/nodes/us-1/resume", 1}, {before, "GET /api/v1/marks", 0}} {
		move(step.dir)
		next := operate(t, text(step.dir))
		next.Restore()
		if marks := next.Router.Table().Marks(); len(marks) != step.want {
			t.Errorf("a start finds %v, want %d marks", marks, step.want)
		}
		o.call(t, step.call)
	}
}
