package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"posthouse/config"
	"posthouse/importer"
)

type importCmd struct {
	Stalwart importStalwartCmd `cmd:"" help:"Listeners, roles and nodes of a Stalwart cluster."`
	HAProxy  importHAProxyCmd  `cmd:"" name:"haproxy" help:"Frontends, backends and servers of a haproxy.cfg."`
}

type importStalwartCmd struct {
	Source    string `arg:"" help:"URL of a server, such as https://mail.example.org; or a file that stalwart-cli snapshot has written; - is standard input."`
	TokenFile string `placeholder:"FILE" help:"Holds an API token of an administrator, or user:password."`
	CA        string `name:"ca" placeholder:"FILE" help:"Authorities that the server's certificate is verified against, where the system's do not do."`
	Cluster   string `placeholder:"NAME" help:"The public name of the cluster; else the one that it says."`
}

func (importStalwartCmd) Help() string {
	return `Prints a topology, which check accepts, and on standard error what it left out. The cluster does not say which role and
region a node has, nor at which address: comments ask for them.

Example: posthouse import stalwart https://mail.example.org --token-file token > topology.yaml
Example: stalwart-cli snapshot NetworkListener ClusterRole ClusterNode SystemSettings | posthouse import stalwart -`
}

func (cmd importStalwartCmd) Run(c console) error {
	if cmd.Cluster != "" && !config.IsHost(cmd.Cluster) {
		return noHost(cmd.Cluster)
	}
	found, err := cmd.read(c)
	if err != nil {
		return err
	}
	draft, left := found.Draft(cmd.Cluster)
	return imported(c, draft, left, "not translated: ")
}

func (cmd importStalwartCmd) read(c console) (*importer.Stalwart, error) {
	if !strings.Contains(cmd.Source, "://") {
		in, err := input(cmd.Source)
		if err != nil {
			return nil, err
		}
		defer in.Close()
		found, err := importer.ReadSnapshot(in)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", cmd.Source, err)
		}
		return found, nil
	}
	token, err := readToken(cmd.TokenFile)
	if err != nil {
		return nil, err
	}
	client, err := trusting(cmd.CA)
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return waiting(c, "asking "+cmd.Source, func() (*importer.Stalwart, error) {
		return (&importer.API{URL: cmd.Source, Token: token, Client: client}).Fetch(ctx)
	})
}

// waiting shows on a terminal that something takes its time.
func waiting[T any](c console, what string, do func() (T, error)) (T, error) {
	step := newProgress(c.err)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for began := time.Now(); ; {
			select {
			case <-done:
				step.end()
				return
			case <-time.After(step.during):
				step.at("%s, %.0f s", what, time.Since(began).Seconds())
			}
		}
	}()
	v, err := do()
	close(done)
	<-ended
	return v, err
}

// trusting is a client that verifies servers against a file of authorities; "" is the system's.
func trusting(ca string) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if ca != "" {
		text, err := os.ReadFile(ca)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s: no certificate in it", ca)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return &http.Client{Transport: transport}, nil
}

// maxToken bounds a token's file.
const maxToken = 64 << 10

// readToken is the first line of a file; "" without one.
func readToken(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxToken))
	if err != nil {
		return "", err
	}
	token, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if token = strings.TrimSpace(token); token == "" {
		return "", fmt.Errorf("%s: no token in it", path)
	}
	return token, nil
}

// input opens a file, or standard input for "-".
func input(path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(os.Stdin), nil
	}
	return os.Open(path)
}

type importHAProxyCmd struct {
	File    string `arg:"" help:"The haproxy.cfg; - is standard input."`
	Cluster string `default:"mail.example.org" placeholder:"NAME" help:"The public name of the cluster."`
}

func (importHAProxyCmd) Help() string {
	return `Prints a topology, which check accepts, and on standard error each line that has no place in it. Frontends on the ports of
mail become the built-in services, the rest services of their own; servers of one address become one node.

Example: posthouse import haproxy /etc/haproxy/haproxy.cfg > topology.yaml`
}

func (cmd importHAProxyCmd) Run(c console) error {
	if !config.IsHost(cmd.Cluster) {
		return noHost(cmd.Cluster)
	}
	in, err := input(cmd.File)
	if err != nil {
		return err
	}
	defer in.Close()
	found, err := importer.ReadHAProxy(in)
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.File, err)
	}
	draft, left, err := found.Draft(cmd.Cluster)
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.File, err)
	}
	return imported(c, draft, left, "not translated: "+cmd.File+":")
}

func noHost(cluster string) error {
	return fmt.Errorf("--cluster takes a host name such as mail.example.org, not %q", cluster)
}

// imported prints a draft, and beside it what has no place in it.
func imported(c console, draft *importer.Draft, left []string, prefix string) error {
	for _, line := range left {
		fmt.Fprintf(c.err, "%s%s\n", prefix, line)
	}
	_, err := io.WriteString(c.out, draft.Text())
	return err
}
