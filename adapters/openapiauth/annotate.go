package openapiauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pb33f/go-yaml"

	auth "github.com/bearward/bearward/middleware"
)

// extension is the field of an operation that says what its security cannot, in the words of
// auth.ParseRequirement.
const extension = "x-bearward-rule"

// Annotate returns the document with the security of each operation as rules say, in the document's
// own format. It is the inverse of [Rules], which reads the same rules from the result. What
// security cannot say, such as a role or an acr, stands beside it as x-bearward-rule. Security then
// has the scopes alone. An operation that says what its rule does already is left as it is. Scopes
// that the flows of an oauth2 scheme do not declare are added there, without a description.
//
// Comments stay, the layout of YAML may change. The error names every operation without a rule, and
// every rule without an operation. It names every rule that no document can say, since it has a
// check of the program's own or is only reported on. It is also an error when the document has no
// scheme for the Guard's tokens. Of several in Options.TokenSchemes the first is used.
func Annotate(document []byte, rules auth.Rules, router Router, opts *Options) ([]byte, error) {
	if opts == nil {
		opts = new(Options)
	}
	if err := errors.Join(router.check(), opts.check(), rules.Validate()); err != nil {
		return nil, err
	}
	w := &writer{reader: &reader{router: router, opts: opts, rules: auth.Rules{}}, asked: rules, missing: map[string]bool{}}
	w.rewrite = w.operation
	if err := w.read(document); err != nil {
		return nil, fmt.Errorf("openapiauth: %w", err)
	}
	text, err := w.text(document)
	if err != nil {
		return nil, fmt.Errorf("openapiauth: %w", err)
	}
	again := *opts
	if again.MaxBytes == 0 {
		again.MaxBytes = DefaultMaxBytes
	}
	again.MaxBytes = max(again.MaxBytes, len(text))            // it may be longer than what was given
	if err := Check(rules, text, router, &again); err != nil { // check: annotate-read-back
		return nil, fmt.Errorf("openapiauth: Annotate: the document would not say what the rules do: %w", err)
	}
	return text, nil
}

// A writer puts rules into a document while it is read.
type writer struct {
	*reader
	asked   auth.Rules
	missing map[string]bool // scopes that were declared already
}

// operation writes what the rule of an operation asks for.
func (w *writer) operation(at field, where, key string) {
	method, pattern := cutKey(key)
	_, need, ok := w.asked.Find(method, pattern)
	if !ok { // check: annotate-unnamed
		w.faults.add(at.key, where, "no rule names it")
		return
	}
	w.rules[key] = need
	before := w.faults
	now := w.reader.operation(at, where)
	w.faults = before // what was wrong with its security is written over
	if now.String() == need.String() {
		return
	}
	if again, err := auth.ParseRequirement(need.String()); err != nil || again.String() != need.String() || isReportOnly(need) { // check: annotate-code
		w.faults.add(at.key, where, "no document can say %q: it has a check of the program's own, or is only reported on", need)
		return
	}
	name := w.tokenScheme()
	if name == "" { // check: annotate-scheme
		w.faults.add(at.key, where, "the document defines no security scheme whose tokens the Guard takes")
		return
	}
	security, view, err := w.security(need, name)
	if err != nil {
		w.faults.add(at.key, where, "%v", err)
		return
	}
	o := at.value
	set(o, "security", security)
	unset(o, extension)
	if view.String() != need.String() {
		set(o, extension, textNode(need.String()))
	}
}

func isReportOnly(need auth.Requirement) bool {
	return strings.HasPrefix(need.String(), "report-only ")
}

// tokenScheme returns the name of the scheme whose tokens the Guard takes.
func (w *writer) tokenScheme() string {
	if len(w.opts.TokenSchemes) > 0 {
		return w.opts.TokenSchemes[0]
	}
	for _, name := range slices.Sorted(maps.Keys(w.schemes)) {
		if w.schemes[name].token {
			return name
		}
	}
	return ""
}

// security returns need as a list of Security Requirement Objects, and what that comes to.
func (w *writer) security(need auth.Requirement, name string) (*yaml.Node, auth.Requirement, error) {
	list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
	switch {
	case need.IsPublic():
		return list, need, nil
	case need.IsOptional():
		list.Content = []*yaml.Node{mappingNode()}
		return list, need, nil
	}
	s := w.schemes[name]
	withScopes := s == nil || !strings.HasPrefix(s.kind, "http ") || w.version >= "3.1" || w.opts.HTTPScopes
	view, all, err := published(need, withScopes)
	if err != nil {
		return nil, view, err
	}
	for _, scopes := range all {
		each := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
		for _, scope := range scopes {
			each.Content = append(each.Content, textNode(scope))
			w.declare(name, scope)
		}
		o := mappingNode()
		o.Content = []*yaml.Node{textNode(name), each}
		list.Content = append(list.Content, o)
	}
	return list, view, nil
}

// declare adds a scope to the flows of an oauth2 scheme that do not have it.
func (w *writer) declare(name, scope string) {
	s := w.schemes[name]
	if s == nil || s.declared == nil || s.declared[scope] || w.missing[scope] {
		return
	}
	w.missing[scope] = true
	for _, flow := range s.flows {
		if scopes := flow.get("scopes").value; scopes != nil {
			set(scopes, scope, textNode(""))
		}
	}
}

// text returns the document as it is now, in the format that it was given in.
func (w *writer) text(document []byte) ([]byte, error) {
	if json.Valid(document) {
		return jsonText(w.doc.root, document)
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	err := errors.Join(e.Encode(w.doc.whole), e.Close())
	return b.Bytes(), err
}

// jsonText writes a document that was JSON, indented when it was on several lines.
func jsonText(root *yaml.Node, was []byte) ([]byte, error) {
	var b bytes.Buffer
	if err := appendJSON(&b, root); err != nil {
		return nil, err
	}
	if !bytes.Contains(bytes.TrimSpace(was), []byte("\n")) {
		return append(b.Bytes(), '\n'), nil
	}
	var out bytes.Buffer
	err := json.Indent(&out, b.Bytes(), "", "  ")
	return append(out.Bytes(), '\n'), err
}

// appendJSON writes a node of a document that was JSON.
func appendJSON(b *bytes.Buffer, n *yaml.Node) error {
	quote := func(s string) error {
		e := json.NewEncoder(b)
		e.SetEscapeHTML(false)
		err := e.Encode(s)
		b.Truncate(b.Len() - 1) // the line feed
		return err
	}
	switch n.Kind {
	case yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := quote(n.Content[i].Value); err != nil {
				return err
			}
			b.WriteByte(':')
			if err := appendJSON(b, n.Content[i+1]); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, item := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := appendJSON(b, item); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	default:
		// A number that no float64 holds is a string to the library, without the quotes of one.
		number := n.Line > 0 && n.Style&yaml.DoubleQuotedStyle == 0
		if n.ShortTag() == "!!str" && !number || !json.Valid([]byte(n.Value)) {
			return quote(n.Value)
		}
		b.WriteString(n.Value)
	}
	return nil
}

func textNode(s string) *yaml.Node {
	n := new(yaml.Node)
	n.SetString(s)
	return n
}

func mappingNode() *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: yaml.FlowStyle}
}

// set gives a mapping a member, in the place that it has, or before the responses of an operation.
func set(n *yaml.Node, name string, value *yaml.Node) {
	at := len(n.Content)
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch n.Content[i].Value {
		case name:
			n.Content[i+1] = value
			return
		case "responses":
			at = i
		}
	}
	n.Content = slices.Insert(n.Content, at, textNode(name), value)
}

// unset takes a member away.
func unset(n *yaml.Node, name string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			n.Content = slices.Delete(n.Content, i, i+2)
			return
		}
	}
}
