package e2e

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// A webClient is a session that a web server answers directly, and through us in the same way.
type webClient struct {
	name string
	node string // whom it asks directly
	does string // what is compared; litmus says it itself
	run  func(webVisit) (string, error)
}

// webClients are those that can run here.
func webClients(t *testing.T) []webClient {
	clients := []webClient{
		{"litmus", "a1", "", litmus},
		{"curl", "a1", fmt.Sprint(len(curlSteps), " answers"), curlDAV},
		{"python3-caldav", "c1", "a calendar, an event: made, found, read, deleted", pythonCalDAV},
	}
	if noNPM != "" {
		t.Log("without clients from npm: " + noNPM)
		return clients
	}
	return append(clients,
		webClient{"jmap-jam", "c1", "session, mailboxes, a blob there and back, a mailbox made and destroyed", node(t, "jmap.mjs")},
		webClient{"tsdav", "c1", "calendars, an event made, read, changed, deleted", node(t, "caldav.mjs")})
}

// TestWebClients compares what each client gets from a server directly with what it gets through us, line by line: with TLS
// from us to the node, with TLS that ends here, and without TLS.
func TestWebClients(t *testing.T) {
	o := beginWeb(t)
	clients := webClients(t)
	at := map[string]string{"a1": "127.0.1.8", "c1": "127.0.1.6"}
	direct := make(map[string]string) // client and scheme -> result
	users := 0
	visit := func(base string) webVisit {
		users++
		return webVisit{base, fmt.Sprintf("u%d", 1+users%9), t.TempDir()}
	}
	for _, c := range clients {
		for _, port := range []int{plainPort, securePort} {
			result, err := c.session(visit(base(at[c.node], port)))
			if err != nil {
				t.Fatalf("%s directly: %v", c.name, err)
			}
			direct[c.name+scheme(port)] = result
		}
		o.fact(t, "%-14s directly: %s", c.name, cmp.Or(c.does, strings.Join(suite.FindAllString(direct[c.name+"http"], -1), ", ")))
	}
	for _, mode := range []string{"none", "terminate", "reencrypt"} {
		for _, proxy := range []string{"", "v2"} {
			t.Run(strings.TrimSpace(mode+" "+proxy), func(t *testing.T) {
				y := webTopology{tls: mode, proxy: proxy, rest: true}
				serveWeb(t, y)
				same := 0
				for _, c := range clients {
					result, err := c.session(visit(y.base()))
					switch want := direct[c.name+scheme(y.frontPort())]; {
					case err != nil:
						t.Errorf("%s: %v", c.name, err)
					case result != want:
						t.Errorf("%s gets another result through us than directly:\n%s", c.name, differences(want, result))
					default:
						same++
					}
				}
				o.fact(t, "tls: %-9s proxy_protocol: %-4s: %d of %d clients as directly", mode, cmp.Or(proxy, "none"), same, len(clients))
			})
		}
	}
}

// session is a client's session without what differs between two users and two runs.
func (c webClient) session(v webVisit) (string, error) {
	result, err := c.run(v)
	result = strings.NewReplacer(v.base, "BASE", "/"+v.user+"/", "/USER/", `"`+v.user+`"`, `"USER"`).Replace(result)
	return result, err
}

// scheme is that of an address with this port.
func scheme(port int) string { before, _, _ := strings.Cut(base("", port), ":"); return before }

// suite is a line of litmus' result that is about a whole suite.
var suite = regexp.MustCompile(`(?m)^[a-z]+ \d+/\d+$`)

// differences is the lines that differ, and all of them if their number does.
func differences(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	if len(w) != len(g) {
		return "directly\n" + want + "\nthrough us\n" + got
	}
	var b strings.Builder
	for i := range w {
		if w[i] != g[i] {
			fmt.Fprintf(&b, "- %s\n+ %s\n", w[i], g[i])
		}
	}
	return b.String()
}
