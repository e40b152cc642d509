package importer

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"posthouse/config"
)

// load is what check does with a text.
func load(text string) (*config.Topology, error) {
	return config.Parse(config.Source{Path: "t.yaml", Files: []config.File{{Name: "t.yaml", Data: []byte(text)}}}, config.Options{})
}

// golden compares with the file beside a source; IMPORTER_UPDATE=1 writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if os.Getenv("IMPORTER_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// TestHAProxy: each configuration becomes the topology beside it, which check accepts, and names the lines beside that.
func TestHAProxy(t *testing.T) {
	paths, err := filepath.Glob("testdata/haproxy/*.cfg")
	if err != nil || len(paths) < 5 {
		t.Fatalf("%d configurations, %v", len(paths), err)
	}
	for _, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		h, err := ReadHAProxy(bytes.NewReader(source))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		d, left, err := h.Draft("mail.example.org")
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		base := strings.TrimSuffix(path, ".cfg")
		golden(t, base+".yaml", d.Text())
		golden(t, base+".left", strings.Join(left, "\n")+"\n")
		if _, err := load(d.Text()); err != nil {
			t.Errorf("%s: check says %v", path, err)
		}
	}
}

// Every line of the odd configuration that asks for something is either in the topology or named.
func TestHAProxyNamesEveryLine(t *testing.T) {
	source, err := os.ReadFile("testdata/haproxy/terminate.cfg")
	if err != nil {
		t.Fatal(err)
	}
	h, err := ReadHAProxy(bytes.NewReader(source))
	if err != nil {
		t.Fatal(err)
	}
	_, left, err := h.Draft("mail.example.org")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(source), "\n") {
		for _, lost := range []string{"tcp-request", "acl", "use_backend", "cookie SRV", "set-header", "ssl-default-bind-options", "timeout client"} {
			if !strings.HasPrefix(strings.TrimSpace(line), lost) {
				continue
			}
			if !slices.ContainsFunc(left, func(s string) bool { return strings.HasPrefix(s, fmt.Sprintf("%d: ", i+1)) }) {
				t.Errorf("line %d is neither translated nor named: %s", i+1, line)
			}
		}
	}
}

func TestHAProxyIsNone(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "no section in it"},
		{"cluster: a\n", "line 1: \"cluster:\" stands before the first section"},
		{"frontend a\n bind \"x\n", "line 2: a quote is not closed"},
		{"frontend a\n bind :25\n", "no frontend or listen section with servers"},
		{strings.Repeat("#\n", maxSource), "longer than 16 MiB"},
	} {
		h, err := ReadHAProxy(strings.NewReader(c.text))
		if err == nil {
			_, _, err = h.Draft("a.example")
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.30q: %v, want %s", c.text, err, c.want)
		}
	}
}

func TestHAWords(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"  server a 10.0.0.1:25 # the first", `["server" "a" "10.0.0.1:25"]`},
		{`tcp-check expect string *\ OK`, `["tcp-check" "expect" "string" "* OK"]`},
		{`bind :993 crt "a b.pem" 'c#d'`, `["bind" ":993" "crt" "a b.pem" "c#d"]`},
		{`acl x str "" \#`, `["acl" "x" "str" "" "#"]`},
		{"\t\r", "[]"},
	} {
		words, err := haWords(c.line)
		if got := fmt.Sprintf("%q", words); got != c.want || err != nil {
			t.Errorf("%q: %s, %v, want %s", c.line, got, err, c.want)
		}
	}
}

// FuzzHAProxy: whatever is read becomes a topology that check accepts, or none.
func FuzzHAProxy(f *testing.F) {
	paths, err := filepath.Glob("testdata/haproxy/*.cfg")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(source))
	}
	f.Fuzz(func(t *testing.T, source string) {
		h, err := ReadHAProxy(strings.NewReader(source))
		if err != nil {
			return
		}
		d, _, err := h.Draft("mail.example.org")
		if err != nil {
			return
		}
		if _, err := load(d.Text()); err != nil {
			t.Errorf("check says %v of\n%s", err, d.Text())
		}
	})
}
