//go:build linux

package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"golang.org/x/sys/unix"

	"posthouse/config"
)

// answering is the address of a server that makes an answer of each question.
func answering(t *testing.T, answer func(packet []byte)) *net.UDPAddr {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buffer := make([]byte, 512)
		for {
			n, from, err := c.ReadFromUDP(buffer)
			if err != nil {
				return
			}
			answer(buffer[:n])
			c.WriteToUDP(buffer[:n], from)
		}
	}()
	t.Cleanup(func() { c.Close(); <-ended })
	return c.LocalAddr().(*net.UDPAddr)
}

// TestSteady has every question answered, and wrong answers found.
func TestSteady(t *testing.T) {
	w := questions(mix)
	for name, row := range map[string]struct {
		answer func(packet []byte)
		want   string // of the error
	}{
		"right":      {func(p []byte) { p[2] |= 0x80 }, ""},
		"no answer":  {func([]byte) {}, "is no answer"},
		"another id": {func(p []byte) { p[0] ^= 0x80 }, "which nobody asked"},
	} {
		t.Run(name, func(t *testing.T) {
			plain := work{w[0]}
			plain[0].answers = 0
			s, err := newSteady(answering(t, row.answer).AddrPort(), plain)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(s.fd)
			s.checked = true
			// So short that all questions fit into the queues of sockets, however slow the machine is.
			promptly(func() { err = s.run(time.Now().Add(20 * time.Millisecond)) })
			switch {
			case row.want == "" && (err != nil || s.open != 0 || s.asked == 0):
				t.Errorf("%d asked, %d open: %v", s.asked, s.open, err)
			case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)):
				t.Errorf("%v, want %q", err, row.want)
			}
		})
	}
}

// TestCrowd loads the topology of many nodes, also with what reload adds.
func TestCrowd(t *testing.T) {
	crowd := template.Must(template.ParseFS(templates, "crowd.yaml.tmpl"))
	b := &bench{}
	p := &server{Kind: b.kinds()[0], Dir: t.TempDir()}
	p.Addr = answering(t, func([]byte) {}).AddrPort()
	for _, more := range []string{"", "        new1 IN A 192.0.2.98\n"} {
		var text strings.Builder
		if err := crowd.Execute(&text, b.settings(p)); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(p.Dir, "crowd.yaml")
		if err := os.WriteFile(file, []byte(text.String()+more), 0o600); err != nil {
			t.Fatal(err)
		}
		topology, err := config.Load(file, config.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(topology.Nodes); n != 1023 || topology.DNS == nil || topology.DNS.Zones[0].Hosts[0].Name != "imap" {
			t.Errorf("%d nodes", n)
		}
	}
}
