package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"posthouse/config"
)

// TestInitIsAccepted: whatever the size and the mix, check takes the file, it has that many nodes, and every service
// of the mix has one.
func TestInitIsAccepted(t *testing.T) {
	mixes := []map[string]float64{
		nil,
		{"imap": 60, "smtp": 25, "jmap": 12, "webdav": 3},
		{"imap": 1, "pop3": 1, "sieve": 1, "smtp": 1, "submission": 1, "jmap": 1, "webdav": 1},
		{"imap": 1000, "smtp": 0},
		{"jmap": 1},
	}
	want := map[string]string{"imap": "imaps", "smtp": "smtp", "jmap": "jmap", "webdav": "webdav", "submission": "submissions", "pop3": "pop3s", "sieve": "sieve"}
	for model := range initModels {
		for _, nodes := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 50, 99, 100, 1024, 5000} {
			for _, mix := range mixes {
				if model == "unified" && mix != nil || model == "geographic" && nodes < 3 {
					continue
				}
				text, err := initCmd{Model: model, Nodes: nodes, Traffic: mix, Cluster: "mail.example.org"}.topology()
				if err != nil {
					t.Fatalf("%s with %d nodes, %v: %v", model, nodes, mix, err)
				}
				topology, err := config.Parse(config.Source{Path: "t.yaml", Files: []config.File{{Name: "t.yaml", Data: []byte(text)}}}, config.Options{})
				if err != nil {
					t.Fatalf("%s with %d nodes, %v: %v\n%s", model, nodes, mix, err, text)
				}
				if len(topology.Nodes) != nodes {
					t.Errorf("%s has %d nodes, want %d\n%s", model, len(topology.Nodes), nodes, text)
				}
				for protocol := range mix {
					if !topology.Service(want[protocol]).Live {
						t.Errorf("%s with %d nodes, %v: nobody runs %s\n%s", model, nodes, mix, protocol, text)
					}
				}
			}
		}
	}
}

func TestDivide(t *testing.T) {
	for _, c := range []struct {
		n      int
		shares []float64
		want   string
	}{
		{100, []float64{60, 25, 12, 3}, "[60 25 12 3]"},
		{1024, []float64{60, 25, 12, 3}, "[614 256 123 31]"}, // 614.4 256 122.88 30.72
		{10, []float64{60, 25, 12, 3}, "[6 2 1 1]"},          // by remainders alone 6 3 1 0
		{4, []float64{97, 1, 1, 1}, "[1 1 1 1]"},
		{3, []float64{1, 1}, "[2 1]"},
		{2, []float64{1, 1, 1}, "[1 1 0]"},
		{7, []float64{1}, "[7]"},
		{5, []float64{0, 1}, "[1 4]"},
	} {
		if got := fmt.Sprint(divide(c.n, c.shares)); got != c.want {
			t.Errorf("divide(%d, %v) = %s, want %s", c.n, c.shares, got, c.want)
		}
	}
}

// Every part is within one of its share where all shares are large enough, and all parts make the whole.
func TestDivideIsFair(t *testing.T) {
	for seed := range uint64(1000) {
		random := rand.New(rand.NewPCG(seed, 3))
		n, shares, sum := 100+random.IntN(5000), make([]float64, 1+random.IntN(7)), 0.0
		for i := range shares {
			shares[i] = 1 + 10*random.Float64()
			sum += shares[i]
		}
		parts, total := divide(n, shares), 0
		for i, p := range parts {
			total += p
			if exact := float64(n) * shares[i] / sum; float64(p) < exact-1 || float64(p) > exact+1 {
				t.Errorf("divide(%d, %v): part %d is %d, its share %.2f", n, shares, i, p, exact)
			}
		}
		if total != n || slices.Min(parts) < 1 {
			t.Errorf("divide(%d, %v) = %v", n, shares, parts)
		}
	}
}
