// Package importer turns what other programs know of a mail cluster into a topology to start with: the listeners and roles
// of a Stalwart cluster, by its API or from a snapshot, and the frontends and backends of an HAProxy configuration.
//
// A Draft is the topology on its way to paper, in the words of the file, with comments where the source could not say what
// the operator has to. What of the source has no place in it is told beside it, line by line.
package importer

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Draft is a topology to start with.
type Draft struct {
	Head     []string // comments
	Cluster  string
	Roles    []Entry
	Nodes    []Node
	Defaults Keys
	Services []Entry
	TLS      Keys
}

// Entry is a named part: its value is Text, or else its Keys.
type Entry struct {
	Name string
	Text string
	Keys Keys
	Note string // comment behind it
}

// Node is an entry of nodes; one that is Off is written as a comment.
type Node struct {
	Keys Keys
	Note string
	Off  bool
}

// Keys are keys and their values as YAML in one line.
type Keys [][2]string

func (k *Keys) set(key, value string) {
	for i := range *k {
		if (*k)[i][0] == key {
			(*k)[i][1] = value
			return
		}
	}
	*k = append(*k, [2]string{key, value})
}

func (k Keys) flow() string {
	words := make([]string, len(k))
	for i, pair := range k {
		words[i] = pair[0] + ": " + pair[1]
	}
	return "{" + strings.Join(words, ", ") + "}"
}

// Text is the file.
func (d *Draft) Text() string {
	var b strings.Builder
	for _, line := range d.Head {
		fmt.Fprintf(&b, "# %s\n", line)
	}
	fmt.Fprintf(&b, "cluster: %s\n", word(d.Cluster))
	section(&b, "roles", d.Roles)
	b.WriteString("\nnodes:\n")
	for _, n := range d.Nodes {
		off := ""
		if n.Off {
			off = "# "
		}
		fmt.Fprintf(&b, "  %s- %s%s\n", off, n.Keys.flow(), behind(n.Note))
	}
	if len(d.Defaults) > 0 {
		fmt.Fprintf(&b, "\ndefaults: %s\n", d.Defaults.flow())
	}
	section(&b, "services", d.Services)
	if len(d.TLS) > 0 {
		fmt.Fprintf(&b, "\ntls: %s\n", d.TLS.flow())
	}
	return b.String()
}

func section(b *strings.Builder, name string, entries []Entry) {
	if len(entries) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s:\n", name)
	for _, e := range entries {
		text := e.Text
		if text == "" {
			text = e.Keys.flow()
		}
		fmt.Fprintf(b, "  %s: %s%s\n", word(e.Name), text, behind(e.Note))
	}
}

// behind is a comment at the end of a line. A line break in what somebody else wrote must not end it.
func behind(note string) string {
	if note == "" {
		return ""
	}
	return " # " + printable(note)
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
}

var plainWord = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]*$|^[0-9]+(\.[0-9]+){3}$`)

// word is a text as YAML: bare where nobody could take it for anything else.
func word(s string) string {
	if plainWord.MatchString(s) && !slices.Contains([]string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}, strings.ToLower(s)) {
		return s
	}
	quoted, err := json.Marshal(s) // the JSON of a text is YAML
	if err != nil {
		panic(err) // a string
	}
	return string(quoted)
}

func words(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = word(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// named makes a name fit for a topology.
func named(s, otherwise string) string {
	s = strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '-'
	}, s), "-.")
	if s == "" || s == "all" || len(s) > 200 {
		return otherwise
	}
	return s
}

// unique makes a name different from those that are taken.
func unique(name string, taken map[string]bool) string {
	for i, base := 2, name; taken[name]; i++ {
		name = fmt.Sprintf("%s-%d", base, i)
	}
	taken[name] = true
	return name
}

// wellKnown is the built-in service of a port, and whether clients begin with TLS there.
type wellKnown struct {
	name, protocol string
	implicit       bool
}

var byPort = map[uint16]wellKnown{
	25: {"smtp", "smtp", false}, 587: {"submission", "smtp", false}, 465: {"submissions", "smtp", true}, 143: {"imap", "imap", false},
	993: {"imaps", "imap", true}, 110: {"pop3", "pop3", false}, 995: {"pop3s", "pop3", true}, 4190: {"sieve", "sieve", false},
	24: {"lmtp", "lmtp", false}, 443: {"http", "http", true},
}
