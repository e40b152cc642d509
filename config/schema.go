package config

import (
	"encoding/json"
	"strings"
)

// form is a JSON Schema of a value (draft 2020-12): what an editor can know of it. What depends on other parts of the
// file only loading knows.
type form map[string]any

// Schema is the JSON Schema of a topology file, made from the tables that files are read with.
func Schema() []byte {
	top := documentKeys.form()
	top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	top["title"] = "Posthouse topology"
	top["required"] = []string{"cluster", "nodes"}
	text, err := json.MarshalIndent(top, "", "  ")
	if err != nil {
		panic(err) // plain data
	}
	return append(text, '\n')
}

// form is a mapping of these keys and no others.
func (t table[T]) form() form {
	properties := make(form)
	for _, f := range t {
		properties[f.name] = f.form()
	}
	return form{"type": "object", "properties": properties, "additionalProperties": false}
}

// needs says which keys must be there.
func (f form) needs(keys ...string) form { return f.and("required", keys) }

func (f form) and(key string, value any) form {
	next := form{key: value}
	for k, v := range f {
		if k != key {
			next[k] = v
		}
	}
	return next
}

// scalarForm is a word or number by the tags that YAML gives it. A word that is also YAML for a number or for nothing is
// refused or explained by loading, not here.
func scalarForm(want, tags string) form {
	var types []string
	for _, t := range []struct{ tag, name string }{{"!!str", "string"}, {"!!int", "integer"}, {"!!float", "number"}, {"!!bool", "boolean"}} {
		if strings.Contains(tags, t.tag) {
			types = append(types, t.name)
		}
	}
	return form{"type": types, "description": want}
}

// matching is words of a pattern.
func matching(pattern string) form { return form{"type": "string", "pattern": pattern} }

func listForm(item form) form { return form{"type": "array", "items": item, "uniqueItems": true} }

// namedForm is a mapping from names that the operator chose.
func namedForm(value form) form { return form{"type": "object", "additionalProperties": value} }

func anyForm(forms ...form) form { return form{"anyOf": forms} }

var (
	nameForm     = matching(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
	durationForm = anyForm(matching(`^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`), form{"const": 0})
	runsForm     = anyForm(form{"const": "all"}, listForm(matching(`^-?[A-Za-z0-9_][A-Za-z0-9_.-]*$`))) // of a role or node
	serviceForm  = serviceKeys.form()
	addressForm  = anyForm(matching(`.`), form{"type": "array", "minItems": 1, "maxItems": 2, "items": matching(`.`)}) // of a node
	hostForm     = anyForm(listForm(nameForm), form{"type": "object", "properties": form{"any": listForm(nameForm)}, "required": []string{"any"}, "additionalProperties": false})
	zoneForm     = zoneKeys.form().needs("nameservers")
)

// shown is the kind with another form.
func (k kind[V]) shown(f form) kind[V] {
	k.form = f.and("description", k.want)
	return k
}
