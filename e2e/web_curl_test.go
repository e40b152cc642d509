package e2e

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// curlMark is what is worth comparing of an answer's head.
const curlMark = "\n%{http_code} type=%header{content-type} length=%header{content-length} range=%header{content-range} dav=%header{dav} allow=%header{allow}"

// curlSteps are one session of curl with a WebDAV server. In arguments FILE is a file of 2 MB and 7 bytes, DAV the user's
// collection, and BASE the server.
var curlSteps = [][]string{
	{"BASE/"},
	{"--head", "BASE/index.html"},
	{"--http1.0", "--no-alpn", "BASE/index.html"},
	{"--range", "1-3", "BASE/index.html"},
	{"--etag-save", "TAG", "BASE/index.html"},
	{"--etag-compare", "TAG", "BASE/index.html"},
	{"--request", "OPTIONS", "--request-target", "*", "BASE/"},
	{"--request", "OPTIONS", "DAV"},
	{"--request", "MKCOL", "DAVcurl/"},
	{"--upload-file", "FILE", "DAVcurl/length"},
	{"--upload-file", "FILE", "--header", "Expect: 100-continue", "DAVcurl/expect"},
	{"--upload-file", "FILE", "--header", "Transfer-Encoding: chunked", "DAVcurl/chunked"},
	{"--upload-file", "FILE", "--header", "Expect: 100-continue", "--user", "u1:wrong", "DAVcurl/refused"},
	{"DAVcurl/length"},
	{"DAVcurl/chunked"},
	{"--head", "DAVcurl/expect"},
	{"--range", "1000000-1999999", "DAVcurl/expect"},
	{"--request", "COPY", "--header", "Destination: DAVcurl/copied", "DAVcurl/length"},
	{"--request", "MOVE", "--header", "Destination: DAVcurl/moved%20and%20spaced", "DAVcurl/copied"},
	{"DAVcurl/moved%20and%20spaced"},
	{"DAVcurl/copied"},
	{"--request", "FROB", "DAVcurl/length"},
	{"--data", "a=b", "BASE/index.html"},
	{"--request", "DELETE", "DAVcurl/"},
	{"DAVcurl/length"},
	{"BASE/index.html", "BASE/index.html"}, // on one connection
}

// curlDAV is curl's session; its result has a line for each answer.
func curlDAV(v webVisit) (string, error) {
	file := filepath.Join(v.dir, "file")
	data := make([]byte, 2<<20+7)
	rand.Read(data)
	if err := os.WriteFile(file, data, 0o644); err != nil {
		return "", err
	}
	fill := strings.NewReplacer("FILE", file, "DAV", v.base+"/dav/"+v.user+"/", "BASE", v.base, "TAG", filepath.Join(v.dir, "TAG"),
		"u1:wrong", v.user+":wrong")
	var all []string
	for _, step := range curlSteps {
		args := []string{"--user", v.user + ":secret", "--write-out", curlMark}
		for _, arg := range step {
			args = append(args, fill.Replace(arg))
		}
		out, err := curlHTTP(args...)
		if err != nil {
			return "", err
		}
		body, head := out, ""
		if i := strings.LastIndex(out, "\n"); i >= 0 {
			body, head = out[:i], out[i+1:]
		}
		said := fmt.Sprintf("%d bytes", len(body))
		if body == string(data) {
			said = "the file"
		}
		// The answer's own words may have the address in them.
		if strings.Contains(body, "<html>") || step[0] == "--head" {
			said, head = "words", head[:strings.Index(head, " length=")]
		}
		all = append(all, fmt.Sprintf("%s: %s %s", strings.Join(step, " "), head, said))
	}
	return strings.Join(all, "\n"), nil
}
