package measure

import (
	"math"
	"testing"
)

func TestMedianAndSpread(t *testing.T) {
	for _, tt := range []struct {
		f              Figures
		median, spread float64
	}{
		{Figures{4}, 4, 0},
		{Figures{9, 1, 4}, 4, 2},
		{Figures{4, 8, 2, 6}, 5, 1.2},
	} {
		if m, s := tt.f.Median(), tt.f.Spread(); m != tt.median || s != tt.spread {
			t.Errorf("%v: median %v, spread %v; want %v, %v", tt.f, m, s, tt.median, tt.spread)
		}
	}
	if m := (Figures{}).Median(); !math.IsNaN(m) {
		t.Errorf("the median of nothing is %v", m)
	}
}

func TestPercentile(t *testing.T) {
	sorted := make([]int, 1000)
	for i := range sorted {
		sorted[i] = i + 1
	}
	for share, want := range map[float64]int{0: 1, 0.5: 500, 0.99: 990, 0.999: 999, 1: 1000} {
		if got := Percentile(sorted, share); got != want {
			t.Errorf("Percentile(%v) = %d, want %d", share, got, want)
		}
	}
}

func TestVerdictIsOfWhatIsPrinted(t *testing.T) {
	for _, tt := range []struct {
		ours float64
		goal float64
		want string
	}{
		{9.54, 0.95, "met"}, // 0.95
		{9.56, 0.95, "LOST"},
		{99, 0, ""},
	} {
		if _, word := Verdict(Figures{tt.ours}, []Figures{{12}, nil, {10}}, tt.goal); word != tt.want {
			t.Errorf("%v against 10 and 12 with goal %v: %q, want %q", tt.ours, tt.goal, word, tt.want)
		}
	}
}
