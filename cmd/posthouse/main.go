// Command posthouse is the front door of a mail cluster: it reads a topology file, listens for every mail protocol
// that the cluster serves, and sends each connection to the right node of the right region.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/alecthomas/kong"
)

// Exit codes, the same for every command.
const (
	exitFine  = 0
	exitNo    = 1 // the answer is no, or the input is wrong
	exitUsage = 2 // bad usage, or over a budget
)

// program is the command line; each command has a file of its own.
type program struct {
	Serve      serveCmd      `cmd:"" help:"Run the balancer: listen, probe, route, and follow the topology file."`
	Check      checkCmd      `cmd:"" help:"Load a topology file as serve does and say what is wrong with it."`
	Explain    explainCmd    `cmd:"" help:"Say why a client would get this region and this node."`
	Plan       planCmd       `cmd:"" help:"Compare two topology files: what a change does to nodes, capacity and sessions."`
	Import     importCmd     `cmd:"" help:"Make a topology from a Stalwart cluster or a haproxy.cfg."`
	Init       initCmd       `cmd:"" help:"Write a topology to start with."`
	DNS        dnsCmd        `cmd:"" name:"dns" help:"Print records for a zone elsewhere, make keys."`
	Doctor     doctorCmd     `cmd:"" help:"Connect to the nodes as serve would and say what is wrong."`
	Status     statusCmd     `cmd:"" help:"Show what a running balancer knows and does."`
	Drain      drainCmd      `cmd:"" help:"Take a node, region or service out of use, or end the balancer."`
	Resume     resumeCmd     `cmd:"" help:"Take back a drain."`
	Weigh      weighCmd      `cmd:"" help:"Give a node another weight."`
	Reload     reloadCmd     `cmd:"" help:"Have a running balancer read its file now."`
	Kill       killCmd       `cmd:"" help:"End sessions at once."`
	Deny       denyCmd       `cmd:"" help:"Keep clients out for a while."`
	Demo       demoCmd       `cmd:"" help:"Run a three-region cluster of in-process mail nodes on loopback."`
	Completion completionCmd `cmd:"" help:"Print a script for bash, zsh or fish."`
	Man        manCmd        `cmd:"" help:"Print the manual page."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
}

// console is where a command writes for people to read.
type console struct{ out, err io.Writer }

func main() { os.Exit(run(os.Args[1:], console{os.Stdout, os.Stderr})) }

func run(args []string, c console) int {
	out := &output{Writer: c.out}
	c.out = out
	exit := -1
	parser := kong.Must(&program{},
		kong.Name("posthouse"),
		kong.Description("The front door of a mail cluster."),
		kong.Writers(c.out, c.err),
		kong.Exit(func(code int) { exit = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Help(printHelp),
		kong.Bind(c),
	)
	command, err := parser.Parse(args)
	switch {
	case exit >= 0: // --help was printed
		return exit
	case err != nil:
		fmt.Fprintf(c.err, "posthouse: %v\nTry: posthouse --help\n", err)
		return exitUsage
	}
	return exitCode(cmp.Or(command.Run(), out.failed), c)
}

// output is what a command was asked for. If not all of it could be written, on a full disk say, the command has failed, whatever it found.
type output struct {
	io.Writer
	failed error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	o.failed = cmp.Or(o.failed, err)
	return n, err
}

// exitCode says what went wrong, if anything did.
func exitCode(err error, c console) int {
	if err == nil {
		return exitFine
	}
	if !errors.Is(err, errSaid) {
		fmt.Fprintln(c.err, err)
	}
	if errors.As(err, new(overBudget)) {
		return exitUsage
	}
	return exitNo
}

// errSaid ends a command with exitNo when everything that is to be said was said already.
var errSaid = errors.New("said")

// logFlags are the flags of every command that writes a log.
type logFlags struct {
	LogFormat string `enum:"text,json" default:"text" help:"How the log is written: ${enum}."`
	LogLevel  string `enum:"debug,info,warn,error" default:"info" help:"The least that is logged: ${enum}."`
}

func (f logFlags) logger(w *journal) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.LogLevel)); err != nil {
		panic(err) // kong checks the enum
	}
	return slog.New(newLines(w, f.LogFormat == "json", level))
}
