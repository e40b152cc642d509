// Package e2e has no code of its own: its tests run the built binary between real servers and real clients.
//
// The script servers installs and runs three Dovecots, two Postfixes, two Cyruses and two Apaches on loopback; the tests
// start posthouse in front of them and talk to it with clients that others wrote: swaks, smtp-source, mbsync, curl,
// sieve-connect, the mail modules of Python and Perl, litmus, openssl, and JMAP, CalDAV, EventSource and WebSocket clients
// of Python and Node.js. Only load that must be counted strictly comes from clients in load_test.go and web_load_test.go.
//
// The tests need root and what `servers install` installs; without them, or with -short, they skip and say why. Those of
// the web (web_*_test.go) skip alone where its servers, or npm's clients, are missing.
// Those of DNS (dns_*_test.go) play the nodes themselves and ask by kdig, delv, dnsperf and through unbound, which validates; E2E_DNS_SECONDS is how long
// the topology is reloaded under dnsperf, 10 unless said.
// E2E=1 installs first (E2E_NO_INSTALL=1: not even then); E2E_RACE=1 builds posthouse with the race detector, E2E_BINARY
// names one that is built already.
package e2e
