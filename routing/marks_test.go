package routing

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"posthouse/config"
)

func mark(s Subject) Mark                 { return Mark{Subject: s} }
func weight(s Subject, weight int) Mark   { return Mark{Subject: s, Weight: &weight} }
func ofNode(name, service string) Subject { return Subject{Node: name, Service: service} }

// markedTopology has every state of the file.
func markedTopology() *config.Topology {
	all := nodes(3, "eu", "eu", "imaps", "smtp")
	all = append(all, nodes(1, "us", "us", "imaps", "smtp")...)
	all[1].State, all[2].State = config.Drain, config.Disabled
	all[0].Weight, all[0].Weights = 3, map[string]int{"smtp": 7}
	t := topology([]*config.Service{service("imaps", config.LeastSessions, 4), service("smtp", config.LeastSessions, 4)}, []string{"eu", "us", "ap"}, all...)
	t.Regions[2].State = config.Disabled
	return t
}

// says is the states and weights of a topology, a word for each that is not the usual one.
func says(t *config.Topology) string {
	var words []string
	say := func(name string, state config.AdminState) {
		if state != config.Active {
			words = append(words, name+"="+state.String())
		}
	}
	for _, r := range t.Regions {
		say(r.Name, r.State)
	}
	for _, s := range t.Services {
		say(s.Name, s.State)
	}
	for _, n := range t.Nodes {
		say(n.Name, n.State)
		for _, s := range n.Services {
			if n.StateFor(s) != n.State {
				say(n.Name+"/"+s, n.StateFor(s))
			}
			if w := n.WeightFor(s); w != 1 {
				words = append(words, n.Name+"/"+s+"*"+string(rune('0'+w)))
			}
		}
	}
	return strings.Join(words, " ")
}

func TestMarks(t *testing.T) {
	const file = "ap=disabled eu-1/imaps*3 eu-1/smtp*7 eu-2=drain eu-3=disabled"
	for _, row := range []struct {
		name  string
		marks Marks
		want  string
	}{
		{"none", nil, file},
		{"a node", Marks{mark(ofNode("eu-1", ""))}, "ap=disabled eu-1=drain eu-1/imaps*3 eu-1/smtp*7 eu-2=drain eu-3=disabled"},
		{"a disabled node stays so", Marks{mark(ofNode("eu-3", ""))}, file},
		{"so does a service of it", Marks{mark(ofNode("eu-3", "imaps"))}, file},
		{"a service of a node", Marks{mark(ofNode("us-1", "imaps"))}, file + " us-1/imaps=drain"},
		{"a region", Marks{mark(Subject{Region: "us"})}, "us=drain " + file},
		{"a disabled region stays so", Marks{mark(Subject{Region: "ap"})}, file},
		{"a service", Marks{mark(Subject{Service: "smtp"})}, strings.Replace(file, "disabled", "disabled smtp=drain", 1)},
		{"a weight", Marks{weight(ofNode("us-1", ""), 5)}, file + " us-1/imaps*5 us-1/smtp*5"},
		{"the weight of a whole node", Marks{weight(ofNode("eu-1", ""), 0)}, "ap=disabled eu-1/imaps*0 eu-1/smtp*0 eu-2=drain eu-3=disabled"},
		{"the weight of one service", Marks{weight(ofNode("eu-1", "smtp"), 2)}, "ap=disabled eu-1/imaps*3 eu-1/smtp*2 eu-2=drain eu-3=disabled"},
		{"both", Marks{weight(ofNode("eu-1", "smtp"), 2), weight(ofNode("eu-1", ""), 4)}, "ap=disabled eu-1/imaps*4 eu-1/smtp*2 eu-2=drain eu-3=disabled"},
		{"what the file does not have", Marks{mark(ofNode("gone", "")), mark(Subject{Region: "gone"}), mark(Subject{Service: "gone"})}, file},
	} {
		topology := markedTopology()
		if got := says(row.marks.Apply(topology)); got != row.want {
			t.Errorf("%s:\n got %s\nwant %s", row.name, got, row.want)
		}
		if !reflect.DeepEqual(topology, markedTopology()) {
			t.Errorf("%s: the file's topology was changed", row.name)
		}
	}
}

func randomMark() Mark {
	pick := func(of ...string) string { return of[rand.IntN(len(of))] }
	node, service := pick("eu-1", "eu-2", "eu-3", "us-1"), pick("", "imaps", "smtp")
	switch rand.IntN(4) {
	case 0:
		return mark(Subject{Region: pick("eu", "us", "ap")})
	case 1:
		return mark(Subject{Service: pick("imaps", "smtp")})
	case 2:
		return weight(ofNode(node, service), rand.IntN(9))
	}
	return mark(ofNode(node, service))
}

// Marks never make anything laxer than the file, their order does not matter, and what is taken back leaves nothing.
func TestMarksProperties(t *testing.T) {
	for range 500 {
		file := markedTopology()
		var marks Marks
		for range rand.IntN(8) {
			marks = marks.With(randomMark())
		}
		got := marks.Apply(file)
		shuffled := append(Marks(nil), marks...)
		rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if other := shuffled.Apply(file); says(other) != says(got) {
			t.Fatalf("%v\n in another order: %s\n not %s", marks, says(other), says(got))
		}
		for i, n := range got.Nodes {
			for _, s := range n.Services {
				if n.StateFor(s) < file.Nodes[i].StateFor(s) {
					t.Fatalf("%v made %s of %s %s", marks, s, n.Name, n.StateFor(s))
				}
			}
		}
		for i, r := range got.Regions {
			if r.State < file.Regions[i].State {
				t.Fatalf("%v made region %s %s", marks, r.Name, r.State)
			}
		}
		back := marks
		for _, m := range shuffled {
			back = back.Without(m)
		}
		if len(back) != 0 || says(back.Apply(file)) != says(file) {
			t.Fatalf("%v without themselves are %v", marks, back)
		}
	}
}

// A mark is in effect at once, lasts over a reload, and leaves the file's topology as it is.
func TestRouterMarks(t *testing.T) {
	file := one(config.LeastSessions, 4, nodes(2, "n", "eu", "imaps")...)
	r := NewRouter(file, noLog)
	r.SetHealth(config.Target{Node: "n-2", Service: "imaps"}, config.Health{State: config.Up, Version: "1"})
	r.Flush()
	r.Mark(func(m Marks) Marks { return m.With(mark(ofNode("n-1", ""))) })
	check := func(when string) {
		t.Helper()
		table := r.Table()
		if got := walk(table.Route(request(1))); len(got) != 1 || got[0] != "n-2" {
			t.Errorf("%s: candidates %v, want n-2 alone", when, got)
		}
		if table.File().Node("n-1").State != config.Active || table.Topology().Node("n-1").State != config.Drain {
			t.Errorf("%s: the file's topology and the one in effect are mixed up", when)
		}
		if h := table.Health(config.Target{Node: "n-2", Service: "imaps"}); h.Version != "1" {
			t.Errorf("%s: what probes know is lost", when)
		}
	}
	check("marked")
	r.Publish(one(config.LeastSessions, 4, nodes(2, "n", "eu", "imaps")...))
	check("after a reload")
	r.Mark(func(m Marks) Marks { return m.Without(mark(ofNode("n-1", ""))) })
	if got := walk(r.Table().Route(request(1))); len(got) != 2 {
		t.Errorf("taken back: candidates %v, want both", got)
	}
}

// Sessions follow marks of every kind.
func TestMarksSteerSessions(t *testing.T) {
	for _, row := range []struct {
		name, service string
		marks         Marks
		want          string
	}{
		{"nothing", "imaps", nil, "eu-1 us-1"},
		{"node", "imaps", Marks{mark(ofNode("eu-1", ""))}, "us-1"},
		{"service of a node", "imaps", Marks{mark(ofNode("eu-1", "imaps"))}, "us-1"},
		{"other service of a node", "smtp", Marks{mark(ofNode("eu-1", "imaps"))}, "eu-1 us-1"},
		{"region", "imaps", Marks{mark(Subject{Region: "eu"})}, "us-1"},
		{"service", "imaps", Marks{mark(Subject{Service: "imaps"})}, ""},
		{"other service", "smtp", Marks{mark(Subject{Service: "imaps"})}, "eu-1 us-1"},
		{"all nodes", "imaps", Marks{mark(ofNode("eu-1", "")), mark(ofNode("us-1", ""))}, ""},
		{"weight 0", "imaps", Marks{weight(ofNode("eu-1", ""), 0)}, "us-1 eu-1"},
	} {
		table := NewTable(markedTopology(), State{Marks: row.marks})
		got := strings.Join(walk(table.Route(Request{Service: row.service, Client: client(1)})), " ")
		if got != row.want {
			t.Errorf("%s: %s goes to %q, want %q", row.name, row.service, got, row.want)
		}
	}
}
