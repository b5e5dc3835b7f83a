package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bearward/bearward/examples/internal/prover"
)

// trick is a path that some frameworks read as /admin.
const trick = "/orders/..%2fadmin"

// A call is a request, and what it must come to.
type call struct {
	name, url string
	fields    []string               // names, each with its value behind it
	proof     func() (string, error) // of DPoP; nil: none
	status    int
	body      string // what the answer must hold
	everyGate bool   // made until every replica of the gate has decided, each time with this answer
}

// tell prints what is running.
func (w *world) tell(out io.Writer) {
	shared := "its own memory"
	if w.shared != "" {
		shared = "one Redis"
	}
	var gates []string
	for _, g := range w.gates {
		gates = append(gates, g.addr)
	}
	fmt.Fprintf(out, "Issuer:   %s\nGateway:  %s (%s)\nGate:     %s, with %s\nAPI:      %s (Python)\nMetrics:  %s\n",
		w.issuer.URL(), w.origin, w.gateway, strings.Join(gates, " and "), shared, w.api, w.metrics)
}

// check makes every call, prints the table, and returns an error when an answer is not as promised.
func (w *world) check(ctx context.Context, out io.Writer) error {
	w.tell(out)
	calls, err := w.calls(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%-40s %-9s %s\n", "call", "promised", "got")
	broken := 0
	for _, c := range calls {
		got, err := w.ask(ctx, c)
		mark := "✓"
		if err != nil {
			broken++
			mark = "✗ " + err.Error()
		}
		fmt.Fprintf(out, "%-40s %-9d %s %s\n", c.name, c.status, got, mark)
	}
	if broken > 0 {
		return fmt.Errorf("%d of %d answers are not as promised", broken, len(calls))
	}
	fmt.Fprintf(out, "\nAll %d answers are as promised.\n", len(calls))
	return nil
}

// calls returns what is called, in this order.
func (w *world) calls(ctx context.Context) ([]call, error) {
	key, err := prover.New()
	if err != nil {
		return nil, err
	}
	good, err1 := w.token("read:orders", nil)
	poor, err2 := w.token("read:nothing", nil)
	bound, err3 := w.token("read:orders", func(claims map[string]any) { claims["cnf"] = map[string]any{"jkt": key.Thumbprint()} })
	revoked, err4 := w.revokedToken(ctx)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	orders, bearer, dpop := w.origin+"/orders", []string{"Authorization", "Bearer " + good}, []string{"Authorization", "DPoP " + bound}
	used := ""
	fresh := func() (_ string, err error) {
		used, err = key.Proof(http.MethodGet, orders, bound)
		return used, err
	}
	again := func() (string, error) { return used, nil }
	subject := `"X-Auth-Subject": "%C3%84nne%20100%25", "subject": "Änne 100%"`
	accepted := `bearward_decisions_total{operation="GET /orders",outcome="accepted",reason="none",replica="1"}`
	return []call{
		{name: "a good token", url: orders, fields: bearer, status: 200, body: subject, everyGate: true},
		{name: "no token", url: orders, status: 401, everyGate: true},
		{name: "a token without the scope", url: orders, fields: []string{"Authorization", "Bearer " + poor}, status: 403, everyGate: true},
		{name: "another operation", url: w.origin + "/admin", fields: bearer, status: 403, everyGate: true},
		{name: "an identity of the client's own", url: orders, fields: append(bearer[:2:2], "X-Auth-Subject", "root"), status: 400},
		{name: "a path that can be read in two ways", url: w.origin + trick, fields: bearer, status: 400},
		{name: "a revoked token", url: orders, fields: []string{"Authorization", "Bearer " + revoked}, status: 401, everyGate: true},
		{name: "a token bound to a key, with a proof", url: orders, fields: dpop, proof: fresh, status: 200, body: subject},
		{name: "the same proof again", url: orders, fields: dpop, proof: again, status: 401, everyGate: true},
		{name: "the bound token without its key", url: orders, fields: []string{"Authorization", "Bearer " + bound}, status: 401, everyGate: true},
		{name: "past the gateway, without an identity", url: w.api + "/orders", status: 403},
		{name: "the metrics", url: w.metrics, status: 200, body: accepted},
	}, nil
}

// ask makes a call, and returns what came back, and what is wrong with it. 503 says that it was not
// decided, as before the keys are there: the call is made again.
func (w *world) ask(ctx context.Context, c call) (got string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	before := make([]int64, len(w.gates))
	for i, g := range w.gates {
		before[i] = g.asked.Load()
	}
	for {
		status, body, err := w.askOnce(ctx, c)
		got = fmt.Sprint(status)
		switch {
		case err != nil:
			return got, err
		case status == http.StatusServiceUnavailable:
			select {
			case <-ctx.Done():
				return got, ctx.Err()
			case <-time.After(50 * time.Millisecond):
			}
			for i, g := range w.gates {
				before[i] = g.asked.Load()
			}
			continue
		case status != c.status:
			return got, errors.New("another status")
		case !strings.Contains(body, c.body):
			return got, fmt.Errorf("the answer lacks %s", c.body)
		}
		if strings.HasPrefix(body, "{") && status == http.StatusOK {
			got += " " + strings.TrimSpace(body)
		}
		if !c.everyGate || !slices.ContainsFunc(w.gates, func(g *gate) bool { return g.asked.Load() == before[slices.Index(w.gates, g)] }) {
			return got, nil
		}
	}
}

// askOnce makes a call once.
func (w *world) askOnce(ctx context.Context, c call) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return 0, "", err
	}
	for i := 0; i < len(c.fields); i += 2 {
		req.Header.Set(c.fields[i], c.fields[i+1])
	}
	if c.proof != nil {
		proof, err := c.proof()
		if err != nil {
			return 0, "", err
		}
		req.Header.Set(prover.Field, proof)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, string(text), err
}
