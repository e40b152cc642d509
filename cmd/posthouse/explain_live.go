package main

import (
	"fmt"
	"net/url"

	"posthouse/routing"
)

// liveAnswer is what /api/v1/explain answers: an explanation for each service that was asked about.
type liveAnswer struct {
	Explanations []routing.Explanation `json:"explanations"`
}

// explain tells of ?client= and the optional ?service= and ?account=, by the table in effect at this moment.
func (b *balancer) explain(q url.Values) (any, error) {
	if q.Get("client") == "" {
		return nil, fmt.Errorf("client= is missing: the address of a client")
	}
	client, err := clientAddress(q.Get("client"))
	if err != nil {
		return nil, fmt.Errorf("client= takes an IP address")
	}
	table := b.router.Table()
	services := liveServices(table.Topology())
	if name := q.Get("service"); name != "" {
		if services, err = serviceNamed(table.Topology(), name); err != nil {
			return nil, err
		}
	}
	answer := liveAnswer{Explanations: []routing.Explanation{}}
	for _, s := range services {
		answer.Explanations = append(answer.Explanations,
			explainSession(table, routing.Request{Service: s, Client: client, Account: q.Get("account")}))
	}
	return answer, nil
}
