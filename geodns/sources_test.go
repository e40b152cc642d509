package geodns

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"posthouse/config"
)

// TestSources goes through what may happen to the files of keys and certificates.
func TestSources(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) func() error {
		return func() error { return os.WriteFile(at(name), []byte(text), 0o600) }
	}
	signed := &config.Topology{DNS: &config.DNS{KeyDir: dir}, TLS: config.TLS{Certificates: []config.Certificate{{Cert: at("mail.crt"), Key: at("mail.key")}}}}
	last := Sources(signed)
	for _, step := range []struct {
		what    string
		do      func() error
		changed bool
	}{
		{"nothing", func() error { return nil }, false},
		{"a key comes", write("Kexample.org.+013+00001.key", "key"), true},
		{"and its private half", write("Kexample.org.+013+00001.private", "private"), true},
		{"a file that is no key", write("README", "text"), false},
		{"the certificate comes", write("mail.crt", "one"), true},
		{"its key, of which TLSA says nothing", write("mail.key", "one"), false},
		{"the certificate gets longer", write("mail.crt", "another"), true},
		{"the certificate is written again", func() error { return os.Chtimes(at("mail.crt"), time.Time{}, time.Unix(1, 0)) }, true},
		{"a key is replaced by a link", func() error {
			return os.Rename(at("Kexample.org.+013+00001.key"), at("old"))
		}, true},
		{"to another file", func() error { return os.Symlink(at("old"), at("Kexample.org.+013+00001.key")) }, true},
		{"which changes", write("old", "the next key"), true},
		{"keys go", func() error { return os.Remove(at("Kexample.org.+013+00001.private")) }, true},
		{"the directory goes", func() error { return os.RemoveAll(dir) }, true},
		{"nothing again", func() error { return nil }, false},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		now := Sources(signed)
		if now != last != step.changed {
			t.Errorf("%s: from %q to %q, want a change: %v", step.what, last, now, step.changed)
		}
		last = now
	}
	for _, unsigned := range []*config.Topology{{}, {DNS: &config.DNS{}, TLS: signed.TLS}} {
		if got := Sources(unsigned); got != "" {
			t.Errorf("without keys: %q", got)
		}
	}
}
