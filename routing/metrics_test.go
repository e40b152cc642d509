package routing

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"posthouse/config"
)

func TestNodesAreCounted(t *testing.T) {
	drained := node("eu-4", "eu", "imaps")
	drained.State = config.Drain
	top := topology([]*config.Service{service("imaps", "", 4)}, []string{"eu"}, append(nodes(3, "eu", "eu", "imaps"), drained)...)
	registry := prometheus.NewRegistry()
	r := NewRouter(top, noLog)
	r.Metrics = NewMetrics(registry)
	r.SetHealth(target("eu-1"), config.Health{State: config.Down})
	r.SetHealth(target("eu-2"), config.Health{State: config.Up})
	r.Flush()
	expect(t, registry, `
		posthouse_nodes{region="eu",service="imaps",state="disabled"} 0
		posthouse_nodes{region="eu",service="imaps",state="down"} 1
		posthouse_nodes{region="eu",service="imaps",state="drain"} 1
		posthouse_nodes{region="eu",service="imaps",state="failing"} 0
		posthouse_nodes{region="eu",service="imaps",state="recovering"} 0
		posthouse_nodes{region="eu",service="imaps",state="unknown"} 1
		posthouse_nodes{region="eu",service="imaps",state="up"} 1
		# HELP posthouse_region_healthy_ratio Part of a region's weight for a service that can serve now.
		# TYPE posthouse_region_healthy_ratio gauge
		posthouse_region_healthy_ratio{region="eu",service="imaps"} 0.5
	`)
	r.Publish(topology([]*config.Service{service("pop3s", "", 4)}, []string{"us"}))
	if n, err := testutil.GatherAndCount(registry, "posthouse_nodes", "posthouse_region_healthy_ratio"); n != 0 || err != nil {
		t.Errorf("series after all nodes went = %d, %v, want none", n, err)
	}
}

func expect(t *testing.T, registry *prometheus.Registry, want string) {
	t.Helper()
	header := "# HELP posthouse_nodes Nodes of a service in a region, by what probes, file and marks say of them.\n# TYPE posthouse_nodes gauge\n"
	if err := testutil.GatherAndCompare(registry, strings.NewReader(header+want+"\n"), "posthouse_nodes", "posthouse_region_healthy_ratio"); err != nil {
		t.Error(err)
	}
}
