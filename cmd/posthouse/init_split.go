package main

import "slices"

// divide splits n by shares, by the method of largest remainders. Nobody with a name is left with nothing if n allows:
// of those that can, who is furthest above its share gives.
func divide(n int, shares []float64) []int {
	sum := 0.0
	for _, s := range shares {
		sum += s
	}
	parts, above := make([]int, len(shares)), make([]float64, len(shares)) // above its exact share
	left := n
	for i, s := range shares {
		exact := float64(n) * s / sum
		parts[i] = int(exact)
		above[i] = float64(parts[i]) - exact
		left -= parts[i]
	}
	give := func(to int) { parts[to]++; above[to]++ }
	for range left {
		give(slices.Index(above, slices.Min(above)))
	}
	for n >= len(parts) && slices.Contains(parts, 0) {
		from := giver(parts, above)
		parts[from]--
		above[from]--
		give(slices.Index(parts, 0))
	}
	return parts
}

// giver is who is furthest above its share and has more than one.
func giver(parts []int, above []float64) int {
	found := -1
	for i, n := range parts {
		if n > 1 && (found < 0 || above[i] > above[found]) {
			found = i
		}
	}
	return found
}

func equal(n int) []float64 { return slices.Repeat([]float64{1}, n) }

// crowd puts roles together, the smallest first, until there are no more of them than nodes.
func crowd(roles []sketchRole, nodes int) [][]sketchRole {
	groups := make([][]sketchRole, len(roles))
	for i, r := range roles {
		groups[i] = []sketchRole{r}
	}
	for len(groups) > nodes {
		i := smallest(groups, -1)
		j := smallest(groups, i)
		if i > j {
			i, j = j, i
		}
		groups[i] = append(groups[i], groups[j]...)
		groups = slices.Delete(groups, j, j+1)
	}
	return groups
}

// smallest is the index of the last group with the smallest share, but for one.
func smallest(groups [][]sketchRole, but int) int {
	found := -1
	for i := range groups {
		if i != but && (found < 0 || share(groups[i]) <= share(groups[found])) {
			found = i
		}
	}
	return found
}

func share(group []sketchRole) (sum float64) {
	for _, r := range group {
		sum += r.share
	}
	return sum
}
