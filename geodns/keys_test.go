package geodns

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestReadKeys(t *testing.T) {
	const zone = "mail.example.org"
	for _, c := range []struct {
		name   string
		change func(dir string, k Key) error
		want   string // in the error; "" is none
	}{
		{"as they are", func(string, Key) error { return nil }, ""},
		{"no private half", func(_ string, k Key) error { return os.Remove(private(k)) }, ""},
		{"of another key", func(dir string, k Key) error {
			other, err := NewKey(dir, "example.net")
			if err != nil {
				return err
			}
			return os.Rename(private(other), private(k))
		}, "not the other half"},
		{"of another zone", func(_ string, k Key) error { return edit(k.Path, zone+".", "example.net.") }, "the key is of example.net."},
		{"of another algorithm", func(_ string, k Key) error { return edit(k.Path, "3 13", "3 15") }, "posthouse dns keygen"},
		{"no key", func(_ string, k Key) error { return os.WriteFile(k.Path, []byte("x. A 192.0.2.1\n"), 0o600) }, "no DNSKEY"},
		{"no record", func(_ string, k Key) error { return os.WriteFile(k.Path, []byte("hello\n"), 0o600) }, ".key: dns:"},
		{"a broken private half", func(_ string, k Key) error { return os.WriteFile(private(k), []byte("hello\n"), 0o600) }, ".private: "},
	} {
		dir := t.TempDir()
		k, err := NewKey(dir, zone)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.change(dir, k); err != nil {
			t.Fatal(err)
		}
		keys, err := ReadKeys(dir, zone)
		switch {
		case c.want == "" && (err != nil || len(keys) != 1 || keys[0].Record.KeyTag() != k.Record.KeyTag()):
			t.Errorf("%s: %v, %v, want the key", c.name, keys, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: error %v, want %q in it", c.name, err, c.want)
		}
	}
}

func private(k Key) string { return strings.TrimSuffix(k.Path, ".key") + ".private" }

func edit(path, old, new string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(strings.Replace(string(data), old, new, 1)), 0o600)
}

// The private half is for its owner alone, and no key is ever overwritten.
func TestNewKey(t *testing.T) {
	dir := t.TempDir()
	k, err := NewKey(dir, "Mail.Example.org")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(filepath.Base(k.Path), "Kmail.example.org.+013+") {
		t.Errorf("the key is at %s", k.Path)
	}
	info, err := os.Stat(private(k))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("private half: %v, %v, want mode 0600", info.Mode(), err)
	}
	if err := writeNew(k.Path, 0o644, "x"); !os.IsExist(err) {
		t.Errorf("writing over a key = %v, want that it exists", err)
	}
	if _, err := NewKey(filepath.Join(dir, "none"), "mail.example.org"); err == nil {
		t.Error("a key in a directory that is not there")
	}
}

// With keys of both kinds each signs what is its own; with one of them it signs everything. A key without its
// private half is published.
func TestSigningKeys(t *testing.T) {
	day := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	ksk, zsk, coming := newKey(t, dns.ZONE|dns.SEP), newKey(t, dns.ZONE), newKey(t, dns.ZONE|dns.SEP)
	coming.private = nil
	for _, c := range []struct {
		name       string
		keys       []Key
		keysBy, by []Key
	}{
		{"one for all", []Key{ksk}, []Key{ksk}, []Key{ksk}},
		{"one of each kind", []Key{ksk, zsk}, []Key{ksk}, []Key{zsk}},
		{"only the lower kind", []Key{zsk}, []Key{zsk}, []Key{zsk}},
		{"one that is coming", []Key{ksk, coming}, []Key{ksk}, []Key{ksk}},
	} {
		s := newSigner("mail.example.org.", c.keys, time.Now)
		z := &Zone{Name: "mail.example.org.", names: make(map[string]*name)}
		z.addKeys(c.keys)
		set := z.names[z.Name].sets[dns.TypeDNSKEY]
		if len(set) != len(c.keys) {
			t.Errorf("%s: %d keys are published, want %d", c.name, len(set), len(c.keys))
		}
		signatures, err := s.make(set, day)
		if got := signers(signatures); err != nil || !slices.Equal(got, tags(c.keysBy)) {
			t.Errorf("%s: keys are signed by %d, %v, want %d", c.name, got, err, tags(c.keysBy))
		}
		signatures, err = s.make([]dns.RR{&dns.A{Hdr: header("mail.example.org.", dns.TypeA, 60), A: []byte{192, 0, 2, 1}}}, day)
		if got := signers(signatures); err != nil || !slices.Equal(got, tags(c.by)) {
			t.Errorf("%s: addresses are signed by %d, %v, want %d", c.name, got, err, tags(c.by))
		}
	}
}

func newKey(t *testing.T, flags uint16) Key {
	t.Helper()
	dir := t.TempDir()
	k, err := NewKey(dir, "mail.example.org")
	if err != nil {
		t.Fatal(err)
	}
	k.Record.Flags = flags
	return k
}

func tags(keys []Key) []uint16 {
	var all []uint16
	for _, k := range keys {
		all = append(all, k.Record.KeyTag())
	}
	return all
}

func signers(signatures []dns.RR) []uint16 {
	var all []uint16
	for _, rr := range signatures {
		all = append(all, rr.(*dns.RRSIG).KeyTag)
	}
	return all
}

// A zone that is to be signed and has no key is an error that says what to do: unsigned it would be taken for forged.
func TestNoKey(t *testing.T) {
	dir := t.TempDir()
	_, err := NewZones(load(t, strings.ReplaceAll(signed(testTopology), "KEYS", dir)), 1)
	if err == nil || !strings.Contains(err.Error(), "posthouse dns keygen") {
		t.Errorf("NewZones without a key = %v, want the remedy", err)
	}
}
