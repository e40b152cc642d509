package measure

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// Table is printed as Markdown with its columns aligned: the first to the left, the others to the right.
type Table struct {
	Head []string
	Rows [][]string
}

// Add appends a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// Print writes the table.
func (t *Table) Print(w io.Writer) {
	widths := t.widths()
	line(w, widths, t.Head)
	fmt.Fprintf(w, "|%s|", strings.Repeat("-", widths[0]+2))
	for _, n := range widths[1:] {
		fmt.Fprintf(w, "%s:|", strings.Repeat("-", n+1))
	}
	fmt.Fprintln(w)
	for _, r := range t.Rows {
		line(w, widths, r)
	}
}

func (t *Table) widths() []int {
	widths := make([]int, len(t.Head))
	for _, r := range append([][]string{t.Head}, t.Rows...) {
		for i, cell := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

func line(w io.Writer, widths []int, cells []string) {
	for i, cell := range cells {
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if i == 0 {
			fmt.Fprintf(w, "| %s%s ", cell, pad)
		} else {
			fmt.Fprintf(w, "| %s%s ", pad, cell)
		}
	}
	fmt.Fprintln(w, "|")
}

// Number prints a figure with three digits that count; what was not measured as a dash.
func Number(f float64) string {
	switch a := math.Abs(f); {
	case math.IsNaN(f):
		return "–"
	case a >= 100:
		return fmt.Sprintf("%.0f", f)
	case a >= 10:
		return fmt.Sprintf("%.1f", f)
	case a >= 1:
		return fmt.Sprintf("%.2f", f)
	}
	return fmt.Sprintf("%.3f", f)
}
