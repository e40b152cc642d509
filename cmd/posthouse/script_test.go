package main

import (
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"posthouse": func() { os.Exit(run(os.Args[1:], console{os.Stdout, os.Stderr})) },
	})
}

// TestScripts runs the program as a user does: topology, commands and expected output in one file each.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: false,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"await": await},
	})
}

// await repeats a command until it succeeds.
func await(ts *testscript.TestScript, _ bool, args []string) {
	var err error
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = ts.Exec(args[0], args[1:]...); err == nil {
			return
		}
	}
	ts.Fatalf("%v: %v", args, err)
}
