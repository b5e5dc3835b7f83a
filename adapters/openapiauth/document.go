package openapiauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/pb33f/go-yaml"
	"github.com/pb33f/libopenapi/datamodel"
)

const (
	// maxDepth bounds how deep a document nests, aliases followed. It also ends an alias that holds
	// itself.
	maxDepth = 200
	// maxNodes bounds how many values a document has, aliases and the references of path items
	// followed: a few lines of them can mean billions.
	maxNodes = 2 << 20
)

// A document is the parsed text, which is within the bounds and has no key twice.
type document struct {
	whole   *yaml.Node // the document with the comments around it
	root    *yaml.Node
	check   *nodeCheck                           // which counts what is read again by reference
	members map[*yaml.Node]map[string]*yaml.Node // of the mappings that a reference led through
}

// parse parses a document. Nothing outside of it is read.
func parse(text []byte, limit int) (*document, error) {
	if limit == 0 {
		limit = DefaultMaxBytes
	}
	if len(text) > limit { // check: size
		return nil, fmt.Errorf("the document has %d bytes, and Options.MaxBytes is %d", len(text), limit)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errors.New("the document is empty")
	}
	if err := checkLines(text); err != nil {
		return nil, err
	}
	whole, err := nodes(text)
	if err != nil {
		return nil, fmt.Errorf("read the document: %s", harmless(err.Error()))
	}
	if len(whole.Content) != 1 {
		return nil, errors.New("the document is empty")
	}
	root := whole.Content[0]
	check := &nodeCheck{}
	if err := errors.Join(check.walk(root, 1), check.faults.err()); err != nil {
		return nil, err
	}
	return &document{whole, root, check, map[*yaml.Node]map[string]*yaml.Node{}}, nil
}

// maxDirectives bounds the lines that begin with a percent sign, as directives of YAML do: the
// parser's time grows with their square, to half a minute for what 2 MiB hold.
const maxDirectives = 100

// nodes parses JSON or YAML, of one document. Of the library, no more than its parser of JSON is
// used: its index of references panics on lists that end in "externalDocs", and takes memory and
// time without a bound.
func nodes(text []byte) (*yaml.Node, error) {
	if json.Valid(text) {
		// The library takes any root member whose value is "swagger" for the version. So it is not
		// asked.
		config := &datamodel.DocumentConfiguration{SkipJSONConversion: true, BypassDocumentCheck: true}
		info, err := datamodel.ExtractSpecInfoWithConfig(text, config)
		// Unasked, it reads what it cannot parse as a string at no place.
		if err == nil && len(info.RootNode.Content) == 1 && info.RootNode.Content[0].Line > 0 {
			return info.RootNode, nil
		}
	}
	if n := bytes.Count(text, []byte("\n%")); n > maxDirectives { // check: directives
		return nil, fmt.Errorf("more than %d lines that begin with a percent sign", maxDirectives)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	first, second := new(yaml.Node), new(yaml.Node)
	err := d.Decode(first)
	if err == io.EOF {
		return nil, errors.New("the document is empty")
	}
	if err != nil {
		return nil, err
	}
	if err := d.Decode(second); err != io.EOF { // check: second-document
		return nil, fmt.Errorf("line %d, column %d: a second document: only one is read", second.Line, second.Column)
	}
	return first, nil
}

// A nodeCheck walks a document as it reads, with aliases followed, and no further than the bounds.
// It refuses what is larger than it looks, and what parsers do not agree on: keys that are there
// twice, and merge keys.
type nodeCheck struct {
	nodes  int
	faults faults
}

func (c *nodeCheck) walk(n *yaml.Node, depth int) error {
	at := n
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if c.nodes++; c.nodes > maxNodes {
		return fmt.Errorf("line %d, column %d: more than %d values, aliases and references followed", at.Line, at.Column, maxNodes)
	}
	if depth > maxDepth { // check: depth
		return fmt.Errorf("line %d, column %d: nested more than %d deep", at.Line, at.Column, maxDepth)
	}
	if n.Kind == yaml.MappingNode {
		c.keys(n)
	}
	for _, child := range n.Content {
		if err := c.walk(child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// keys adds what is wrong with the keys of a mapping.
func (c *nodeCheck) keys(n *yaml.Node) {
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		switch key := n.Content[i]; {
		case key.Kind != yaml.ScalarNode: // check: key-kind
			c.faults.add(key, "", "a key is a plain text")
		case key.Value == "<<": // check: merge-key
			// YAML 1.2 has none: what one parser merges, another shows as a field.
			c.faults.add(key, "", "a merge key")
		case seen[key.Value] > 0: // check: key-twice
			c.faults.add(key, "", "a second %q, after line %d", key.Value, seen[key.Value])
		default:
			seen[key.Value] = key.Line
		}
	}
}

// resolve returns the node that a local reference of a kind stands for. A reference to a reference
// is not followed.
func (d *document) resolve(ref string, kinds ...string) (*yaml.Node, error) {
	if !strings.HasPrefix(ref, "#") { // check: reference-outside
		return nil, fmt.Errorf("the reference %q leads out of the document, and is not followed: bundle it", ref)
	}
	for _, kind := range kinds {
		if !strings.HasPrefix(ref, kind) {
			continue
		}
		found := d.at(ref)
		if found == nil {
			return nil, fmt.Errorf("the reference %q leads nowhere", ref)
		}
		return found, d.check.walk(found, 1)
	}
	return nil, fmt.Errorf("the reference %q is not to %s", ref, strings.Join(kinds, " or "))
}

// at returns the node at a JSON Pointer that is the fragment of a URI (RFC 6901 §6), and nil where
// there is none. It does not look into lists: what rules depend on is in none.
func (d *document) at(ref string) *yaml.Node {
	pointer, err := url.PathUnescape(strings.TrimPrefix(ref, "#/"))
	if err != nil {
		return nil
	}
	n := d.root
	for name := range strings.SplitSeq(pointer, "/") {
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		if n = d.membersOf(n)[name]; n == nil {
			return nil
		}
	}
	return n
}

// membersOf returns the values of a mapping by their keys, and nil of anything else.
func (d *document) membersOf(n *yaml.Node) map[string]*yaml.Node {
	n = follow(n)
	if n.Kind != yaml.MappingNode {
		return nil
	}
	all, ok := d.members[n]
	if !ok {
		all = make(map[string]*yaml.Node, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			all[n.Content[i].Value] = n.Content[i+1]
		}
		d.members[n] = all
	}
	return all
}
