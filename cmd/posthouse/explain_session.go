package main

import (
	"fmt"
	"slices"

	"posthouse/config"
	"posthouse/proxy"
	"posthouse/routing"
)

// explainSession is what would become of a session: where it arrives and whether it is let in, as the proxy decides it,
// and then where it is sent, as routing does.
func explainSession(table *routing.Table, q routing.Request) routing.Explanation {
	t := table.Topology()
	service := t.Service(q.Service)
	if service == nil || !service.Live {
		e := routing.Explanation{Service: q.Service, Client: q.Client, Account: q.Account, From: t.Region, Candidates: []routing.Candidate{}}
		e.Steps = []routing.Step{{About: "service", Says: fmt.Sprintf("no node runs %s", q.Service)}}
		return e
	}
	answering := t.Answering(service)
	routed := q
	if answering != nil {
		routed.Service = answering.Name
	}
	e := routing.Explain(table, routed)
	e.Service = q.Service
	e.Steps = slices.Concat(arrival(t, service, answering), e.Steps)
	if answering == nil {
		return e
	}
	if refusal := proxy.Refusal(answering, q.Client); refusal != "" {
		e.Candidates = []routing.Candidate{}
		e.Steps = append(arrival(t, service, answering), routing.Step{About: "client", Says: "may not connect: " + refusal})
	}
	return e
}

// arrival is where clients of the service arrive, and as whose.
func arrival(t *config.Topology, s, answering *config.Service) []routing.Step {
	switch {
	case answering == nil:
		return []routing.Step{{About: "service", Says: s.Name + " is listened for nowhere here; if it were:"}}
	case answering == s:
		return []routing.Step{{About: "service", Says: fmt.Sprintf("%s arrives at %s", s.Name, addresses(s.ListenIn(t.Region)))}}
	}
	return []routing.Step{{About: "service", Says: fmt.Sprintf("%s arrives at %s, where TLS passes through and nothing tells it from %s: it is treated as that",
		s.Name, addresses(s.ListenIn(t.Region)), answering.Name)}}
}
