package importer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// API is the management API of a Stalwart server.
type API struct {
	URL    string       // of the server: https://mail.example.org
	Token  string       // Bearer, or user:password; "" asks without
	Client *http.Client // nil: http.DefaultTransport
}

// Fetch asks for listeners, roles, nodes and settings in one request (RFC 8620, 3.3).
func (a *API) Fetch(ctx context.Context) (*Stalwart, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := a.request(ctx)
	if err != nil {
		return nil, err
	}
	client := http.Client{}
	if a.Client != nil {
		client = *a.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // the token is for this server
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s%s", request.URL, response.Status, remedy(response.StatusCode))
	}
	text, err := io.ReadAll(bounded(response.Body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", request.URL, err)
	}
	return readResponses(text)
}

func remedy(status int) string {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return ": --token-file names a file with an API token, or user:password, of an administrator"
	case status >= 300 && status < 400:
		return ": give the URL that it leads to"
	case status == http.StatusNotFound:
		return ": is this the URL of a Stalwart server with JMAP?"
	}
	return ""
}

var asked = []string{"x:NetworkListener/get", "x:ClusterRole/get", "x:ClusterNode/get", "x:SystemSettings/get"}

func (a *API) request(ctx context.Context) (*http.Request, error) {
	to, err := url.Parse(a.URL)
	if err != nil || to.Host == "" || to.Scheme != "https" && to.Scheme != "http" {
		return nil, fmt.Errorf("%q is not the URL of a server, such as https://mail.example.org", a.URL)
	}
	if to.Scheme == "http" && a.Token != "" && !loopback(to.Hostname()) {
		return nil, errors.New("a token is not sent over http: use https")
	}
	if to.Path == "" || to.Path == "/" {
		to.Path = "/jmap/"
	}
	calls := make([][3]any, len(asked))
	for i, method := range asked {
		calls[i] = [3]any{method, map[string]any{"ids": nil}, method}
	}
	body, err := json.Marshal(map[string]any{"using": []string{"urn:ietf:params:jmap:core", "urn:stalwart:jmap"}, "methodCalls": calls})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if user, password, basic := strings.Cut(a.Token, ":"); basic {
		request.SetBasicAuth(user, password)
	} else if a.Token != "" {
		request.Header.Set("Authorization", "Bearer "+a.Token)
	}
	return request, nil
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// readResponses takes the objects of each method's answer. Listeners are needed; the rest may be denied.
func readResponses(text []byte) (*Stalwart, error) {
	var answer struct {
		Responses [][3]json.RawMessage `json:"methodResponses"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("the answer is not JMAP: %w", err)
	}
	s, listeners := new(Stalwart), false
	for _, response := range answer.Responses {
		var method string
		if err := json.Unmarshal(response[0], &method); err != nil {
			return nil, fmt.Errorf("the answer is not JMAP: %w", err)
		}
		if method == "error" {
			continue
		}
		if err := s.list(strings.TrimSuffix(method, "/get"), response[1]); err != nil {
			return nil, fmt.Errorf("%s: %w", method, err)
		}
		listeners = listeners || method == asked[0]
	}
	if !listeners {
		return nil, fmt.Errorf("the server does not answer %s: %s", asked[0], shortened(text))
	}
	return s, nil
}

func (s *Stalwart) list(kind string, arguments json.RawMessage) error {
	var found struct {
		List []json.RawMessage `json:"list"`
	}
	if err := json.Unmarshal(arguments, &found); err != nil {
		return err
	}
	for _, object := range found.List {
		var its struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(object, &its); err != nil {
			return err
		}
		if _, err := s.object(kind, its.ID, object); err != nil {
			return err
		}
	}
	return nil
}

func shortened(text []byte) string {
	const most = 200
	if len(text) > most {
		return printable(string(text[:most])) + "..."
	}
	return printable(string(text))
}
