package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

func (completionCmd) Help() string {
	return `Prints a script that completes commands, flags and the words that a flag takes.

Example: posthouse completion bash > /etc/bash_completion.d/posthouse
Example: posthouse completion zsh > "${fpath[1]}/_posthouse"
Example: posthouse completion fish > ~/.config/fish/completions/posthouse.fish`
}

func (cmd completionCmd) Run(c console, app *kong.Kong) error {
	var b strings.Builder
	switch cmd.Shell {
	case "bash":
		bashCompletion(&b, app.Model.Node)
	case "zsh":
		b.WriteString("#compdef posthouse\nautoload -U +X bashcompinit && bashcompinit\n")
		bashCompletion(&b, app.Model.Node)
	case "fish":
		fishCompletion(&b, app.Model.Node)
	}
	_, err := io.WriteString(c.out, b.String())
	return err
}

// children are the commands below a node that people see.
func children(n *kong.Node) (all []*kong.Node) {
	for _, child := range n.Children {
		if child.Type == kong.CommandNode && !child.Hidden {
			all = append(all, child)
		}
	}
	return all
}

// choices are the words that can come next behind a command: commands, flags, and the words of its first argument.
func choices(n *kong.Node) (all []string) {
	for _, child := range children(n) {
		all = append(all, child.Name)
	}
	for _, flag := range flagsOf(n) {
		all = append(all, "--"+flag.Name)
	}
	if len(n.Positional) > 0 && n.Positional[0].Enum != "" {
		all = append(all, n.Positional[0].EnumSlice()...)
	}
	return all
}

func flagsOf(n *kong.Node) (all []*kong.Flag) {
	for _, group := range n.AllFlags(true) {
		all = append(all, group...)
	}
	return all
}

// bashCompletion looks at the words before the cursor: the last command among them says what can follow. Files are what
// bash itself completes, where nothing else fits.
func bashCompletion(b *strings.Builder, root *kong.Node) {
	b.WriteString("_posthouse() {\n\tlocal path='' word i\n\tfor ((i = 1; i < COMP_CWORD; i++)); do\n\t\tcase \"$path ${COMP_WORDS[i]}\" in\n")
	everyCommand(root, nil, func(path []string, _ *kong.Node) {
		if len(path) > 0 {
			fmt.Fprintf(b, "\t\t' %s') path=' %[1]s' ;;\n", strings.Join(path, " "))
		}
	})
	b.WriteString("\t\tesac\n\tdone\n\tword=${COMP_WORDS[COMP_CWORD]}\n\tcase \"$path ${COMP_WORDS[COMP_CWORD-1]}\" in\n")
	everyCommand(root, nil, func(path []string, n *kong.Node) {
		for _, flag := range flagsOf(n) {
			if flag.Enum != "" {
				fmt.Fprintf(b, "\t%q) COMPREPLY=($(compgen -W %q -- \"$word\")); return ;;\n", joined(path)+" --"+flag.Name, strings.Join(flag.EnumSlice(), " "))
			}
		}
	})
	b.WriteString("\tesac\n\tcase \"$path\" in\n")
	everyCommand(root, nil, func(path []string, n *kong.Node) {
		fmt.Fprintf(b, "\t%q) COMPREPLY=($(compgen -W %q -- \"$word\")) ;;\n", joined(path), strings.Join(choices(n), " "))
	})
	b.WriteString("\tesac\n}\ncomplete -o default -F _posthouse posthouse\n")
}

// joined is a path with a space before each word, as the script keeps it.
func joined(path []string) string {
	if len(path) == 0 {
		return ""
	}
	return " " + strings.Join(path, " ")
}

func everyCommand(n *kong.Node, path []string, do func(path []string, n *kong.Node)) {
	do(path, n)
	for _, child := range children(n) {
		everyCommand(child, append(path[:len(path):len(path)], child.Name), do)
	}
}

// fishCompletion has a line for each command and each flag.
func fishCompletion(b *strings.Builder, root *kong.Node) {
	everyCommand(root, nil, func(path []string, n *kong.Node) {
		var names []string
		for _, child := range children(n) {
			names = append(names, child.Name)
		}
		where := "__fish_use_subcommand"
		if len(path) > 0 {
			where = "__fish_seen_subcommand_from " + path[len(path)-1]
		}
		inside := where
		if len(path) > 0 && len(names) > 0 {
			inside += "; and not __fish_seen_subcommand_from " + strings.Join(names, " ")
		}
		for _, child := range children(n) {
			fmt.Fprintf(b, "complete -c posthouse -n %s -f -a %s -d %s\n", fishQuoted(inside), child.Name, fishQuoted(child.Help))
		}
		for _, flag := range flagsOf(n) {
			if len(path) == 0 {
				where = ""
			}
			b.WriteString(fishFlag(where, flag))
		}
		if len(n.Positional) > 0 && n.Positional[0].Enum != "" {
			fmt.Fprintf(b, "complete -c posthouse -n %s -f -a %s\n", fishQuoted(where), fishQuoted(strings.Join(n.Positional[0].EnumSlice(), " ")))
		}
	})
}

func fishFlag(where string, flag *kong.Flag) string {
	line := "complete -c posthouse"
	if where != "" {
		line += " -n " + fishQuoted(where)
	}
	line += " -l " + flag.Name + " -d " + fishQuoted(flag.Help)
	switch {
	case flag.Enum != "":
		line += " -x -a " + fishQuoted(strings.Join(flag.EnumSlice(), " "))
	case !flag.IsBool():
		line += " -r"
	}
	return line + "\n"
}

// fishQuoted is a text in single quotes, inside which fish knows two escapes.
func fishQuoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
