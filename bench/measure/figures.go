package measure

import (
	"math"
	"slices"
)

// Figures are what the rounds gave for one thing.
type Figures []float64

// Median is the middle one; of an even number the mean of the middle two; NaN if there is none.
func (f Figures) Median() float64 {
	if len(f) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(f))
	mid := len(s) / 2
	if len(s)%2 == 1 {
		return s[mid]
	}
	return (s[mid-1] + s[mid]) / 2
}

// Spread is how far the rounds lie apart: the largest less the smallest, as a share of the median.
func (f Figures) Spread() float64 {
	if len(f) == 0 {
		return math.NaN()
	}
	return (slices.Max(f) - slices.Min(f)) / f.Median()
}

// Verdict compares the medians of ours with the better of the peers'. Less is better. A goal of 0 is none.
func Verdict(ours Figures, peers []Figures, goal float64) (ratio float64, word string) {
	best := math.NaN()
	for _, p := range peers {
		if m := p.Median(); !(m >= best) && !math.IsNaN(m) { // NaN is not less than anything
			best = m
		}
	}
	ratio = ours.Median() / best
	switch {
	case goal == 0 || math.IsNaN(ratio):
		return ratio, ""
	case math.Round(ratio*100) <= math.Round(goal*100): // as they are printed
		return ratio, "met"
	}
	return ratio, "LOST"
}

// Percentile of sorted values: the one that a share of them does not exceed. 0 if there is none.
func Percentile[T any](sorted []T, share float64) (value T) {
	if len(sorted) == 0 {
		return value
	}
	i := int(math.Ceil(share*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}
