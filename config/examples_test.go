package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// How many nodes run what in the examples, by service.
var examplePools = map[string]string{
	"minimal":                "http 2, imaps 2, jmap 2, pop3s 2, sieve 2, smtp 2, submissions 2, webdav 2",
	"unified":                "http 1024, imaps 1024, jmap 1024, pop3s 1024, sieve 1024, smtp 1024, submissions 1024, webdav 1024",
	"dedicated":              "http 256, imaps 384, jmap 256, pop3s 384, sieve 384, smtp 256, submissions 256, webdav 128",
	"weighted":               "http 192, imaps 512, jmap 192, pop3s 512, sieve 512, smtp 256, submissions 256, webdav 64",
	"paired":                 "http 410, imaps 410, jmap 410, pop3s 410, sieve 410, smtp 409, submissions 409, webdav 205",
	"geographic-by-demand":   "http 256, imaps 512, jmap 256, pop3s 512, sieve 512, smtp 256, submissions 256, webdav 256",
	"geographic-by-function": "http 240, imaps 480, jmap 176, pop3s 480, sieve 480, smtp 192, submissions 176, webdav 64",
	"mixed":                  "archive 1, http 560, imaps 783, jmap 560, pop3s 719, sieve 783, smtp 576, submission 128, submissions 576, webdav 560",
	"three-regions":          "http 12, imaps 12, jmap 12, pop3s 12, sieve 12, smtp 12, submissions 12, webdav 12",
}

func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../examples/*.yaml")
	if err != nil || len(files) != len(examplePools) {
		t.Errorf("examples: %d files, %v; want %d", len(files), err, len(examplePools))
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".yaml")
		t.Run(name, func(t *testing.T) {
			topology, err := Load(f, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := pools(topology); got != examplePools[name] {
				t.Errorf("pools: %s\nwant:  %s", got, examplePools[name])
			}
		})
	}
}

func pools(t *Topology) string {
	count := make(map[string]int)
	for _, n := range t.Nodes {
		for _, s := range n.Services {
			count[s]++
		}
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(count)) {
		all = append(all, fmt.Sprintf("%s %d", name, count[name]))
	}
	return strings.Join(all, ", ")
}

// The regions of the example by demand are as large as they are said to be.
func TestExampleRegions(t *testing.T) {
	for file, want := range map[string]string{
		"geographic-by-demand":   "apac 192, eu 384, us 448",
		"geographic-by-function": "a 384, b 448, c 192",
	} {
		topology, err := Load("../examples/"+file+".yaml", Options{})
		if err != nil {
			t.Fatal(err)
		}
		count := make(map[string]int)
		for _, n := range topology.Nodes {
			count[n.Region]++
		}
		var all []string
		for _, name := range slices.Sorted(maps.Keys(count)) {
			all = append(all, fmt.Sprintf("%s %d", name, count[name]))
		}
		if got := strings.Join(all, ", "); got != want {
			t.Errorf("%s: nodes by region %s, want %s", file, got, want)
		}
	}
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func documentation(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../docs/topology.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// Every example of the documentation is a whole file that loads, but for those that are not a topology.
func TestDocumentationExamples(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]int)
	for _, path := range append(pages, "../README.md") {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, block := range yamlBlock.FindAllStringSubmatch(string(page), -1) {
			seen[filepath.Base(path)]++
			if strings.HasPrefix(block[1], "apiVersion:") {
				continue // for Kubernetes
			}
			if _, err := parse(block[1], Options{}); err != nil {
				t.Errorf("%s, example %d:\n%s\n%v", path, i+1, block[1], err)
			}
		}
	}
	if seen["topology.md"] < 10 || seen["README.md"] < 1 || seen["migrate-haproxy.md"] < 1 || seen["migrate-nginx.md"] < 1 {
		t.Errorf("examples by page: %v", seen)
	}
}

// Every key is documented.
func TestDocumentationKeys(t *testing.T) {
	page := documentation(t)
	for _, keys := range [][]string{
		documentKeys.names(), regionKeys.names(), nodeKeys.names(), serviceKeys.names(),
		dnsKeys.names(), zoneKeys.names(), certificateKeys.names(),
	} {
		for _, key := range keys {
			last := key[strings.LastIndex(key, ".")+1:]
			if !regexp.MustCompile("`[^`]*\\b" + last + "\\b").MatchString(page) {
				t.Errorf("docs/topology.md does not mention %q", key)
			}
		}
	}
}

// parse is Parse of a single file.
func parse(text string, o Options) (*Topology, error) {
	return Parse(Source{Path: "t.yaml", Files: []File{{Name: "t.yaml", Data: []byte(text)}}}, o)
}
