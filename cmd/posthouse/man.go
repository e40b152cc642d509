package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

type manCmd struct{}

func (manCmd) Help() string {
	return `Prints the manual page, made from what --help says.

Example: posthouse man | man -l -`
}

func (manCmd) Run(c console, app *kong.Kong) error {
	_, err := io.WriteString(c.out, manual(app.Model.Node))
	return err
}

// manual is the page in the man macros (man(7)).
func manual(root *kong.Node) string {
	var b strings.Builder
	b.WriteString(".TH POSTHOUSE 1\n.SH NAME\nposthouse \\- the front door of a mail cluster\n.SH SYNOPSIS\n")
	for _, n := range children(root) {
		fmt.Fprintf(&b, ".B posthouse\n%s\n.br\n", roff(n.Summary()))
	}
	b.WriteString(".SH DESCRIPTION\n" +
		"Reads the topology of a mail cluster from a file, listens for every mail protocol, and sends each connection to the right node of the right region.\n" +
		".SH COMMANDS\n")
	everyCommand(root, nil, func(path []string, n *kong.Node) {
		if len(path) > 0 {
			manualCommand(&b, path, n)
		}
	})
	b.WriteString(".SH EXIT STATUS\n.TP\n0\nall is well\n.TP\n1\nthe answer is no, or the input is wrong\n.TP\n2\nover a budget, or bad usage\n" +
		".SH SEE ALSO\ndocs/topology.md, docs/operations.md and docs/api.md beside the source\n")
	return b.String()
}

func manualCommand(b *strings.Builder, path []string, n *kong.Node) {
	fmt.Fprintf(b, ".SS posthouse %s\n%s\n", roff(strings.Join(path, " ")), roff(n.Help))
	for _, paragraph := range strings.Split(strings.TrimSpace(n.Detail), "\n\n") {
		if paragraph != "" {
			fmt.Fprintf(b, ".PP\n%s\n", lined(paragraph))
		}
	}
	for _, p := range n.Positional {
		fmt.Fprintf(b, ".TP\n.I %s\n%s\n", roff(p.Summary()), roff(p.Help))
	}
	for _, flag := range n.Flags {
		if flag.Name == "help" {
			continue
		}
		name := "--" + flag.Name
		if !flag.IsBool() {
			name += "=" + flag.FormatPlaceHolder()
		}
		help := flag.Help
		for _, env := range flag.Envs {
			help += " ($" + env + ")"
		}
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(name), roff(help))
	}
}

// lined keeps lists and examples in their lines.
func lined(paragraph string) string {
	lines := strings.Split(paragraph, "\n")
	for i := range lines {
		lines[i] = roff(lines[i])
	}
	return strings.Join(lines, "\n.br\n")
}

// roff escapes what would be a command or an escape of the language.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}
