package main

import (
	"strings"

	"github.com/alecthomas/kong"
)

// printHelp is --help. Lists and examples keep their lines, which kong would fill like any paragraph.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if command := ctx.Selected(); command != nil {
		paragraphs := strings.Split(command.Detail, "\n\n")
		for i, p := range paragraphs {
			if hasLines(p) {
				paragraphs[i] = "\t" + strings.ReplaceAll(p, "\n", "\n\t") // as in comments of Go
			}
		}
		command.Detail = strings.Join(paragraphs, "\n\n")
	}
	return kong.DefaultHelpPrinter(options, ctx)
}

// hasLines says whether the lines of a paragraph of help mean something: examples, or a word and what it means, in columns.
func hasLines(paragraph string) bool {
	return strings.HasPrefix(paragraph, "Example: ") || strings.Contains(paragraph, "   ")
}
