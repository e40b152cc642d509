package config

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// kind is what a key may hold. read reports what is wrong with a value and then returns false.
type kind[V any] struct {
	want string // in the operator's words, for "port takes ..., not ..."
	form form
	read func(s scope, n *node) (V, bool)
}

// scalarOf is a kind for one word or number. parse gets the text of a scalar that has one of the tags; its error, if
// it has words, is reported as it is, and else what the kind wants.
func scalarOf[V any](want, tags string, parse func(s scope, text string) (V, error)) kind[V] {
	return kind[V]{want, scalarForm(want, tags), func(s scope, n *node) (V, bool) {
		var zero V
		if n.shape != scalar || !strings.Contains(tags, n.tag) {
			s.wants(n, want+quoteHint(n, tags))
			return zero, false
		}
		v, err := parse(s, n.text)
		if err != nil {
			s.refuse(n, want, err)
			return zero, false
		}
		return v, true
	}}
}

var errWants = errors.New("")

func (s scope) refuse(n *node, want string, err error) {
	if err == errWants {
		s.wants(n, want)
	} else {
		s.errorf(n.position, "%s: %v", s.key, err)
	}
}

// quoteHint helps where YAML took a word for a number or the reverse.
func quoteHint(n *node, tags string) string {
	switch {
	case n.shape != scalar || n.tag == "!!null":
		return ""
	case tags == words:
		return fmt.Sprintf(" (in quotes: %q)", shortened(n.text))
	case n.quoted && n.tag == "!!str" && strings.Contains(tags, "!!int"):
		return " (without quotes)"
	}
	return ""
}

const words, numbers = "!!str", "!!int !!float"

// phrase is any words that satisfy valid, which returns what is wrong.
func phrase(want string, valid func(string) error) kind[string] {
	return scalarOf(want, words, func(_ scope, text string) (string, error) { return text, valid(text) })
}

// path is the name of a file, made relative to the topology.
func path(want string) kind[string] {
	return scalarOf(want, words, func(s scope, text string) (string, error) {
		if text == "" || strings.ContainsRune(text, 0) {
			return "", errWants
		}
		return s.resolve(text), nil
	}).shown(form{"type": "string", "minLength": 1})
}

// existing is the name of a file that has to be there.
func existing(want string) kind[string] {
	file := path(want)
	return kind[string]{want, file.form, func(s scope, n *node) (string, bool) {
		name, ok := file.read(s, n)
		if ok {
			s.files = append(s.files, reference{n.position, s.prefixed(s.key), name})
		}
		return name, ok
	}}
}

// reference is a file that the topology names.
type reference struct {
	position
	key, path string
}

func (l *loader) resolve(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(l.dir, path)
}

var yesNo = scalarOf("true or false", "!!bool", func(_ scope, text string) (bool, error) {
	return strings.EqualFold(text, "true"), nil
})

// whole is a whole number from low to high, in plain digits.
func whole[V int | uint16](low, high V) kind[V] {
	want := fmt.Sprintf("a whole number from %d to %d", low, high)
	return scalarOf(want, "!!int", func(_ scope, text string) (V, error) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < int64(low) || n > int64(high) {
			return 0, errWants
		}
		return V(n), nil
	}).shown(form{"type": "integer", "minimum": low, "maximum": high})
}

// orNone is a kind that also takes the word none, for its zero value.
func orNone[V any](k kind[V]) kind[V] {
	want := k.want + ", or none"
	return kind[V]{want, anyForm(k.form, form{"const": "none"}), func(s scope, n *node) (V, bool) {
		if n.shape == scalar && n.text == "none" {
			var zero V
			return zero, true
		}
		return k.read(s, n)
	}}
}

// number is a number from low to high.
func number(low, high float64) kind[float64] {
	want := fmt.Sprintf("a number from %g to %g", low, high)
	return scalarOf(want, numbers, func(_ scope, text string) (float64, error) {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || f < low || f > high {
			return 0, errWants
		}
		return f, nil
	}).shown(form{"type": "number", "minimum": low, "maximum": high})
}

// duration is a time from low to high, with its unit.
func duration(low, high time.Duration) kind[time.Duration] {
	return durationAs(fmt.Sprintf("a time from %s to %s, such as 30s", plain(low), plain(high)), low, high)
}

func durationAs(want string, low, high time.Duration) kind[time.Duration] {
	return scalarOf(want, words+" "+numbers, func(_ scope, text string) (time.Duration, error) {
		if _, err := strconv.ParseFloat(text, 64); err == nil && text != "0" {
			return 0, fmt.Errorf("%s needs a unit, such as %ss", text, text)
		}
		d, err := time.ParseDuration(text)
		if err != nil || d < low || d > high {
			return 0, errWants
		}
		return d, nil
	}).shown(durationForm)
}

// plain prints a duration without zero units: 10m, not 10m0s.
func plain(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// oneOf is one of some words, each of which stands for a value.
func oneOf[V any](what string, choices ...choice[V]) kind[V] {
	names := make([]string, len(choices))
	for i, c := range choices {
		names[i] = c.word
	}
	want := strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
	return scalarOf(want, words+" !!null !!bool", func(s scope, text string) (V, error) {
		for _, c := range choices {
			if c.word == text {
				return c.value, nil
			}
		}
		var zero V
		if hint := s.loader.suggest(text, names); hint != "" {
			return zero, fmt.Errorf("no %s %q%s", what, shortened(text), hint)
		}
		return zero, errWants
	}).shown(form{"enum": names})
}

type choice[V any] struct {
	word  string
	value V
}

// rate is a number of events in a time.
var rate = scalarOf("a rate such as 50/s, 100/m or 1000/h", words, func(_ scope, text string) (Rate, error) {
	count, unit, found := strings.Cut(text, "/")
	n, err := strconv.Atoi(count)
	per, known := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[unit]
	if !found || err != nil || !known || n < 1 || n > 1e9 || strings.HasPrefix(count, "+") {
		return Rate{}, errWants
	}
	return Rate{n, per}, nil
}).shown(matching(`^[0-9]+/[smh]$`))
