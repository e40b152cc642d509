package healthcheck

import (
	"slices"
	"strings"
)

// compareCapabilities names the nodes that announce something else than most of their pool: a client that comes again
// would miss what it has seen.
func compareCapabilities(planned []*planned, outcomes []outcome) (found []Finding) {
	pools := make(map[string]map[string][]int) // by service and capabilities
	var services []string
	for i, o := range outcomes {
		if len(o.capabilities) == 0 {
			continue
		}
		name := planned[i].targets[0].id.Service
		if pools[name] == nil {
			pools[name] = make(map[string][]int)
			services = append(services, name)
		}
		key := strings.Join(o.capabilities, "\n")
		pools[name][key] = append(pools[name][key], i)
	}
	for _, name := range services {
		most := ""
		for key, members := range pools[name] {
			if n := len(pools[name][most]); len(members) > n || len(members) == n && key < most {
				most = key
			}
		}
		usual := strings.Split(most, "\n")
		for i, o := range outcomes {
			if len(o.capabilities) == 0 || planned[i].targets[0].id.Service != name || slices.Equal(o.capabilities, usual) {
				continue
			}
			found = append(found, planned[i].warning(Differs, differing(o.capabilities, usual)))
		}
	}
	return found
}

func differing(has, usual []string) string {
	var words []string
	if more := without(has, usual); more != "" {
		words = append(words, "has "+more)
	}
	if less := without(usual, has); less != "" {
		words = append(words, "lacks "+less)
	}
	return "announces other capabilities than most of its pool: " + strings.Join(words, "; ")
}
