package healthcheck

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"posthouse/wire"
)

// response is the head of a response, as far as a probe cares.
type response struct {
	status int
	line   string // code and reason
	server string
	dav    []string // the values of all DAV fields
}

// parseResponse reads a head more leniently than sessions do: with tls: passthrough its form is the client's affair.
func parseResponse(head []byte) (response, error) {
	line, rest := cutLine(head)
	code, _, _ := bytes.Cut(line[min(len("HTTP/1.1 "), len(line)):], []byte{' '})
	status, err := strconv.Atoi(string(code))
	if err != nil || len(code) != 3 || status < 100 || !plausible(line) || line[8] != ' ' {
		return response{}, errNotHTTP
	}
	a := response{status: status, line: printable(line[9:])}
	for len(rest) > 0 {
		line, rest = cutLine(rest)
		name, value, _ := bytes.Cut(line, []byte{':'})
		switch {
		case a.server == "" && wire.EqualFold(name, "server"):
			a.server = printable(value)
		case wire.EqualFold(name, "dav"):
			a.dav = append(a.dav, printable(value))
		}
	}
	return a, nil
}

func cutLine(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'}), rest
}

// maxPrintable bounds what is kept of a field: a list of DAV classes is about half of it.
const maxPrintable = 256

// printable is a bounded text for logs and pages.
func printable(b []byte) string {
	b = bytes.TrimSpace(b)
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, string(b[:min(len(b), maxPrintable)]))
}

// productOf is the first product of a Server field (RFC 9110, 10.2.4): what follows is what it was built with.
func productOf(server string) string {
	product, _, _ := strings.Cut(server, " ")
	return strings.Replace(product, "/", " ", 1)
}

// announced learns from the answer what the node serves.
func (d *dialogue) announced(a response) {
	good := a.status >= 200 && a.status < 300
	switch {
	case d.ask == ask{"GET", jmapPath}: // the session, where it is, or that one has to log in for it (RFC 8620, 2)
		d.out.capabilities = []string{}
		if a.status < 400 || a.status == 401 {
			d.out.capabilities = []string{"JMAP"}
		}
	case d.ask.method == "OPTIONS" && (good || len(a.dav) > 0): // else it does not say, to somebody who has not logged in
		d.out.capabilities = davClasses(a.dav)
		d.out.undav = len(a.dav) == 0
	}
}

// davClasses are the classes of a DAV header (RFC 4918, 10.1), without the extensions that are named by a URL.
func davClasses(values []string) []string {
	classes := []string{}
	for _, list := range values {
		for class := range strings.SplitSeq(list, ",") {
			if class = strings.TrimSpace(class); class != "" && class[0] != '<' {
				classes = append(classes, "DAV "+strings.ToUpper(class))
			}
		}
	}
	slices.Sort(classes)
	return slices.Compact(classes)
}
