package geodns

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"posthouse/config"
)

// Sources tells how the files look that zones are made of beside the topology: the keys, and the certificates that TLSA speaks of.
// It is another text when one of them is written, comes, or goes; "" without such files.
func Sources(t *config.Topology) string {
	if t.DNS == nil || t.DNS.KeyDir == "" {
		return "" // TLSA is in signed zones only
	}
	var b strings.Builder
	entries, err := os.ReadDir(t.DNS.KeyDir)
	if err != nil {
		fmt.Fprintln(&b, err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "K") { // as all files of keys
			look(&b, filepath.Join(t.DNS.KeyDir, e.Name()))
		}
	}
	for _, c := range t.TLS.Certificates {
		look(&b, c.Cert)
	}
	return b.String()
}

// look writes how a file looks. It follows symbolic links: that is how certbot and Kubernetes change files.
func look(b *strings.Builder, path string) {
	info, err := os.Stat(path)
	if err != nil {
		fmt.Fprintln(b, err)
		return
	}
	fmt.Fprintln(b, path, info.Size(), info.ModTime().UnixNano())
}
