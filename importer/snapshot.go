package importer

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// maxSource bounds what is read of a source. A thousand listeners and nodes are below 1 MiB.
const maxSource = 16 << 20

var errTooLong = fmt.Errorf("longer than %d MiB", maxSource>>20)

// bounded reads no further than maxSource, and says so.
func bounded(r io.Reader) io.Reader { return &limited{r, maxSource} }

type limited struct {
	io.Reader
	left int
}

func (l *limited) Read(b []byte) (int, error) {
	n, err := l.Reader.Read(b)
	if l.left -= n; l.left < 0 {
		return 0, errTooLong
	}
	return n, err
}

// ReadSnapshot reads what stalwart-cli snapshot prints: an operation a line.
func ReadSnapshot(r io.Reader) (*Stalwart, error) {
	s := new(Stalwart)
	lines := bufio.NewScanner(bounded(r))
	lines.Buffer(nil, maxSource)
	known := false
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		var operation struct {
			Object string                     `json:"object"`
			Value  map[string]json.RawMessage `json:"value"`
		}
		if err := json.Unmarshal([]byte(line), &operation); err != nil {
			return nil, fmt.Errorf("line %d: %w: a snapshot has a JSON object a line", n, err)
		}
		for _, id := range slices.Sorted(maps.Keys(operation.Value)) {
			took, err := s.object(operation.Object, id, operation.Value[id])
			if err != nil {
				return nil, fmt.Errorf("line %d: %s %q: %w", n, operation.Object, id, err)
			}
			known = known || took
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if !known {
		return nil, errors.New("no NetworkListener and no ClusterRole in it: stalwart-cli snapshot NetworkListener ClusterRole")
	}
	return s, nil
}

// object takes one over, if it is of a kind that matters here.
func (s *Stalwart) object(kind, id string, value json.RawMessage) (bool, error) {
	switch strings.ToLower(strings.TrimPrefix(kind, "x:")) {
	case "networklistener":
		l := StalwartListener{}
		err := json.Unmarshal(value, &l)
		l.ID = id
		s.Listeners = append(s.Listeners, l)
		return true, err
	case "clusterrole":
		r := StalwartRole{}
		err := json.Unmarshal(value, &r)
		r.ID = id
		s.Roles = append(s.Roles, r)
		return true, err
	case "clusternode":
		n := StalwartNode{}
		err := json.Unmarshal(value, &n)
		s.Nodes = append(s.Nodes, n)
		return true, err
	case "systemsettings":
		return false, json.Unmarshal(value, &s.Settings)
	}
	return false, nil
}
