package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/bearward/bearward/internal/conformance/rows"
)

// summary counts, in one line, for the terminal and for the page.
func summary(results []result) string {
	n := map[state]int{}
	implemented, refused := 0, 0
	for _, r := range results {
		n[r.State]++
		if !r.Planned {
			implemented++
		} else if r.State == passing {
			refused++
		}
	}
	return fmt.Sprintf("%d of %d rows pass, %d fail, %d are without a test. %d more, of what is not built yet, are refused as they must be until then; %d are not built yet.\n",
		n[passing]-refused, implemented, n[failed], n[missing], refused, n[notBuilt])
}

// markdown renders the page for people.
func markdown(results []result) []byte {
	var b bytes.Buffer
	b.WriteString("# Conformance\n\nOne row is one testable statement: of an RFC, or our own promise (OURS). `make conformance` runs them and writes this page, and\n" +
		"`artifacts/conformance.json`. The rows stand in [rows/rows.md](rows/rows.md), with the decisions that override them. The questions of the matrix go, unchanged, through real servers: net/http (`httpauth.Mux` and a plain\n" +
		"`ServeMux`), chi (routes and a table in front), Echo (routes and a table), gin, gRPC (unary, client, server and bidi streams) and Connect (the\n" +
		"same, by clients of gRPC). A row without a test is MISSING, never passing.\n\n")
	b.WriteString(summary(results))
	b.WriteString("\n| group | rows | pass | fail | missing | not built yet |\n|---|---|---|---|---|---|\n")
	var order []string
	counts := map[string]map[state]int{}
	for _, r := range results {
		g := rows.Row{ID: r.ID}.Group()
		if counts[g] == nil {
			counts[g] = map[state]int{}
			order = append(order, g)
		}
		counts[g][r.State]++
	}
	for _, g := range order {
		c := counts[g]
		fmt.Fprintf(&b, "| %s: %s | %d | %d | %d | %d | %d |\n", g, rows.Groups[g], c[passing]+c[failed]+c[missing]+c[notBuilt], c[passing], c[failed], c[missing], c[notBuilt])
	}
	b.WriteString("\n## How to read the rows\n\n" +
		"What is done about a row is *built*; *refused*: the thing is not offered, and a test shows that it is refused or ignored; *not offered*,\n" +
		"where what stands in its place is tested; *recipe*: documented, and tested per router; or *not built yet*. A column has a mark when tests of\n" +
		"the row pass there: `guard` is the verifier and guard below all adapters, `key cache` is `jwks`, `vectors` are other people's, in `bench`, and\n" +
		"`house` are the tests of the module itself.\n")
	b.WriteString(reworded(results))
	for _, g := range order {
		fmt.Fprintf(&b, "\n## %s: %s\n\n", g, rows.Groups[g])
		if counts[g][notBuilt] == counts[g][passing]+counts[g][failed]+counts[g][missing]+counts[g][notBuilt] {
			b.WriteString("Not built yet.\n")
			continue
		}
		b.WriteString("| row | source | level | statement | " + strings.Join(rows.Columns, " | ") + " | result |\n|" + strings.Repeat("---|", len(rows.Columns)+5) + "\n")
		for _, r := range results {
			if (rows.Row{ID: r.ID}).Group() != g {
				continue
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |", r.ID, r.Section, r.Level, r.Statement)
			for _, c := range rows.Columns {
				mark := map[state]string{passing: "✓", failed: "FAIL", missing: "MISSING"}[r.Adapters[c]]
				fmt.Fprintf(&b, " %s |", mark)
			}
			said := string(r.State)
			if r.State == passing && r.Disposition != rows.Built {
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

// reworded lists the rows whose statement is to change.
func reworded(results []result) string {
	var b strings.Builder
	for _, r := range results {
		if r.Reworded != "" {
			fmt.Fprintf(&b, "- %s: %s\n", r.ID, r.Reworded)
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "\n## Rows that are to be reworded\n\nThey are tested as they stand below. What they will say, once it is built:\n\n" + b.String()
}
