package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bearward/bearward/internal/conformance/rows"
)

// A state is how a row stands.
type state string

const (
	passing  state = "pass"
	failed   state = "FAIL"
	missing  state = "MISSING"
	notBuilt state = "not built yet" // and planned
)

// A result is a row and what the tests say of it.
type result struct {
	ID, Section, Level, Statement string
	Disposition                   rows.Disposition
	State                         state
	Adapters                      map[string]state // by column
	Planned                       bool             `json:",omitempty"`
	Reworded                      string           `json:",omitempty"`
	Tests                         int
	Note                          string   `json:",omitempty"`
	Lacks                         []string `json:",omitempty"`
	Failed                        []string `json:",omitempty"`
}

// rowsOf returns the rows that the name of a test carries, and the column that it counts for.
func rowsOf(t ran) (ids []string, column string) {
	column = rows.ColumnOf(t.pkg)
	if ids = rows.OfFunction(t.test); ids != nil {
		if strings.Contains(t.test, "/") {
			return nil, "" // the function is counted
		}
		return ids, column
	}
	id, transport := rows.OfSubtest(t.test)
	if id == "" {
		return nil, ""
	}
	if c := rows.TransportColumn(transport); c != "" {
		column = c
	}
	return []string{id}, column
}

// leaves drops the tests of which subtests ran.
func leaves(all []ran) []ran {
	parents := map[string]bool{}
	for _, t := range all {
		for i := range len(t.test) {
			if t.test[i] == '/' {
				parents[t.pkg+" "+t.test[:i]] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(t ran) bool { return parents[t.pkg+" "+t.test] })
}

// An evidence is what the tests of a row say in one column.
type evidence struct {
	tests  int
	failed []string
}

// A tally has the evidence by row and column.
type tally map[string]map[string]*evidence

func (y tally) count(id, column string, t ran) {
	if t.action == "skip" {
		return
	}
	if y[id] == nil {
		y[id] = map[string]*evidence{}
	}
	e := y[id][column]
	if e == nil {
		e = new(evidence)
		y[id][column] = e
	}
	e.tests++
	if t.action == "fail" {
		e.failed = append(e.failed, t.pkg+" "+t.test)
	}
}

// gather counts each test for its rows: by its name, and by proofs.txt.
func gather(p rows.Proofs, all []ran) (tally, error) {
	y := tally{}
	byName := map[string]ran{}
	whole := leaves(all)
	for _, t := range all {
		byName[t.pkg+" "+t.test] = t
		if rows.OfFunction(t.test) != nil && !strings.Contains(t.test, "/") {
			whole = append(whole, t) // counted as one, whatever its subtests
		}
	}
	seen := map[string]bool{}
	for _, t := range whole {
		ids, column := rowsOf(t)
		for _, id := range ids {
			if key := t.pkg + " " + t.test + " " + id; !seen[key] {
				seen[key] = true
				y.count(id, column, t)
			}
		}
	}
	for _, proof := range p.Tests {
		t, ok := byName[proof.Package+" "+proof.Test]
		if !ok {
			return nil, fmt.Errorf("proofs.txt: %s: there is no test %s in %q", proof.Row, proof.Test, proof.Package)
		}
		y.count(proof.Row, rows.ColumnOf(t.pkg), t)
	}
	return y, nil
}

// resultsOf says how each row stands.
func resultsOf(matrix []rows.Row, p rows.Proofs, all []ran) ([]result, error) {
	y, err := gather(p, all)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	var results []result
	for _, r := range matrix {
		known[r.ID] = true
		results = append(results, stand(r, p, y[r.ID]))
	}
	for id := range y {
		if !known[id] {
			return nil, fmt.Errorf("a test names row %s, which rows.md does not have", id)
		}
	}
	return results, nil
}

// stand says how a row stands by its evidence, by column.
func stand(r rows.Row, p rows.Proofs, found map[string]*evidence) result {
	res := result{ID: r.ID, Section: r.Section, Level: r.Level, Statement: r.Statement, Reworded: r.Reworded,
		Planned: r.Planned, Disposition: rows.Built, State: passing, Adapters: map[string]state{}, Note: p.Why[r.ID]}
	if d, ok := rows.Dispositions[r.ID]; ok {
		res.Disposition = d
	} else if r.Planned {
		res.Disposition, res.Note = rows.Refused, r.Why
	}
	for column, e := range found {
		res.Tests += e.tests
		res.Adapters[column] = passing
		if len(e.failed) > 0 {
			res.Adapters[column], res.State = failed, failed
			res.Failed = append(res.Failed, e.failed...)
		}
	}
	slices.Sort(res.Failed)
	switch {
	case len(found) == 0 && r.Planned:
		res.Disposition, res.State = rows.NotBuilt, notBuilt
	case len(found) == 0:
		res.State = missing
	case !r.Planned:
		for _, column := range p.Needs(r) {
			if res.Adapters[column] == "" {
				res.Lacks = append(res.Lacks, column)
				res.Adapters[column] = missing
			}
		}
		if len(res.Lacks) > 0 && res.State == passing {
			res.State = missing
		}
	}
	return res
}
