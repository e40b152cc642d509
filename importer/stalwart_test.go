package importer

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func draftOf(t *testing.T, s *Stalwart, base string) {
	t.Helper()
	d, left := s.Draft("")
	golden(t, base+".yaml", d.Text())
	golden(t, base+".left", strings.Join(left, "\n")+"\n")
	if _, err := load(d.Text()); err != nil {
		t.Errorf("check says %v of\n%s", err, d.Text())
	}
}

func TestSnapshot(t *testing.T) {
	f, err := os.Open("testdata/stalwart/snapshot.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := ReadSnapshot(f)
	if err != nil {
		t.Fatal(err)
	}
	draftOf(t, s, "testdata/stalwart/snapshot")
}

func TestSnapshotIsNone(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "no NetworkListener and no ClusterRole"},
		{"{}\n", "no NetworkListener and no ClusterRole"},
		{"cluster: a\n", "line 1: "},
		{`{"object":"NetworkListener","value":{"a":[]}}`, `line 1: NetworkListener "a": `},
		{strings.Repeat("\n", maxSource+1), "longer than 16 MiB"},
	} {
		if _, err := ReadSnapshot(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.30q: %v, want %s", c.text, err, c.want)
		}
	}
}

// fake is the management API as far as Fetch goes: it takes the calls of RFC 8620 and answers with a recorded text.
func fake(t *testing.T, token string) *httptest.Server {
	t.Helper()
	answer, err := os.ReadFile("testdata/stalwart/answer.json")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asks struct {
			Using []string
			Calls [][]any `json:"methodCalls"`
		}
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.Header.Get("Authorization") != token:
			w.WriteHeader(http.StatusUnauthorized)
		case r.Method != http.MethodPost || r.URL.Path != "/jmap/":
			w.WriteHeader(http.StatusNotFound)
		case json.Unmarshal(body, &asks) != nil || len(asks.Using) != 2 || asks.Using[1] != "urn:stalwart:jmap" || len(asks.Calls) != 4:
			w.WriteHeader(http.StatusBadRequest)
		default:
			w.Write(answer)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func TestFetch(t *testing.T) {
	for token, header := range map[string]string{"": "", "sw1.abc.def": "Bearer sw1.abc.def", "admin:secret": "Basic YWRtaW46c2VjcmV0"} {
		server := fake(t, header)
		s, err := (&API{URL: server.URL, Token: token, Client: server.Client()}).Fetch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		draftOf(t, s, "testdata/stalwart/answer")
	}
}

func TestFetchFails(t *testing.T) {
	elsewhere := fake(t, "Bearer x")
	moved := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/jmap/", http.StatusTemporaryRedirect))
	defer moved.Close()
	says := func(text string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }))
		t.Cleanup(server.Close)
		return server.URL
	}
	for _, c := range []struct{ url, token, want string }{
		{elsewhere.URL, "y", "401 Unauthorized: --token-file names"},
		{elsewhere.URL + "/other", "x", "404 Not Found: is this the URL"},
		{moved.URL, "x", "307 Temporary Redirect: give the URL that it leads to"}, // the token does not follow
		{"ftp://a", "", "is not the URL of a server"},
		{"mail.example.org", "", "is not the URL of a server"},
		{"http://192.0.2.1", "x", "a token is not sent over http"},
		{says("<html>"), "", "the answer is not JMAP"},
		{says(`{"methodResponses":[["error",{"type":"forbidden"},"a"]]}`), "", "does not answer x:NetworkListener/get: {"},
		{says(`{"methodResponses":[["x:NetworkListener/get",{"list":[[]]},"a"]]}`), "", "x:NetworkListener/get: "},
		{says(strings.Repeat(" ", maxSource+1)), "", "longer than 16 MiB"},
	} {
		if _, err := (&API{URL: c.url, Token: c.token}).Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.url, err, c.want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// FuzzSnapshot: whatever is read becomes a topology that check accepts.
func FuzzSnapshot(f *testing.F) {
	text, err := os.ReadFile("testdata/stalwart/snapshot.ndjson")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ReadSnapshot(strings.NewReader(text))
		if err != nil {
			return
		}
		d, _ := s.Draft("")
		if _, err := load(d.Text()); err != nil {
			t.Errorf("check says %v of\n%s", err, d.Text())
		}
	})
}
