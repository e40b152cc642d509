package e2e

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// What TestMain made ready for every test.
var (
	servers cluster // the servers
	binary  string  // the posthouse that was built
	notHere string  // why the tests cannot run here; "" when they can
	noWeb   string  // why not those with web servers
	noNPM   string  // why not those with clients from npm
	noDNS   string  // why not those with clients of DNS
	noPage  string  // why not those with a browser
	noRules string  // why not those of alert rules
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

// run makes everything ready, runs the tests, takes everything down and prints what happened.
func run(m *testing.M) (code int, err error) {
	began := time.Now()
	if notHere, err = whyNot(); err != nil {
		return 1, err
	}
	if notHere == "" {
		down, unready := prepare()
		if unready != nil {
			return 1, unready
		}
		defer func() { err = errors.Join(err, down(code == 0)) }()
	}
	code = m.Run()
	summary(os.Stdout, time.Since(began))
	if code == 0 {
		err = goleak.Find()
	}
	return code, err
}

// whyNot says why the tests cannot run here; with E2E=1 it installs first what is missing.
func whyNot() (string, error) {
	if testing.Short() {
		return "-short", nil
	}
	if _, err := exec.LookPath("bash"); err != nil {
		return "no bash", nil
	}
	if os.Getenv("E2E") == "1" && os.Getenv("E2E_NO_INSTALL") == "" {
		if out, err := exec.Command("bash", "./servers", "install").CombinedOutput(); err != nil && exitCode(err) != 3 {
			return "", fmt.Errorf("servers install: %w\n%s", err, out)
		}
	}
	if os.Getuid() != 0 {
		return "not root", nil
	}
	var why [6]string
	for i, part := range []string{"mail", "web", "npm", "page", "rules", "dns"} {
		list, err := exec.Command("bash", "./servers", "missing", part).Output()
		if err != nil {
			return "", fmt.Errorf("servers missing %s: %w", part, err)
		}
		if list := strings.TrimSpace(string(list)); list != "" {
			why[i] = "not installed: " + list + " (e2e/servers install)"
		}
	}
	noWeb, noNPM, noPage, noRules, noDNS = why[1], cmp.Or(why[1], why[2]), why[3], why[4], why[5]
	return why[0], nil
}

// prepare builds the program and starts the servers. Both live in one fixed directory: a run that was broken off leaves
// servers behind, and the next one ends them there. After a failure it stays, for its logs.
func prepare() (down func(ok bool) error, err error) {
	dir := filepath.Join(os.TempDir(), "posthouse-e2e")
	unlock, err := lock(dir + ".lock")
	if err != nil {
		return nil, err
	}
	servers = cluster{dir: dir}
	if err := fresh(dir); err != nil {
		return nil, err
	}
	if err := build(filepath.Join(dir, "posthouse")); err != nil {
		return nil, err
	}
	if err := servers.do("up"); err != nil {
		return nil, err
	}
	return func(ok bool) error {
		defer unlock()
		err := servers.do("down")
		if ok && err == nil {
			err = os.RemoveAll(dir)
		}
		return err
	}, nil
}

// build makes the binary, with the race detector if E2E_RACE=1; E2E_BINARY names one that is there already.
func build(path string) error {
	if binary = os.Getenv("E2E_BINARY"); binary != "" {
		return nil
	}
	binary = path
	race := "-race=" + strconv.FormatBool(os.Getenv("E2E_RACE") == "1")
	if out, err := exec.Command("go", "build", race, "-o", path, "../cmd/posthouse").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// fresh ends what an earlier run left and empties its directory.
func fresh(dir string) error {
	if info, err := os.Lstat(dir); err == nil && info.IsDir() {
		if err := servers.do("down"); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Mkdir(dir, 0o755)
}

// lock waits for other runs on this machine: the addresses are the same in all of them.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}
