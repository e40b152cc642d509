package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// testCase is a file of testdata with its comments "# want: ...", "# warn: ..." and "# options: ...".
type testCase struct {
	path    string
	want    []string // what is expected of it: "12:3: message", or "a.yaml:12:3: message" in a directory
	warn    []string
	options Options
}

func testCases(t *testing.T, dir string) []testCase {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []testCase
	for _, e := range entries {
		c := testCase{path: filepath.Join(dir, e.Name())}
		comments := c.path
		if e.IsDir() {
			comments = filepath.Join(c.path, "want")
		}
		data, err := os.ReadFile(comments)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			c.comment(strings.TrimSpace(line))
		}
		all = append(all, c)
	}
	return all
}

func (c *testCase) comment(line string) {
	if want, found := strings.CutPrefix(line, "# want: "); found {
		c.want = append(c.want, want)
	}
	if warn, found := strings.CutPrefix(line, "# warn: "); found {
		c.warn = append(c.warn, warn)
	}
	if options, found := strings.CutPrefix(line, "# options: "); found {
		for _, word := range strings.Fields(options) {
			c.options.Serve = c.options.Serve || word == "serve"
			if region, found := strings.CutPrefix(word, "region="); found {
				c.options.Region = region
			}
		}
	}
}

// said is the problems as the comments have them.
func (c *testCase) said(problems []Problem) []string {
	var all []string
	for _, p := range problems {
		s := strings.ReplaceAll(p.String(), c.path+"/", "")
		all = append(all, strings.ReplaceAll(s, c.path+":", ""))
	}
	return all
}

// Each mistake has its file, and each file says all that is wrong with it.
func TestBad(t *testing.T) {
	cases := testCases(t, "testdata/bad")
	if len(cases) < 60 {
		t.Errorf("%d files in testdata/bad, want 60 or more", len(cases))
	}
	for _, c := range cases {
		t.Run(filepath.Base(c.path), func(t *testing.T) {
			_, err := Load(c.path, c.options)
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("Load = %v, want Problems", err)
			}
			if got := c.said(problems); !slices.Equal(got, c.want) {
				t.Errorf("problems:\n# want: %s\nexpected:\n# want: %s", strings.Join(got, "\n# want: "), strings.Join(c.want, "\n# want: "))
			}
		})
	}
}

// Each file of testdata/good loads, with the warnings that it announces and no others.
func TestGood(t *testing.T) {
	for _, c := range testCases(t, "testdata/good") {
		t.Run(filepath.Base(c.path), func(t *testing.T) {
			topology, err := Load(c.path, c.options)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.said(topology.Warnings); !slices.Equal(got, c.warn) {
				t.Errorf("warnings:\n# warn: %s\nexpected:\n# warn: %s", strings.Join(got, "\n# warn: "), strings.Join(c.warn, "\n# warn: "))
			}
		})
	}
}
