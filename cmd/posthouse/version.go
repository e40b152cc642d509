package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// release is set by the linker where a release is built (see the Makefile).
var release string

type versionCmd struct{}

func (versionCmd) Run(c console) error {
	fmt.Fprintf(c.out, "posthouse %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// version is the release, else what the Go toolchain noted about the source, else "devel".
func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
