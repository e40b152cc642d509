//go:build linux

package beside

import (
	"fmt"
	"math"

	"posthouse/bench/measure"
)

// Goal is what our figure of a line may be at most. A part that is 0 is none.
type Goal struct {
	Ratio float64 // to the better of the peers
	To    string  // to this one, not to the better
	Most  float64 // in the line's unit
}

// series are the samples of one line and one kind.
type series struct{ cost, rate, p50, p99, busy measure.Figures }

// results are the series by line and kind.
type results map[[2]string]*series

func (r results) of(line, kind string) *series {
	name := [2]string{line, kind}
	if r[name] == nil {
		r[name] = &series{}
	}
	return r[name]
}

func (r results) add(line, kind string, s Sample) {
	f := r.of(line, kind)
	f.cost = append(f.cost, s.Cost)
	if s.Rate > 0 {
		f.rate = append(f.rate, s.Rate)
		f.p50 = append(f.p50, s.P50)
		f.p99 = append(f.p99, s.P99)
		f.busy = append(f.busy, s.Busy)
	}
}

// verdict compares ours with the peers'.
func (g Goal) verdict(ours measure.Figures, peers map[string]measure.Figures) (ratio float64, word string) {
	var with []measure.Figures
	for name, f := range peers {
		if g.To == "" || g.To == name {
			with = append(with, f)
		}
	}
	ratio, word = measure.Verdict(ours, with, g.Ratio)
	if g.Most > 0 && len(ours) > 0 {
		switch {
		case ours.Median() > g.Most:
			word = "LOST"
		case word == "":
			word = "met"
		}
	}
	return ratio, word
}

// words are the goal as the table says it.
func (g Goal) words(unit string) (words string) {
	if g.Ratio > 0 {
		words = fmt.Sprintf("≤ %.2f", g.Ratio)
		if g.To != "" {
			words += " of " + g.To
		}
	}
	if g.Most > 0 {
		if words != "" {
			words += ", "
		}
		words += fmt.Sprintf("≤ %s %s", measure.Number(g.Most), unit)
	}
	return words
}

func ratioText(ratio float64) string {
	if math.IsNaN(ratio) {
		return "–"
	}
	return fmt.Sprintf("%.2f", ratio)
}

func percent(share float64) string {
	if math.IsNaN(share) {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", share*100)
}
