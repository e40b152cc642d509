package main

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// banner is what runs where and what to try, with the files in dir. It leaves a terminal of 24 lines room for the first
// events.
func (c *demoCluster) banner(dir string, chaos time.Duration) string {
	eu, us, ap := c.regions[0], c.regions[1], c.regions[2]
	login := demoUser + ":" + demoPassword
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }

	say("Posthouse demo: 3 regions of 3 nodes (eu-1 to eu-3 ...), each with a balancer.")
	say("%s", c.portTable())
	say("In a second terminal (greetings and the header X-Node name the node):")
	say("  cd %s", shellWord(dir))
	say("  openssl s_client -quiet -connect %s", eu.front.address("imaps"))
	say("  curl -u %s --cacert %s 'imaps://%s/INBOX;UID=1'", login, demoCAFile, eu.front.address("imaps"))
	say("  curl -v -u %s imap://%s/", login, us.front.address("imap"))
	say("  curl -u %s --cacert %s pop3s://%s/1", login, demoCAFile, ap.front.address("pop3s"))
	say("  curl -iu %s --cacert %s https://%s/.well-known/jmap", login, demoCAFile, eu.front.address("jmap"))
	say("  curl -iu %s --cacert %s -T %s \\", login, demoCAFile, demoCAFile)
	say("    https://%s/dav/file/%s/note", us.front.address("webdav"), demoUser)
	say("  curl -u %s --cacert %s https://%s/dav/file/%s/note", login, demoCAFile, ap.front.address("webdav"), demoUser)
	say("  swaks --server %s --to %s@%s --tls", eu.front.address("smtp"), demoUser, demoName)
	say("  the status page, in a browser: http://%s/", eu.front.address(demoAdmin))
	say("  dig @127.0.0.1 -p %d imap.%s +subnet=%s", eu.front[demoDNS], demoName, us.clients)
	say("Edit a weight or a state in %s and watch; %s says more.", demoTopologyFile, demoLogFile)
	say("%s", chaosLine(chaos))
	return b.String()
}

// portTable has a line for each balancer.
func (c *demoCluster) portTable() string {
	var b strings.Builder
	b.WriteString("region")
	for _, f := range fronted {
		fmt.Fprintf(&b, "%6s", f.column)
	}
	for _, r := range c.regions {
		fmt.Fprintf(&b, "\n  %-4s", r.name)
		for _, f := range fronted {
			fmt.Fprintf(&b, "%6d", r.front[f.services[0]])
		}
	}
	return b.String()
}

// shellWord quotes what a shell would take apart.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/._-+,@", r))
	}
	if strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func chaosLine(chaos time.Duration) string {
	if chaos <= 0 {
		return "All nodes stay up (--chaos 0s). Ctrl-C ends it."
	}
	return fmt.Sprintf("Every %s a node dies or freezes for %s. Ctrl-C ends it.", chaos, chaos/2)
}
