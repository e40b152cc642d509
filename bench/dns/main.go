//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"posthouse/bench/beside"
)

// bench is one run of this program.
type bench struct {
	site     *beside.Site
	contest  *beside.Contest[variant]
	echo     string // the binary of echo.c
	database string // path of the mmdb; "" if there is none
}

// fewFiles are enough for what nobody opens many of.
const fewFiles = 4096

func main() { beside.Main(beside.Flags(), fewFiles, prepare) }

func prepare(s *beside.Site) (*beside.Contest[variant], error) {
	b := &bench{site: s, echo: filepath.Join(s.Dir, "echo")}
	source, err := sourceOf("ceiling/echo.c")
	if err != nil {
		return nil, err
	}
	if out, err := exec.Command("gcc", "-O2", "-o", b.echo, source).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "gcc: %v: %s\n", err, out) // the ceiling is left out
	}
	if b.database, err = fetchDatabase(s.Dir); err != nil {
		fmt.Fprintf(os.Stderr, "no database, everybody answers for one place: %v\n", err)
	}
	facts := "no database of countries"
	if b.database != "" {
		facts = "database: " + databaseName
	}
	b.contest = &beside.Contest[variant]{
		Kinds: b.kinds(), Templates: templates, Settings: b.settings, Answers: b.answers, Rows: b.rows(), Facts: facts,
	}
	return b.contest, nil
}
