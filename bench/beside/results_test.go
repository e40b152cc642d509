//go:build linux

package beside

import (
	"fmt"
	"testing"

	"posthouse/bench/measure"
)

func TestVerdict(t *testing.T) {
	peers := map[string]measure.Figures{"nginx": {10, 12, 11}, "haproxy": {20}}
	for _, tt := range []struct {
		goal Goal
		ours measure.Figures
		want string
	}{
		{Goal{}, measure.Figures{11}, "1.00 "},
		{Goal{Ratio: 1}, measure.Figures{11}, "1.00 met"},
		{Goal{Ratio: 1}, measure.Figures{12, 12, 1}, "1.09 LOST"},
		{Goal{Ratio: 1, To: "haproxy"}, measure.Figures{12}, "0.60 met"},
		{Goal{Most: 5}, measure.Figures{5}, "0.45 met"},
		{Goal{Most: 5}, measure.Figures{6}, "0.55 LOST"},
		{Goal{Ratio: 1, Most: 5}, measure.Figures{6}, "0.55 LOST"},
		{Goal{Ratio: 0.3, Most: 5}, measure.Figures{4}, "0.36 LOST"},
		{Goal{Ratio: 1, Most: 5}, nil, "NaN "},
	} {
		ratio, word := tt.goal.verdict(tt.ours, peers)
		if got := fmt.Sprintf("%.2f %s", ratio, word); got != tt.want {
			t.Errorf("%+v with %v = %q, want %q", tt.goal, tt.ours, got, tt.want)
		}
	}
}

func TestGoalWords(t *testing.T) {
	for _, tt := range []struct {
		goal Goal
		want string
	}{
		{Goal{}, ""},
		{Goal{Ratio: 0.95}, "≤ 0.95"},
		{Goal{Ratio: 0.2, Most: 0.65}, "≤ 0.20, ≤ 0.650 KiB"},
		{Goal{Ratio: 1, To: "haproxy"}, "≤ 1.00 of haproxy"},
		{Goal{Most: 5}, "≤ 5.00 KiB"},
	} {
		if got := tt.goal.words("KiB"); got != tt.want {
			t.Errorf("%+v = %q, want %q", tt.goal, got, tt.want)
		}
	}
}
