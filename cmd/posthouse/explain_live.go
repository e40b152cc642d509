package main

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"

	"posthouse/routing"
)

// explained is the answer of /api/v1/explain.
type explained struct {
	Explanations []routing.Explanation `json:"explanations"`
}

// explain answers /api/v1/explain by the table in effect: health, marks and sessions count.
func (b *balancer) explain(q url.Values) (any, error) {
	client, err := netip.ParseAddr(q.Get("client"))
	if err != nil {
		return nil, errors.New("client= takes an IP address: that of a client")
	}
	client = client.Unmap().WithZone("")
	asked, err := newAsking(b.router.Table(), q.Get("service"), q.Get("account"))
	if err != nil {
		return nil, err
	}
	all := asked.all(client)
	if b.server.Denies(client) {
		for i := range all {
			all[i].Candidates = []routing.Candidate{}
			all[i].Steps = append(all[i].Steps[:1:1], routing.Step{About: "client", Says: "may not connect: an operator has denied it for a while"})
		}
	}
	return explained{all}, nil
}

// askBalancer explains by a running balancer.
func (cmd explainCmd) askBalancer(c console) error {
	if len(cmd.Down) > 0 || cmd.Bulk != "" || cmd.Name != "" || cmd.Config != "" || cmd.Region != "" {
		return errors.New("--live asks the balancer as it is: --config, --region, --name, --down and --bulk are for files")
	}
	if _, err := clientAddress(cmd.Client); err != nil {
		return err
	}
	client, err := cmd.client()
	if err != nil {
		return err
	}
	defer client.close()
	query := url.Values{}
	given(query, map[string]string{"client": cmd.Client, "service": cmd.Service, "account": cmd.Account})
	var now explained
	if err := client.ask(context.Background(), http.MethodGet, "/api/v1/explain", query, &now); err != nil {
		return err
	}
	return cmd.tell(c.out, now.Explanations)
}
