package geodns

import (
	"cmp"
	"encoding/json"
	"slices"

	"posthouse/config"
	"posthouse/routing"
)

// memory is which targets were down when the program ended last, so that its first answers after a start need not lead to what
// has been down for days. A first probe that succeeds ends it for its target; all other targets begin as up.
type memory struct {
	read bool
	down map[config.Target]bool

	lame  []config.Target // not usable as of the last table, what is only remembered included
	saved []config.Target
	in    string // the state_dir of saved; "": it is nowhere
}

// kept is the file: few targets are down in the long run.
type kept struct {
	Down []config.Target `json:"down"`
}

// recall takes what was kept in a state_dir, once.
func (m *memory) recall(dir string, data []byte) error {
	m.read = true
	if len(data) == 0 {
		return nil
	}
	var k kept
	if err := json.Unmarshal(data, &k); err != nil {
		return err
	}
	m.down = make(map[config.Target]bool, len(k.Down))
	for _, t := range k.Down {
		m.down[t] = true
	}
	m.saved, m.in = k.Down, dir
	return nil
}

// state is a target's, as remembered where no probe has decided yet.
func (m *memory) state(t config.Target, now config.Health) config.HealthState {
	if now.State == config.Unknown && m.down[t] {
		return config.Down
	}
	return now.State
}

// note takes what is to be remembered.
func (m *memory) note(t *routing.Table, fronts map[config.Target]config.Health) {
	m.lame = nil
	take := func(target config.Target, h config.Health) {
		if h.State != config.Unknown {
			delete(m.down, target) // a reload may make it unknown again: then it is another machine of that name
		}
		if !m.state(target, h).Usable() {
			m.lame = append(m.lame, target)
		}
	}
	for _, b := range t.Backends() {
		take(b.Target(), b.Health)
	}
	for target, h := range fronts {
		take(target, h)
	}
	slices.SortFunc(m.lame, func(a, b config.Target) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Service, b.Service))
	})
}

// unsaved is the file as it should be in a state_dir, nil while it is so.
func (m *memory) unsaved(dir string) []byte {
	if !m.read || dir == "" || dir == m.in && slices.Equal(m.lame, m.saved) {
		return nil
	}
	data, err := json.Marshal(kept{Down: append([]config.Target{}, m.lame...)})
	if err != nil {
		panic(err) // names are text
	}
	m.saved, m.in = m.lame, dir
	return data
}
