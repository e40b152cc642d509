//go:build linux

package main

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

func main() {
	b := &bench{duration: 1500 * time.Millisecond, streams: 2000, settle: 2 * time.Second}
	flag.IntVar(&b.rounds, "rounds", 5, "rounds; the figures are their medians")
	only := flag.String("only", "", "only the rows whose name matches this regular expression")
	quick := flag.Bool("quick", false, "two short rounds: to see that it works, not for figures")
	profile := flag.String("profile", "", "profile posthouse with perf under the first row, and leave perf.data here")
	flag.StringVar(&b.binary, "posthouse", "", "measure this binary; default: built from the tree")
	flag.Parse()
	var err error
	if b.only, err = regexp.Compile(*only); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if *quick {
		b.rounds, b.duration, b.streams, b.settle = 2, 300*time.Millisecond, 200, 200*time.Millisecond
	}
	install()
	if err := b.run(*profile); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run measures, or profiles.
func (b *bench) run(profile string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer b.close()
	if err := b.prepare(); err != nil {
		return err
	}
	if profile != "" {
		return b.profile(os.Stdout, profile)
	}
	if err := b.measure(ctx); err != nil {
		return err
	}
	b.report(os.Stdout)
	if len(b.broken) > 0 {
		return fmt.Errorf("%d measurements did not work", len(b.broken))
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
