package healthcheck

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(topology(t, oneNode), bad)
		b.Metrics = NewMetrics(registry)
		defer b.start()()
		after(13 * time.Second)
		if n := testutil.ToFloat64(b.Metrics.targets.WithLabelValues("smtp", "down")); n != 1 {
			t.Errorf("targets down = %v, want 1", n)
		}
		if n := testutil.ToFloat64(b.Metrics.probes.WithLabelValues("smtp", resultFailed)); n < 3 {
			t.Errorf("failed probes = %v, want 3", n)
		}
		b.Update(topology(t, strings.Replace(oneNode, "[smtp]", "[sieve]", 1)))
		after(20 * time.Second)
		if families, err := registry.Gather(); err != nil || strings.Contains(fmt.Sprint(families), "smtp") {
			t.Errorf("a service that is gone has figures: %v, %v", families, err)
		}
	})
}
