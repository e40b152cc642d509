package geodns

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/miekg/dns"
)

// Key is a key of a zone, as BIND's tools keep it: K<zone>.+013+<tag>.key, and .private beside it.
type Key struct {
	Record *dns.DNSKEY
	Path   string // of the public half

	private crypto.Signer // nil: the key is published and signs nothing, as one that is coming or going does
}

// keyTTL is for how long keys, and what the zone above is to know of them, are kept by resolvers: a key has to be
// published that long before it signs.
const keyTTL = 3600

// ReadKeys reads the keys of a zone from a directory. None is no error.
func ReadKeys(dir, zone string) ([]Key, error) {
	zone = dns.CanonicalName(zone)
	paths, err := filepath.Glob(filepath.Join(dir, "K"+zone+"+*.key"))
	if err != nil {
		return nil, fmt.Errorf("keys of zone %q in %s: %w", zone, dir, err)
	}
	var keys []Key
	for _, path := range paths {
		k, err := readKey(path, zone)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func readKey(path, zone string) (Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return Key{}, err
	}
	defer f.Close()
	const maxFile = 64 << 10
	rr, err := dns.ReadRR(io.LimitReader(f, maxFile), path)
	if err != nil {
		return Key{}, err
	}
	record, ok := rr.(*dns.DNSKEY)
	switch {
	case !ok:
		return Key{}, fmt.Errorf("no DNSKEY record in it")
	case dns.CanonicalName(record.Hdr.Name) != zone:
		return Key{}, fmt.Errorf("the key is of %s", record.Hdr.Name)
	case record.Algorithm != dns.ECDSAP256SHA256:
		return Key{}, fmt.Errorf("algorithm %d: only ECDSAP256SHA256 (13) is supported; posthouse dns keygen makes such keys", record.Algorithm)
	}
	record.Hdr = header(zone, dns.TypeDNSKEY, keyTTL)
	k := Key{Record: record, Path: path}
	k.private, err = readPrivate(record, strings.TrimSuffix(path, ".key")+".private")
	return k, err
}

// readPrivate reads the private half. That there is none is no error.
func readPrivate(record *dns.DNSKEY, path string) (crypto.Signer, error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const maxFile = 64 << 10
	private, err := record.ReadPrivateKey(io.LimitReader(f, maxFile), path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	k, ok := private.(*ecdsa.PrivateKey)
	if !ok || !fits(k) {
		return nil, fmt.Errorf("%s: not the other half of the key", path)
	}
	return repeatable{k}, nil
}

// fits says whether a key's halves belong together. The library takes the public one from the record, unseen.
func fits(k *ecdsa.PrivateKey) bool {
	digest := sha256.Sum256([]byte("posthouse"))
	signature, err := repeatable{k}.Sign(nil, digest[:], crypto.SHA256)
	return err == nil && ecdsa.VerifyASN1(&k.PublicKey, digest[:], signature)
}

// repeatable signs the same bytes with the same signature every time (RFC 6979), so that answers can be compared.
type repeatable struct{ *ecdsa.PrivateKey }

func (k repeatable) Sign(_ io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	return k.PrivateKey.Sign(nil, digest, o)
}

// SignsKeys says whether a key is one that the zone above vouches for.
func (k Key) SignsKeys() bool { return k.Record.Flags&dns.SEP != 0 }

// DS is what the zone above is to have of the key.
func (k Key) DS() *dns.DS {
	ds := k.Record.ToDS(dns.SHA256)
	ds.Hdr.Ttl = keyTTL
	return ds
}

// NewKey makes a key for a zone and writes it to a directory. It signs all records of the zone, the keys included:
// with keys that are at hand on every server, two kinds of them protect nothing.
func NewKey(dir, zone string) (Key, error) {
	record := &dns.DNSKEY{
		Hdr:   header(dns.CanonicalName(zone), dns.TypeDNSKEY, keyTTL),
		Flags: dns.ZONE | dns.SEP, Protocol: 3, Algorithm: dns.ECDSAP256SHA256,
	}
	private, err := record.Generate(256)
	if err != nil {
		return Key{}, err
	}
	base := filepath.Join(dir, fmt.Sprintf("K%s+%03d+%05d", record.Hdr.Name, record.Algorithm, record.KeyTag()))
	k := Key{Record: record, Path: base + ".key", private: repeatable{private.(*ecdsa.PrivateKey)}}
	// The private half goes first: a public one alone would be published and sign nothing.
	if err := writeNew(base+".private", 0o600, record.PrivateKeyString(private)); err != nil {
		return Key{}, err
	}
	return k, writeNew(k.Path, 0o644, record.String()+"\n")
}

// writeNew writes a file that must not exist: a key that is overwritten is lost.
func writeNew(path string, mode os.FileMode, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
