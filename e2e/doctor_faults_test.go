package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A fault is what is done to an instance: further lines of a configuration, or a certificate that ends so long from now.
type fault struct {
	instance, file, lines string
	ends                  time.Duration
}

// faulty starts instances anew with their faults, and without them when the test ends.
func faulty(t *testing.T, faults ...fault) {
	t.Helper()
	var instances []string
	for _, f := range faults {
		instances = append(instances, f.instance)
	}
	anew := func() {
		for _, command := range []string{"kill9", "start"} {
			if err := servers.do(command, instances...); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(anew) // after the cleanups below
	for _, f := range faults {
		if f.file == "" {
			certify(t, f)
			continue
		}
		more := filepath.Join(servers.dir, f.instance, f.file+".more")
		t.Cleanup(func() { os.Remove(more) })
		replace(t, more, f.lines+"\n")
	}
	anew()
}

// certify gives an instance another certificate until the test ends.
func certify(t *testing.T, f fault) {
	t.Helper()
	dir := filepath.Join(servers.dir, "tls")
	for _, ending := range []string{".crt", ".key"} {
		path := filepath.Join(dir, f.instance+ending)
		was, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { replace(t, path, string(was)) })
	}
	issueUntil(t, dir, f.instance, f.instance, time.Now().Add(f.ends))
}

// TestDoctorFaults has real servers each with a fault of its own, and all of them named, and nothing else.
//
// A ban that closes at once is Dovecot's: so it treats whom it does not trust at a port with PROXY headers, whatever they
// send. Postfix says a ban in words.
func TestDoctorFaults(t *testing.T) {
	o := begin(t)
	faulty(t,
		fault{instance: "d1", file: "dovecot.conf", lines: "haproxy_trusted_networks = 192.0.2.0/24"},
		fault{instance: "d2", file: "dovecot.conf", lines: "imap_capability = +X-OTHER"},
		fault{instance: "d3", ends: -time.Hour},
		fault{instance: "p1", ends: 7 * 24 * time.Hour},
		fault{instance: "p2", file: "main.cf", lines: "smtpd_delay_reject = no\nsmtpd_client_restrictions = check_client_access inline:{ {" + source + " = REJECT you are banned} }"},
	)
	for _, proxy := range []string{"none", "v1", "v2"} {
		want := map[string][]string{"d2 imap": {"capabilities-differ"}, "d2 imaps": {"capabilities-differ"}}
		for _, s := range servedBy("d3") {
			if s != "lmtp" { // no client encrypts there
				want["d3 "+s] = []string{"certificate-expired"}
			}
			if proxy != "none" {
				want["d1 "+s] = []string{"closed-at-once"}
			}
		}
		for _, s := range servedBy("p1") {
			want["p1 "+s] = []string{"certificate-expires"}
			want["p2 "+s] = []string{"unhealthy"}
		}
		found := findings(t, topology{proxy: proxy}.String())
		if got := kindsOf(t, found); !maps.EqualFunc(got, want, slices.Equal) {
			t.Errorf("proxy_protocol: %s: found %v, want %v", proxy, got, want)
		}
		for _, f := range found {
			if f.Kind == "unhealthy" && !strings.Contains(f.Says, "refuses: 554 5.7.1 ") {
				t.Errorf("proxy_protocol: %s: %s %v %s, want Postfix's own words", proxy, f.Node, f.Services, f.Says)
			}
		}
	}
	o.fact(t, "named, and nothing else: a ban that closes at once, a ban in words, capabilities that differ, a certificate that has expired, one that expires")
}

// TestDoctorCyrus: well in the clear and by TLS, and each misconfiguration named. It has no port that expects a PROXY header.
func TestDoctorCyrus(t *testing.T) {
	o := beginWeb(t)
	of := func(tls, port, proxy string) string {
		y := webTopology{tls: tls, without: apaches}
		text := strings.ReplaceAll(y.String(), "proxy_protocol: none", "proxy_protocol: "+proxy)
		if port != "" {
			text = strings.NewReplacer("port: 8080", "port: "+port, "port: 8443", "port: "+port).Replace(text)
		}
		return text
	}
	everywhere := func(kinds ...string) map[string][]string {
		all := make(map[string][]string)
		for _, node := range cyruses {
			for _, s := range []string{"jmap", "calendar"} {
				if len(kinds) > 0 {
					all[node+" "+s] = kinds
				}
			}
		}
		return all
	}
	named := func(what, text string, want map[string][]string) {
		t.Helper()
		if got := diagnosis(t, text); !maps.EqualFunc(got, want, slices.Equal) {
			t.Errorf("%s: found %v, want %v", what, got, want)
		}
	}
	named("well in the clear", of("none", "", "none"), everywhere())
	named("well by TLS", of("reencrypt", "", "none"), everywhere())
	named("PROXY v1 sent and not expected", of("none", "", "v1"), everywhere("proxy-not-expected"))
	named("PROXY v2 sent and not expected", of("none", "", "v2"), everywhere("proxy-not-expected"))
	named("the same by TLS", of("reencrypt", "", "v2"), everywhere("proxy-not-expected"))
	named("TLS on a plain port", of("reencrypt", "8080", "none"), everywhere("plain-on-tls-port"))
	named("plain text on a TLS port", of("none", "8443", "none"), everywhere("tls-on-plain-port"))

	faulty(t, fault{instance: "c1", ends: -time.Hour}, fault{instance: "c2", ends: 7 * 24 * time.Hour})
	want := everywhere("certificate-expires")
	want["c1 jmap"] = []string{"certificate-untrusted", "certificate-expired"}
	want["c1 calendar"] = want["c1 jmap"]
	named("certificates at their end", of("reencrypt", "", "none"), want)
	o.fact(t, "named on Cyrus: PROXY not expected, TLS on a plain port and the other way round, a certificate that has expired, one that expires")
}
