package main

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// TestDockerfile runs the very command with which the image builds the program, and looks at what an image without
// libraries and without a shell needs: a static binary that starts.
func TestDockerfile(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the whole program")
	}
	const root = "../.."
	file, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^RUN (.* go build .*)$`).FindSubmatch(file)
	if command == nil {
		t.Fatal("no RUN line with go build in the Dockerfile")
	}
	binary := filepath.Join(t.TempDir(), "posthouse")
	line := strings.Replace(string(command[1]), "-o /posthouse", "-o "+binary, 1)
	build := exec.CommandContext(t.Context(), "sh", "-c", line)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	if runtime.GOOS == "linux" {
		checkStatic(t, binary)
	}
	out, err := exec.CommandContext(t.Context(), binary, "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "posthouse ") {
		t.Errorf("posthouse version = %q, %v", out, err)
	}
	for _, want := range []string{"FROM scratch", "USER 65532:65532", `ENTRYPOINT ["/posthouse"]`} {
		if !strings.Contains(string(file), want) {
			t.Errorf("the Dockerfile does not say %s", want)
		}
	}
}

// checkStatic fails if the binary asks for a dynamic loader.
func checkStatic(t *testing.T, binary string) {
	t.Helper()
	program, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary is not static: it names a dynamic loader")
		}
	}
}
