package importer

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Stalwart is what a Stalwart cluster says of itself.
type Stalwart struct {
	Listeners []StalwartListener
	Roles     []StalwartRole
	Nodes     []StalwartNode
	Settings  StalwartSettings
}

// StalwartListener is a NetworkListener.
type StalwartListener struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Bind     set    `json:"bind"`
	Protocol string `json:"protocol"`
	Implicit bool   `json:"tlsImplicit"`
	Trusted  set    `json:"overrideProxyTrustedNetworks"`
}

// StalwartRole is a ClusterRole.
type StalwartRole struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	Tasks     variant `json:"tasks"`
	Listeners variant `json:"listeners"`
}

// StalwartNode is a ClusterNode: an inventory, in which a crashed node stays for up to an hour.
type StalwartNode struct {
	Hostname string `json:"hostname"`
	Status   string `json:"status"`
}

// StalwartSettings are those of SystemSettings that matter in front of a cluster.
type StalwartSettings struct {
	Hostname string `json:"defaultHostname"`
	Trusted  set    `json:"proxyTrustedNetworks"`
}

// set is a set ({"value": true}), or a list ({"0": "value"}, or an array), sorted.
type set []string

func (s *set) UnmarshalJSON(text []byte) error {
	var array []string
	if json.Unmarshal(text, &array) == nil {
		*s = array
		return nil
	}
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		switch v := object[key].(type) {
		case string:
			*s = append(*s, v)
		case bool:
			if v {
				*s = append(*s, key)
			}
		}
	}
	return nil
}

// variant is EnableAll, DisableAll, EnableSome or DisableSome, with what it enables or disables.
type variant struct {
	Type string
	Some set
}

func (v *variant) UnmarshalJSON(text []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	for key, value := range fields {
		if key == "@type" {
			if err := json.Unmarshal(value, &v.Type); err != nil {
				return err
			}
		} else if bytes.HasPrefix(bytes.TrimSpace(value), []byte("{")) {
			var some set
			if err := json.Unmarshal(value, &some); err != nil {
				return err
			}
			v.Some = append(v.Some, some...)
		}
	}
	return nil
}

// enables says whether a listener is among those of the role. No variant at all is all of them.
func (v variant) enables(id string) bool {
	switch v.Type {
	case "DisableAll":
		return false
	case "EnableSome":
		return v.lists(id)
	case "DisableSome":
		return !v.lists(id)
	}
	return true
}

func (v variant) lists(id string) bool {
	return slices.ContainsFunc(v.Some, func(s string) bool { return strings.TrimPrefix(s, "#") == id })
}

// ports of a listener, in order, each once.
func (l StalwartListener) ports() (ports []uint16) {
	for _, bind := range l.Bind {
		if a, err := netip.ParseAddrPort(bind); err == nil {
			ports = append(ports, a.Port())
			continue
		}
		_, digits, _ := cutLast(bind, ":")
		if n, err := strconv.ParseUint(digits, 10, 16); err == nil && n > 0 {
			ports = append(ports, uint16(n))
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

func cutLast(s, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):], true
	}
	return s, "", false
}
