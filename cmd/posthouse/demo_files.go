package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"posthouse/config"
	"posthouse/mailtest"
)

// What the demo has in its directory.
const (
	demoTopologyFile = "topology.yaml"
	demoLogFile      = "balancers.log"
	demoCAFile       = "ca.pem"
	demoCertFile     = "balancer.crt"
	demoKeyFile      = "balancer.key"
)

// demoNames are what clients call a balancer and balancers a node: all of them in each certificate.
var demoNames = []string{demoName, "localhost", "127.0.0.1"}

// directory is where the files are, and what is to be done with it at the end. The topology of an earlier demo has
// ports that need not be free today, and edits that somebody may want to keep; other files of these names may be
// anybody's.
func (cmd demoCmd) directory() (dir string, leave func(), err error) {
	if cmd.Dir == "" {
		dir, err = os.MkdirTemp("", "posthouse-demo-")
		return dir, func() { os.RemoveAll(dir) }, err
	}
	if dir, err = filepath.Abs(cmd.Dir); err != nil {
		return "", nil, err
	}
	for _, name := range []string{demoTopologyFile, demoCAFile, demoCertFile, demoKeyFile} {
		if file := filepath.Join(dir, name); fileExists(file) {
			return "", nil, fmt.Errorf("%s is there already and the demo writes its own: move it away or give another --dir", file)
		}
	}
	return dir, func() {}, os.MkdirAll(dir, 0o755)
}

func fileExists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// write puts certificates and the topology into dir, reads the latter back, and opens the balancers' log.
func (d *demo) write(dir string) (logFile *os.File, err error) {
	if d.ca, err = writeCertificates(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, demoTopologyFile)
	if err := os.WriteFile(path, d.cluster.topology(), 0o644); err != nil {
		return nil, err
	}
	if d.source, err = config.Read(path); err != nil {
		return nil, err
	}
	logFile, err = os.OpenFile(filepath.Join(dir, demoLogFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	d.log = slog.NewTextHandler(logFile, nil)
	return logFile, nil
}

// writeCertificates makes an authority and what the balancers show to clients, and puts both into dir.
func writeCertificates(dir string) (*mailtest.CA, error) {
	ca, err := mailtest.NewCA()
	if err != nil {
		return nil, err
	}
	front, err := ca.Issue(demoNames...)
	if err != nil {
		return nil, err
	}
	cert, key, err := mailtest.PEMPair(front)
	if err != nil {
		return nil, err
	}
	for _, file := range []struct {
		name string
		text []byte
		mode os.FileMode
	}{{demoCAFile, ca.PEM(), 0o644}, {demoCertFile, cert, 0o644}, {demoKeyFile, key, 0o600}} {
		if err := os.WriteFile(filepath.Join(dir, file.name), file.text, file.mode); err != nil {
			return nil, err
		}
	}
	return ca, nil
}
