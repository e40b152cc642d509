package e2e

import (
	"os/exec"
	"testing"
)

// startWithTest starts a program that does not outlive a test run that is broken off: its addresses are the next one's.
func startWithTest(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = endsWithTest()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
}
