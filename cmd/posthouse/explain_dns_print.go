package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

func (a named) print(w io.Writer) {
	fmt.Fprintf(w, "%s asks for %s %s\n\n", a.Client, a.Name, a.Type)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if a.Host == "" {
		fmt.Fprintf(table, "scope\t/0: the answer is the same for all\n")
	} else {
		a.printSteps(table)
	}
	fmt.Fprintf(table, "answer\t%s\n", a.Rcode)
	table.Flush()
	for i, record := range a.Records {
		if i == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, record)
	}
}

// printSteps tells how the region was found.
func (a named) printSteps(w io.Writer) {
	fmt.Fprintf(w, "client\t%s\n", a.Where.place())
	fmt.Fprintf(w, "order\tby %s: %s\n", a.Where.rule(), a.Where.order())
	fmt.Fprintf(w, "scope\t/%d: the largest network around the client with this order\n", a.Scope)
	for _, r := range a.Regions {
		says := r.Says
		if r.Chosen {
			says += " - answered"
		}
		fmt.Fprintf(w, "region\t%s %s\n", r.Region, says)
	}
	for _, address := range a.LeftOut {
		fmt.Fprintf(w, "left out\t%s does not answer, and another address of the region does\n", address)
	}
}

func (w whereabouts) place() string {
	switch {
	case !w.Database:
		return "is anywhere: there is no geoip"
	case w.Merged:
		return "is where geoip has it; explain --config tells where that is"
	case !w.Network.IsValid():
		return "is in no network of geoip"
	}
	words := []string{"is in " + w.Network.String()}
	for _, word := range []string{w.Country, w.Continent} {
		if word != "" {
			words = append(words, word)
		}
	}
	if w.Location != nil {
		at := fmt.Sprintf("at %.4g, %.4g", w.Location[0], w.Location[1])
		if w.Centre {
			at += " (the middle of the country)"
		}
		words = append(words, at)
	}
	return strings.Join(words, ", ")
}

func (w whereabouts) rule() string {
	if w.Pin != "" {
		return w.Rule + " " + w.Pin
	}
	return w.Rule
}

func (w whereabouts) order() string {
	words := make([]string, len(w.Order))
	for i, name := range w.Order {
		words[i] = name
		if len(w.Away) > 0 && w.Away[i] >= 0 {
			words[i] += fmt.Sprintf(" (%.0f km)", w.Away[i])
		}
	}
	return strings.Join(words, ", ")
}

// line answers for one client of many: client, region, rule, scope, what the records say.
func (n *naming) line(words []string, w io.Writer) error {
	client, err := clientAddress(words[0])
	if err != nil {
		return fmt.Errorf("%q is not an IP address", words[0])
	}
	a, err := n.explain(client)
	if err != nil {
		return err
	}
	if n.json {
		return json.NewEncoder(w).Encode(a)
	}
	_, err = fmt.Fprintf(w, "%s\t%s\t%s\t/%d\t%s\n", client, a.region(), a.Where.rule(), a.Scope, strings.Join(a.values(), " "))
	return err
}

func (a named) region() string {
	for _, r := range a.Regions {
		if r.Chosen {
			return r.Region
		}
	}
	return "-"
}

// values is what the records say.
func (a named) values() []string {
	words := make([]string, len(a.Records))
	for i, record := range a.Records {
		words[i] = record[strings.LastIndexByte(record, ' ')+1:]
	}
	return words
}
