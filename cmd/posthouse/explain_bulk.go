package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// maxBulkLine bounds a line of --bulk: an address, a service and an account fit many times over.
const maxBulkLine = 4096

// bulk answers a line for each line of a file: client, service, region, node.
func (a asking) bulk(path string, c console) error { return bulk(path, c, a.line) }

// bulk has each line of a file answered; empty lines and comments say nothing.
func bulk(path string, c console, answer func(words []string, w io.Writer) error) error {
	in, err := input(path)
	if err != nil {
		return err
	}
	defer in.Close()
	out := bufio.NewWriter(c.out)
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, maxBulkLine), maxBulkLine)
	step := newProgress(c.err)
	defer step.end()
	for n := 1; lines.Scan(); n++ {
		step.at("%d lines", n)
		words := strings.Fields(lines.Text())
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if err := answer(words, out); err != nil {
			out.Flush()
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return out.Flush()
}

// line answers for one client.
func (a asking) line(words []string, w io.Writer) error {
	client, err := clientAddress(words[0])
	if err != nil {
		return fmt.Errorf("%q is not an IP address", words[0])
	}
	services := a.services
	if len(words) > 1 {
		if services, err = serviceNamed(a.table.Topology(), words[1]); err != nil {
			return err
		}
	}
	if len(words) > 2 {
		a.account = words[2]
	}
	for _, s := range services {
		e := a.explain(client, s)
		if a.json {
			if err := json.NewEncoder(w).Encode(e); err != nil {
				return err
			}
			continue
		}
		got := answer(e)
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", client, s, got[0], got[1]); err != nil {
			return err
		}
	}
	return nil
}
