//go:build linux

package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"posthouse/bench/beside"
)

// bench is one run of this program.
type bench struct {
	site    *beside.Site
	contest *beside.Contest[variant]
	echo    string // the binary of echo.c
	allCity bool   // every row has the database of cities

	countries, cities string // paths of the databases; "" if there is none
}

// fewFiles are enough for what nobody opens many of.
const fewFiles = 4096

func main() {
	city := flag.Bool("city", false, "every row with a database of cities, not only those of loading and memory")
	beside.Main(beside.Flags(), fewFiles, func(s *beside.Site) (*beside.Contest[variant], error) { return prepare(s, *city) })
}

func prepare(s *beside.Site, allCity bool) (*beside.Contest[variant], error) {
	b := &bench{site: s, echo: filepath.Join(s.Dir, "echo"), allCity: allCity}
	source, err := sourceOf("ceiling/echo.c")
	if err != nil {
		return nil, err
	}
	if out, err := exec.Command("gcc", "-O2", "-o", b.echo, source).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "gcc: %v: %s\n", err, out) // the ceiling is left out
	}
	if b.countries, err = countries.fetch(s.Dir); err != nil {
		fmt.Fprintf(os.Stderr, "no database, everybody answers for one place: %v\n", err)
	}
	if b.cities, err = cities.fetch(s.Dir); err != nil {
		fmt.Fprintf(os.Stderr, "no database of cities, that of countries stands in: %v\n", err)
		b.cities = b.countries
	}
	facts := fmt.Sprintf("databases: %s, %s", filepath.Base(b.countries), filepath.Base(b.cities))
	b.contest = &beside.Contest[variant]{
		Kinds: b.kinds(), Templates: templates, Settings: b.settings, Answers: b.answers, Rows: b.rows(), Facts: facts,
	}
	return b.contest, nil
}
