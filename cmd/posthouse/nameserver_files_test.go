package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"posthouse/config"
	"posthouse/geodns"
	"posthouse/routing"
)

// keysOf is how many keys a server has for the zone, and the zone's serial.
func keysOf(server string) (keys int, serial uint32) {
	m, _, err := (&dns.Client{Timeout: 5 * time.Second}).Exchange(new(dns.Msg).SetQuestion("mail.example.org.", dns.TypeDNSKEY), server)
	if err != nil {
		return 0, 0
	}
	if soa, ok := askDNS(server, "mail.example.org.", dns.TypeSOA, "").(*dns.SOA); ok {
		serial = soa.Serial
	}
	return len(m.Answer), serial
}

// TestServeFollowsKeys has keys come and go beside a topology that stays as it is.
func TestServeFollowsKeys(t *testing.T) {
	s, server, dir := newServed(t, 2), freePort(t), t.TempDir()
	if _, err := geodns.NewKey(dir, "mail.example.org"); err != nil {
		t.Fatal(err)
	}
	s.write(strings.Replace(s.twoRegions(server, ""), "dns:\n", "dns:\n  dnssec: {keys: "+dir+"}\n", 1))
	s.start()
	var first uint32
	poll(t, "an answer", func() bool { keys, serial := keysOf(server); first = serial; return keys == 1 && serial != 0 })

	second, err := geodns.NewKey(dir, "mail.example.org")
	if err != nil {
		t.Fatal(err)
	}
	poll(t, "both keys in a newer zone", func() bool { keys, serial := keysOf(server); return keys == 2 && serial > first })

	bad := filepath.Join(dir, "Kmail.example.org.+013+00001.key")
	if err := os.WriteFile(bad, []byte("mail.example.org. IN TXT key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	poll(t, "a refusal", func() bool { return strings.Contains(s.log.String(), "event=dns-refused") })
	s.balancer.names.look()
	if n := strings.Count(s.log.String(), "event=dns-refused"); n != 1 || !strings.Contains(s.log.String(), bad) {
		t.Errorf("a bad key was said %d times:\n%s", n, s.log.String())
	}
	if keys, _ := keysOf(server); keys != 2 {
		t.Errorf("with a bad key beside them %d keys are left, want 2", keys)
	}

	for _, path := range []string{bad, second.Path} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	poll(t, "the first key alone", func() bool { keys, _ := keysOf(server); return keys == 1 })
}

// TestLookWaitsForAChange has no zones made while a change of the topology is on its way: its serial would be behind theirs.
func TestLookWaitsForAChange(t *testing.T) {
	dir := t.TempDir()
	signed := &config.Topology{DNS: &config.DNS{KeyDir: dir}}
	n := newNameServer(slog.New(slog.DiscardHandler), prometheus.NewRegistry(), routing.NewRouter(signed, slog.New(slog.DiscardHandler)))
	prepare := func() *nameChange {
		c, err := n.Prepare(signed)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	prepare().Commit()
	begun := n.serial
	change := prepare()
	if _, err := geodns.NewKey(dir, "mail.example.org"); err != nil {
		t.Fatal(err)
	}
	if n.look(); n.serial != begun {
		t.Errorf("serial %d while a change is prepared, want %d as before", n.serial.number, begun.number)
	}
	change.Abort()
	if n.look(); n.serial.number <= begun.number {
		t.Errorf("serial %d after the change was aborted, want more than %d", n.serial.number, begun.number)
	}
}

// TestLookTriesAgain has an error that is none of the files'.
func TestLookTriesAgain(t *testing.T) {
	var log lockedBuffer
	dir, state := t.TempDir(), t.TempDir()
	signed := &config.Topology{StateDir: state, DNS: &config.DNS{KeyDir: dir}}
	n := newNameServer(slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry(), routing.NewRouter(signed, slog.New(slog.DiscardHandler)))
	c, err := n.Prepare(signed)
	if err != nil {
		t.Fatal(err)
	}
	c.Commit()
	if _, err := geodns.NewKey(dir, "mail.example.org"); err != nil {
		t.Fatal(err)
	}
	begun := n.zones
	n.serial = serial{} // so that its file is read, which is none
	file := filepath.Join(state, serialFile)
	if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o700)); err != nil {
		t.Fatal(err)
	}
	n.look()
	n.look()
	if said := strings.Count(log.String(), "dns-refused"); said != 1 || n.zones != begun {
		t.Fatalf("the error was said %d times, want once", said)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if n.look(); n.zones == begun {
		t.Error("the zones are not made once they can be")
	}
}

// database writes one with these networks, which are German.
func database(t *testing.T, path string, networks ...string) {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "city", IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range networks {
		_, network, err := net.ParseCIDR(text)
		if err == nil {
			err = tree.Insert(network, mmdbtype.Map{"country_code": mmdbtype.String("DE")})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var file bytes.Buffer
	if _, err := tree.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestReloadWithADatabaseOfNoUse reloads a balancer that serves: what is wrong with a database refuses the reload, and ends nothing.
func TestReloadWithADatabaseOfNoUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "city.mmdb")
	database(t, path)
	plain := "cluster: mail.example.org\nregions: {here: {addresses: [127.0.0.1]}}\nnodes: [{name: a, address: 127.0.0.1}]\n"
	named := plain + "dns:\n  listen: [\"127.0.0.1:53\"]\n  geoip: " + path + "\n  zones: {mail.example.org: {nameservers: {ns1: [127.0.0.1]}}}\n"
	pinned := strings.Replace(named, "addresses: [127.0.0.1]", "addresses: [127.0.0.1], countries: [DE]", 1)
	log := slog.New(slog.DiscardHandler)
	n := newNameServer(log, prometheus.NewRegistry(), routing.NewRouter(tableOf(t, plain, nil).File(), log))
	apply := func(text string) error {
		topology := tableOf(t, text, nil).File()
		if topology.DNS != nil {
			topology.DNS.Listen = nil
		}
		c, err := n.Prepare(topology)
		if err == nil {
			c.Commit()
		}
		return err
	}
	refused := func(text string) {
		t.Helper()
		if err := apply(text); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Prepare = %v, want an error that names %s", err, path)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	taken := func(text string) {
		t.Helper()
		if err := apply(text); err != nil {
			t.Fatal(err)
		}
		poll(t, "a table for its regions", func() bool {
			n.mu.Lock()
			defer n.mu.Unlock()
			return n.topology.DNS == nil || n.placed == n.topology || len(ended) > 0
		})
	}
	taken(plain)
	go func() { ended <- n.Run(ctx) }()
	refused(named)
	database(t, path, "192.0.2.0/24")
	taken(named)
	database(t, path)
	refused(pinned)
	taken(named)
	database(t, path, "192.0.2.0/24")
	taken(pinned)
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}
