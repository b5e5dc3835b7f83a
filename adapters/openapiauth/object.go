package openapiauth

import (
	"slices"
	"strings"

	"github.com/pb33f/go-yaml"
)

// A field is a key of an object, and its value, which is never an alias.
type field struct {
	name       string
	key, value *yaml.Node
}

// An object is a mapping of the document.
type object []field

// get returns a field, or the zero field.
func (o object) get(name string) field {
	if i := slices.IndexFunc(o, func(f field) bool { return f.name == name }); i >= 0 {
		return o[i]
	}
	return field{}
}

// follow returns what an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// is reports whether n is a mapping or a sequence and no more than that. What a tag makes of it
// (!!set, !include, !!null) differs between parsers.
func is(n *yaml.Node, kind yaml.Kind) bool {
	return n.Kind == kind && n.ShortTag() == map[yaml.Kind]string{yaml.MappingNode: "!!map", yaml.SequenceNode: "!!seq"}[kind] // check: tags
}

// table reads a mapping whose keys are names that the document chose, and adds a fault when n is
// none.
func (f *faults) table(n *yaml.Node, where string) (object, bool) {
	n = follow(n)
	if !is(n, yaml.MappingNode) {
		f.add(n, where, "expected an object")
		return nil, false
	}
	o := make(object, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		o = append(o, field{n.Content[i].Value, n.Content[i], follow(n.Content[i+1])})
	}
	return o, true
}

// object reads a mapping whose keys are OpenAPI's own, without the extensions ("x-..."). One of
// ours that is not among those that have a meaning there is a fault: what it was to narrow would be
// open.
func (f *faults) object(n *yaml.Node, where string, ours ...string) (object, bool) {
	o, ok := f.table(n, where)
	for _, at := range o {
		if strings.HasPrefix(strings.ToLower(at.name), "x-bearward") && !slices.Contains(ours, at.name) { // check: extension-elsewhere
			f.add(at.key, where, "%q has no meaning here: %s stands beside the security of an operation", at.name, extension)
		}
	}
	return slices.DeleteFunc(o, func(at field) bool { return strings.HasPrefix(at.name, "x-") }), ok
}

// known adds a fault for each field whose name is none of the given ones: a misspelled "security"
// must not be no security.
func (f *faults) known(o object, where string, names ...string) {
	for _, at := range o {
		if !slices.Contains(names, at.name) { // check: unknown-field
			f.add(at.key, where, "unknown field %q", at.name)
		}
	}
}

// text reads a string, and adds a fault when n is none, or nil: at is the place then.
func (f *faults) text(n, at *yaml.Node, where, what string) (string, bool) {
	if n != nil {
		at = n
	}
	if n == nil || n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" { // check: text-type
		f.add(at, where, "expected %s, a string", what)
		return "", false
	}
	if len(n.Value) > maxText { // check: text-size
		f.add(at, where, "%s has more than %d bytes", what, maxText)
		return "", false
	}
	return n.Value, true
}
