package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"posthouse": func() { os.Exit(run(os.Args[1:], console{os.Stdout, os.Stderr})) },
	})
}

// TestScripts runs the program as a user does: topology, commands and expected output in one file each.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: false})
}
