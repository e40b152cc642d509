package config

import (
	"fmt"
	"maps"
	"slices"
)

// maxGuesses bounds how many words one load compares in search of similar ones: at a microsecond each, a file full of
// unknown names would take longer to explain than to load.
const maxGuesses = 200_000

// suggest is ` (did you mean "access"?)`, or "" where nothing is similar enough.
func (l *loader) suggest(word string, known []string) string {
	if l.guesses += len(known); l.guesses > maxGuesses || len(word) > 100 {
		return ""
	}
	best, distance := "", max(1, len(word)/3)+1
	for _, k := range known {
		d := editDistance(word, k, distance+1)
		if d < distance || d == distance && best != "" && len(best) != len(word) && len(k) == len(word) {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// editDistance is how many letters must be inserted, deleted, replaced or swapped with their neighbour to get from a
// to b, or limit if that many do not do.
func editDistance(a, b string, limit int) int {
	if abs(len(a)-len(b)) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+differ(a[i], b[j]))
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}

func differ(a, b byte) int {
	if a|0x20 == b|0x20 { // letters of another case are the same mistake or none
		return 0
	}
	return 1
}

func abs(n int) int { return max(n, -n) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
