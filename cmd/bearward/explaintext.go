package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bearward/bearward/middleware/explain"
)

// json writes the answer as JSON.
func (a explainAnswer) json() (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(a)
	return b.String(), err
}

// The colours of marks.
const (
	bold  = "1"
	good  = "32"
	bad   = "1;31"
	faint = "2"
	warn  = "33"
)

// explainMarks are what stands before a step, and its colour.
var explainMarks = map[explain.State]struct{ mark, colour string }{
	explain.Good:        {"✓", good},
	explain.Fault:       {"✗", bad},
	explain.NotLookedAt: {"·", faint},
}

// explainText writes an answer for people.
func explainText(t terminal, a explainAnswer) string {
	var b strings.Builder
	b.WriteString(headline(t, a))
	if len(a.LeftOut) > 0 {
		b.WriteString(wrap("  ", "Left out of what was given: "+strings.Join(a.LeftOut, " ")+"."))
	}
	if hasUnverified(a.Steps) {
		b.WriteString(t.paint(warn, strings.TrimSuffix(wrap("  ", "No signature vouches for the claims: anybody may have written them."), "\n")) + "\n")
	}
	if a.NeedsProof {
		b.WriteString(wrap("  ", "A request with it also needs a proof of possession (cnf)."))
	}
	b.WriteByte('\n')
	b.WriteString(stepsTable(t, a.Steps))
	for _, s := range a.Faults() {
		b.WriteByte('\n')
		b.WriteString(faultText(t, s))
	}
	b.WriteString(unlookedText(t, a.Steps))
	b.WriteString(operationsText(t, a.Operations))
	for _, doc := range []struct {
		name string
		text json.RawMessage
	}{{"header", a.Report.Header}, {"claims", a.Report.Claims}} {
		if doc.text != nil {
			b.WriteString("\n" + t.paint(bold, doc.name) + "\n  " + indent(doc.text) + "\n")
		}
	}
	return b.String()
}

func headline(t terminal, a explainAnswer) string {
	at := a.At.Format(time.RFC3339)
	of := ""
	if a.Operation != "" {
		of = " for " + a.Operation
	}
	switch a.Outcome {
	case "accepted":
		return t.paint("1;32", "✓ accepted"+of) + "  at " + at + "\n"
	case "reported":
		return t.paint("1;33", "! accepted, and reported as "+string(a.Reason)+of) + "  at " + at + "\n"
	case "not_judged":
		return t.paint("1;33", fmt.Sprintf("? not judged%s: %s (%d)", of, a.Reason, a.Status)) + "  at " + at + "\n"
	}
	return t.paint(bad, fmt.Sprintf("✗ refused%s: %s (%d)", of, a.Reason, a.Status)) + "  at " + at + "\n"
}

func hasUnverified(all []explain.Step) bool {
	for _, s := range all {
		if s.Unverified {
			return true
		}
	}
	return false
}

// name names a step for people.
func name(s explain.Step) string {
	switch {
	case s.Part == "token" && s.Name == "syntax":
		return "characters"
	case s.Part == "token" && s.Name == "form":
		return "three parts"
	case s.Name == "form":
		return "JSON"
	case s.Part == "rule" && s.Name == "":
		return "none"
	}
	return s.Name
}

// stepsTable writes a line for each part.
func stepsTable(t terminal, all []explain.Step) string {
	var b strings.Builder
	for len(all) > 0 {
		part, used := all[0].Part, 11
		fmt.Fprintf(&b, "  %-8s ", part)
		for len(all) > 0 && all[0].Part == part {
			m := explainMarks[all[0].State]
			step := m.mark + " " + name(all[0])
			width := len([]rune(step))
			if used > 11 && used+width > columns {
				b.WriteString("\n" + strings.Repeat(" ", 11))
				used = 11
			}
			colour := m.colour
			if all[0].Unverified && all[0].State == explain.Good {
				colour = warn
			}
			b.WriteString(t.paint(colour, step))
			if used += width + 2; len(all) > 1 && all[1].Part == part {
				b.WriteString("  ")
			}
			all = all[1:]
		}
		b.WriteByte('\n')
	}
	return strings.ReplaceAll(b.String(), "  \n", "\n")
}

// faultText tells of one fault.
func faultText(t terminal, s explain.Step) string {
	var b strings.Builder
	title := s.Part
	if s.Part != "token" && s.Part != s.Name {
		title += " " + name(s)
	}
	b.WriteString(t.paint(bad, "✗ "+title+"  "+string(s.Reason)) + "\n")
	for _, line := range []struct{ name, text string }{{"has", s.Has}, {"accepted", s.Accepted}, {"detail", s.Detail}} {
		if line.text != "" {
			b.WriteString(wrap(fmt.Sprintf("    %-9s ", line.name), line.text))
		}
	}
	for _, c := range s.Changes {
		b.WriteString(wrap(fmt.Sprintf("  → %-9s ", c.Side), c.Do))
	}
	return b.String()
}

// unlookedText tells what was not looked at, by why.
func unlookedText(t terminal, all []explain.Step) string {
	var whys []string
	names := map[string][]string{}
	add := func(why, name string) {
		if names[why] == nil {
			whys = append(whys, why)
		}
		names[why] = append(names[why], name)
	}
	for len(all) > 0 {
		first := all[0]
		n := slices.IndexFunc(all, func(s explain.Step) bool { return s.Part != first.Part })
		if n < 0 {
			n = len(all)
		}
		part := all[:n]
		all = all[n:]
		if first.Why != "" && first.Part != "rule" && !slices.ContainsFunc(part, func(s explain.Step) bool { return s.Why != first.Why }) {
			add(first.Why, "all of "+first.Part)
			continue
		}
		for _, s := range part {
			if s.State == explain.NotLookedAt {
				add(s.Why, name(s))
			}
		}
	}
	var b strings.Builder
	for i, why := range whys {
		if i == 0 {
			b.WriteString("\nNot looked at:\n")
		}
		text := strings.TrimSuffix(wrap("· ", why+": "+strings.Join(names[why], ", ")), "\n")
		b.WriteString(t.paint(faint, text) + "\n")
	}
	return b.String()
}

// operationsText lists operations, and which of them the token may call.
func operationsText(t terminal, all []explainOperation) string {
	if len(all) == 0 {
		return ""
	}
	width := 0
	for _, o := range all {
		width = max(width, len(o.Operation))
	}
	var b strings.Builder
	b.WriteString("\nWith this token, of the rules:\n")
	for _, o := range all {
		mark, colour, because := "✓", good, ""
		switch o.Outcome {
		case "accepted":
		case "reported":
			mark, colour, because = "!", warn, "  "+string(o.Reason)
		default:
			mark, colour, because = "✗", bad, "  "+string(o.Reason)
		}
		fmt.Fprintf(&b, "%s  %s%s\n", t.paint(colour, fmt.Sprintf("%s %-*s", mark, width, o.Operation)), o.Rule, t.paint(faint, because))
	}
	return b.String()
}

// indent writes a JSON text over several lines.
func indent(doc json.RawMessage) string {
	text, err := json.MarshalIndent(doc, "  ", "  ")
	if err != nil {
		return string(doc)
	}
	return string(text)
}
