package config

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// buildRecords checks the static records of a zone by parsing them; the name server does it again for itself.
func (b *builder) buildRecords(s scope, z *zoneEntry) {
	n := z.records
	if n == nil {
		return
	}
	if n.tag != "!!str" {
		s.under("records").wants(n, "records in master-file syntax (records: |)")
		return
	}
	z.Records, z.RecordsLine = n.text, n.line
	if n.literal {
		z.RecordsLine++ // the text begins below the "|"
	}
	z.check = &recordCheck{scope: s, zone: z, node: n, indent: b.indentOf(n)}
	z.check.run()
}

// indentOf is how far the lines of a block scalar are indented in the file.
func (l *loader) indentOf(n *node) int {
	if !n.literal {
		return 0
	}
	for _, f := range l.source.Files {
		if f.Name != n.file {
			continue
		}
		lines := bytes.Split(f.Data, []byte("\n"))
		for _, line := range lines[min(n.line, len(lines)):] {
			if text := bytes.TrimLeft(line, " "); len(bytes.TrimSpace(text)) > 0 {
				return len(line) - len(text)
			}
		}
	}
	return 0
}

// recordCheck parses static records and compares them with what the zone has of its own.
type recordCheck struct {
	scope
	zone    *zoneEntry
	node    *node
	indent  int
	refused int
}

// maxRecordMistakes bounds how often the parser is started again behind a mistake, and the search for lines.
const maxRecordMistakes = 50

func (r *recordCheck) run() {
	lines := strings.SplitAfter(r.node.text, "\n")
	if r.directives(lines) {
		return
	}
	for skipped, mistakes := 0, 0; skipped < len(lines) && mistakes < maxRecordMistakes; mistakes++ {
		bad := r.parse(strings.Join(lines[skipped:], ""), skipped)
		if bad == 0 {
			return
		}
		skipped += bad
		for skipped < len(lines) && strings.TrimLeft(lines[skipped], " \t") != lines[skipped] {
			skipped++ // a line that goes on with the owner of the one that was refused
		}
	}
}

// directives refuses what would read other files or make thousands of records out of one line.
func (r *recordCheck) directives(lines []string) bool {
	found := false
	for i, line := range lines {
		word := firstWord(line)
		if word == "$INCLUDE" || word == "$GENERATE" {
			r.errorf(r.at(i+1, 1), "records: %s is not supported: write the records out", word)
			found = true
		}
	}
	return found
}

// firstWord is in capitals.
func firstWord(line string) string {
	for word := range strings.FieldsSeq(line) {
		return strings.ToUpper(word)
	}
	return ""
}

// at is the place in the file of a line and column of the records, from 1.
func (r *recordCheck) at(line, column int) position {
	if !r.node.literal {
		return r.node.position
	}
	return position{r.node.file, r.zone.RecordsLine + line - 1, r.indent + column}
}

// parse reports the first mistake of syntax and returns its line, or 0. skipped lines come before.
func (r *recordCheck) parse(text string, skipped int) int {
	parser := dns.NewZoneParser(strings.NewReader(text), dns.Fqdn(r.zone.Name), "")
	parser.SetDefaultTTL(uint32(r.zone.TTL.Seconds()))
	for record, ok := parser.Next(); ok; record, ok = parser.Next() {
		r.check(record)
		r.zone.parsed = append(r.zone.parsed, record)
	}
	err := parser.Err()
	if err == nil {
		return 0
	}
	message, line, column := parseError(err)
	r.errorf(r.at(skipped+line, column), "records: %s", message)
	return line
}

var atLine = regexp.MustCompile(`^dns: (.*) at line: (\d+):(\d+)$`)

// parseError takes apart what the parser says: `dns: bad A A: "x" at line: 3:12`.
func parseError(err error) (message string, line, column int) {
	m := atLine.FindStringSubmatch(err.Error())
	if m == nil {
		return strings.TrimPrefix(err.Error(), "dns: "), 1, 1
	}
	line, _ = strconv.Atoi(m[2])
	column, _ = strconv.Atoi(m[3])
	return m[1], max(line, 1), max(column, 1)
}

// check refuses records that the zone makes itself, or that do not go with them.
func (r *recordCheck) check(record dns.RR) {
	h := record.Header()
	owner, kind := canonical(h.Name), dns.TypeToString[h.Rrtype]
	apex := owner == r.zone.Name
	switch {
	case !within(owner, r.zone.Name):
		r.refuse(record, "is not in the zone")
	case slices.Contains(ourTypes, h.Rrtype):
		r.refuse(record, "is made here")
	case apex && h.Rrtype == dns.TypeNS:
		r.refuse(record, "is made from nameservers")
	case apex && h.Rrtype == dns.TypeCNAME:
		r.refuse(record, "cannot stand beside the zone's own records (RFC 1034, 3.6.2)")
	case h.Rrtype == dns.TypeDNAME:
		r.refuse(record, "is not supported: write the aliases out as CNAME")
	case h.Class != dns.ClassINET:
		r.refuse(record, "is not of class IN")
	case r.names(owner) && (kind == "A" || kind == "AAAA" || kind == "CNAME"):
		r.refuse(record, "is given by hosts or nameservers already")
	}
}

var ourTypes = []uint16{dns.TypeSOA, dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeNSEC3PARAM, dns.TypeOPT}

func (r *recordCheck) refuse(record dns.RR, why string) {
	if r.refused++; r.refused > maxRecordMistakes {
		return
	}
	h := record.Header()
	owner := canonical(h.Name)
	r.errorf(r.find(owner), "records: %s of %q %s", dns.TypeToString[h.Rrtype], owner, why)
}

// find is the first line that begins with a name. The parser does not tell where a record was.
func (r *recordCheck) find(owner string) position {
	for i, line := range strings.Split(r.node.text, "\n") {
		word, _, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
		if word != "" && r.zone.absolute(word) == owner {
			return r.at(i+1, 1)
		}
	}
	return r.node.position
}

func (z *zoneEntry) absolute(name string) string {
	switch {
	case name == "@":
		return z.Name
	case strings.HasSuffix(name, "."):
		return canonical(name)
	}
	return canonical(name) + "." + z.Name
}

func (r *recordCheck) names(owner string) bool {
	for _, h := range r.zone.Hosts {
		if r.zone.absolute(h.Name) == owner {
			return true
		}
	}
	return slices.ContainsFunc(r.zone.Nameservers, func(n Nameserver) bool { return r.zone.absolute(n.Name) == owner })
}
