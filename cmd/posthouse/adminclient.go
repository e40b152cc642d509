package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// adminFlags are the flags of every command that asks a running balancer.
type adminFlags struct {
	Admin     string `env:"POSTHOUSE_ADMIN" default:"127.0.0.1:9070" placeholder:"ADDR" help:"The admin API of the balancer: HOST:PORT, https://HOST:PORT or unix:PATH; default ${default}."`
	TokenFile string `env:"POSTHOUSE_TOKEN_FILE" placeholder:"FILE" help:"Holds the token of admin.token_file."`
	AdminCA   string `name:"admin-ca" placeholder:"FILE" help:"Authorities that its certificate is verified against, where the system's do not do."`
}

// adminClient speaks to the admin API of one balancer.
type adminClient struct {
	at, base, token string
	http            *http.Client
}

// maxAnswer bounds what is read of an answer: 65,536 nodes with a long transcript each would be beyond it, 16,384 are not.
const maxAnswer = 256 << 20

func (f adminFlags) client() (*adminClient, error) {
	token, err := readToken(f.TokenFile)
	if err != nil {
		return nil, err
	}
	client, err := trusting(f.AdminCA)
	if err != nil {
		return nil, err
	}
	a := &adminClient{at: f.Admin, token: token, http: client}
	if path, unix := strings.CutPrefix(f.Admin, "unix:"); unix {
		client.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
		a.base = "http://localhost"
		return a, nil
	}
	a.base, err = baseURL(f.Admin)
	if err == nil && token != "" && strings.HasPrefix(a.base, "http://") && !onThisMachine(a.base) {
		err = errors.New("a token is not sent over http to another machine: use https")
	}
	return a, err
}

// baseURL is where HOST:PORT is asked: without TLS on this machine, with TLS anywhere else, as the API has it.
func baseURL(at string) (string, error) {
	base := at
	if !strings.Contains(at, "://") {
		base = "http://" + at
		if !onThisMachine(base) {
			base = "https://" + at
		}
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("--admin takes HOST:PORT, https://HOST:PORT or unix:PATH, not %q", at)
	}
	return strings.TrimSuffix(base, "/"), nil
}

func onThisMachine(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && a.IsLoopback()
}

func (a *adminClient) close() { a.http.CloseIdleConnections() }

// ask makes one request and decodes the answer. An error says what the balancer says.
func (a *adminClient) ask(ctx context.Context, method, path string, query url.Values, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, a.base+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	if a.token != "" {
		request.Header.Set("Authorization", "Bearer "+a.token)
	}
	response, err := a.http.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return fmt.Errorf("no balancer at %s: %w", a.at, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", a.at, err)
	case response.StatusCode >= 300:
		return refusalOf(a.at, response, text)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s is no admin API of a balancer: %w", a.at, err)
	}
	return nil
}

// refusalOf is the problem details of an answer (RFC 9457, 3), or its status.
func refusalOf(at string, response *http.Response, text []byte) error {
	var problem struct{ Detail string }
	if err := json.Unmarshal(text, &problem); err != nil || problem.Detail == "" {
		return fmt.Errorf("%s answers %s", at, response.Status)
	}
	return fmt.Errorf("%s: %s", at, legible(problem.Detail))
}

// legible keeps what others wrote from commanding a terminal.
func legible(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
