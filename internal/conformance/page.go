package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// summary counts, in one line, for the terminal and for the page.
func summary(results []result) string {
	n := map[state]int{}
	wave1, refused, tests := 0, 0, 0
	for _, r := range results {
		n[r.State]++
		tests += r.Tests
		if slices.Contains(waveOne, row{ID: r.ID}.group()) {
			wave1++
		} else if r.State == passing {
			refused++
		}
	}
	return fmt.Sprintf("%d of %d rows pass, %d fail, %d are without a test. %d more, of what is not built yet, are refused as they must be until then; %d are not built yet.\n",
		n[passing]-refused, wave1, n[failed], n[missing], refused, n[notBuilt])
}

// markdown renders the page for people.
func markdown(results []result) []byte {
	var b bytes.Buffer
	b.WriteString("# Conformance\n\nOne row is one testable statement: of an RFC, or our own promise (OURS). `make conformance` runs them and writes this page, and\n" +
		"`conformance.json` beside it. The questions of the matrix go, unchanged, through real servers: net/http (`httpauth.Mux` and a plain\n" +
		"`ServeMux`), chi (routes and a table in front), Echo (routes and a table) and gRPC (unary, client, server and bidi streams). A row without a\n" +
		"test is MISSING, never passing.\n\n")
	b.WriteString(summary(results))
	b.WriteString("\n| group | rows | pass | fail | missing | not built yet |\n|---|---|---|---|---|---|\n")
	var order []string
	counts := map[string]map[state]int{}
	for _, r := range results {
		g := row{ID: r.ID}.group()
		if counts[g] == nil {
			counts[g] = map[state]int{}
			order = append(order, g)
		}
		counts[g][r.State]++
	}
	for _, g := range order {
		c := counts[g]
		fmt.Fprintf(&b, "| %s: %s | %d | %d | %d | %d | %d |\n", g, groups[g], c[passing]+c[failed]+c[missing]+c[notBuilt], c[passing], c[failed], c[missing], c[notBuilt])
	}
	b.WriteString("\n## How to read the rows\n\n" +
		"What is done about a row is *built*; *refused*: the thing is not offered, and a test shows that it is refused or ignored; *not offered*,\n" +
		"where what stands in its place is tested; *recipe*: documented, and tested per router; or *not built yet*. A column has a mark when tests of\n" +
		"the row pass there: `guard` is the verifier and guard below all adapters, `key cache` is `jwks`, `vectors` are other people's, in `bench`, and\n" +
		"`house` are the tests of the module itself.\n")
	for _, g := range order {
		fmt.Fprintf(&b, "\n## %s: %s\n\n", g, groups[g])
		if counts[g][notBuilt] == counts[g][passing]+counts[g][failed]+counts[g][missing]+counts[g][notBuilt] {
			b.WriteString("Not built yet.\n")
			continue
		}
		b.WriteString("| row | source | level | statement | " + strings.Join(columns, " | ") + " | result |\n|" + strings.Repeat("---|", len(columns)+5) + "\n")
		for _, r := range results {
			if (row{ID: r.ID}).group() != g {
				continue
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |", r.ID, r.Section, r.Level, r.Statement)
			for _, c := range columns {
				mark := map[state]string{passing: "✓", failed: "FAIL", missing: "MISSING"}[r.Adapters[c]]
				fmt.Fprintf(&b, " %s |", mark)
			}
			said := string(r.State)
			if r.State == passing && r.Disposition != built {
				said += ", " + string(r.Disposition)
			}
			if r.Note != "" {
				said += " (" + r.Note + ")"
			}
			fmt.Fprintf(&b, " %s |\n", said)
		}
	}
	return b.Bytes()
}
