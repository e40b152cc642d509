//go:build linux

package beside

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// Options are the flags that all benchmarks have.
type Options struct {
	Rounds  int
	Only    *regexp.Regexp
	Quick   bool
	Profile string // where perf.data is left; empty: measure
	Binary  string // posthouse; empty: build it
	Time    time.Duration
}

// Flags reads the command line, and ends the process if it is wrong.
func Flags() Options {
	var o Options
	flag.IntVar(&o.Rounds, "rounds", 5, "rounds; the figures are their medians")
	only := flag.String("only", "", "only the rows whose name matches this regular expression")
	flag.BoolVar(&o.Quick, "quick", false, "two short rounds: to see that it works, not for figures")
	flag.StringVar(&o.Profile, "profile", "", "profile posthouse with perf under the first row, and leave perf.data here")
	flag.StringVar(&o.Binary, "posthouse", "", "measure this binary; default: built from the tree")
	flag.DurationVar(&o.Time, "time", 1500*time.Millisecond, "how long one measurement takes")
	flag.Parse()
	var err error
	if o.Only, err = regexp.Compile(*only); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if o.Quick {
		o.Rounds, o.Time = 2, 300*time.Millisecond
	}
	return o
}

// Main installs the peers, and runs what prepare makes of a place to work. The process's exit status is 0 whatever the figures are.
func Main[V comparable](o Options, files int, prepare func(*Site) (*Contest[V], error)) {
	install()
	if err := run(o, files, prepare); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run[V comparable](o Options, files int, prepare func(*Site) (*Contest[V], error)) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	site, err := open(o, files)
	if err != nil {
		return err
	}
	defer site.close()
	c, err := prepare(site)
	if err != nil {
		return err
	}
	c.Site, c.results, c.running = site, results{}, map[string]*Server[V]{}
	defer c.close()
	c.leaveOutMissing()
	if o.Profile != "" {
		return c.profile(os.Stdout, o.Profile)
	}
	if err := c.run(ctx); err != nil {
		return err
	}
	c.report(os.Stdout)
	if len(c.broken) > 0 {
		return fmt.Errorf("%d measurements did not work", len(c.broken))
	}
	return nil
}

// install lets bench/install add the peers. Where it cannot, what is here is measured.
func install() {
	module, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return
	}
	script := exec.Command(filepath.Join(filepath.Dir(strings.TrimSpace(string(module))), "bench", "install"))
	script.Stderr = os.Stderr
	script.Run()
}
