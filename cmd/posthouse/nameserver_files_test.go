package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
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

// TestReloadWithADatabaseOfNoUse adds a section dns to a balancer that serves: what is wrong with its databases refuses the reload, and ends
// nothing.
func TestReloadWithADatabaseOfNoUse(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.mmdb")
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "city"})
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := tree.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(empty, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "cluster: mail.example.org\nregions: {here: {addresses: [127.0.0.1]}}\nnodes: [{name: a, address: 127.0.0.1}]\n"
	plain := tableOf(t, text, nil).File()
	named := tableOf(t, text+"dns:\n  listen: [\"127.0.0.1:53\"]\n  geoip: "+empty+"\n  zones: {mail.example.org: {nameservers: {ns1: [127.0.0.1]}}}\n", nil).File()
	named.DNS.Listen = nil
	log := slog.New(slog.DiscardHandler)
	n := newNameServer(log, prometheus.NewRegistry(), routing.NewRouter(plain, log))
	apply := func(topology *config.Topology) error {
		c, err := n.Prepare(topology)
		if err == nil {
			c.Commit()
		}
		return err
	}
	if err := apply(plain); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	if err := apply(named); err == nil || !strings.Contains(err.Error(), empty) {
		t.Errorf("with an empty database Prepare = %v, want an error that names %s", err, empty)
		poll(t, "what it leads to", func() bool { return len(ended) == 1 })
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}
