package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"

	"posthouse/geodns/nearest"
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
	if q.Has("name") {
		return b.names.explain(q.Get("name"), cmp.Or(q.Get("type"), "A"), client)
	}
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

// explain answers /api/v1/explain?name= by what DNS answers from at this moment.
func (n *nameServer) explain(name, qtype string, client netip.Addr) (any, error) {
	asked, err := newQuestion(name, qtype)
	if err != nil {
		return nil, err
	}
	asked.data = n.server.Data()
	switch {
	case !n.answers():
		return nil, errNoDNS
	case asked.data == nil:
		return nil, errors.New(waitsForPlaces)
	}
	asked.geography = asked.data.Places.(*nearest.Geography)
	return asked.explain(client)
}

// askBalancer explains by a running balancer.
func (cmd explainCmd) askBalancer(c console) error {
	var now explained
	err := cmd.ask(map[string]string{"client": cmd.Client, "service": cmd.Service, "account": cmd.Account}, &now)
	if err != nil {
		return err
	}
	return cmd.tell(c.out, now.Explanations)
}

// askName explains by a running balancer what DNS answers.
func (cmd explainCmd) askName(c console) error {
	if _, err := newQuestion(cmd.Name, cmd.Type); err != nil {
		return err
	}
	var now named
	if err := cmd.ask(map[string]string{"client": cmd.Client, "name": cmd.Name, "type": cmd.Type}, &now); err != nil {
		return err
	}
	return now.tell(c.out, cmd.JSON)
}

func (cmd explainCmd) ask(question map[string]string, now any) error {
	if len(cmd.Down) > 0 || cmd.Bulk != "" || cmd.Config != "" || cmd.Region != "" {
		return errors.New("--live asks the balancer as it is: --config, --region, --down and --bulk are for files")
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
	given(query, question)
	return client.ask(context.Background(), http.MethodGet, "/api/v1/explain", query, now)
}
