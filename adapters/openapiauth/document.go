package openapiauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/pb33f/go-yaml"
	"github.com/pb33f/libopenapi/datamodel"
	"github.com/pb33f/libopenapi/index"
)

const (
	// maxDepth bounds how deep a document nests, aliases followed. It also ends an alias that holds
	// itself.
	maxDepth = 200
	// maxNodes bounds how many values a document has, aliases and the references of path items
	// followed: a few lines of them can mean billions.
	maxNodes = 2 << 20
	// maxRefs bounds how many different references a document has: the library's time grows with
	// their square, to half a minute for what 2 MiB hold.
	maxRefs = 5000
)

// A document is the parsed text, which is within the bounds and has no key twice.
type document struct {
	whole *yaml.Node // the document with the comments around it
	root  *yaml.Node
	refs  map[string]*index.Reference // what is referred to in the document, by "#/..."
	check *nodeCheck                  // which counts what is read again by reference
}

// parse parses a document and resolves its references. Nothing outside of it is read: the library
// is given no file system, no client and no leave to look.
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
	quiet := slog.New(slog.DiscardHandler)
	info, err := datamodel.ExtractSpecInfoWithConfig(text, &datamodel.DocumentConfiguration{Logger: quiet, SkipJSONConversion: true})
	if err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	if !json.Valid(text) { // for the library, whatever stands between braces is JSON, two documents of YAML too
		if err := checkOneDocument(text); err != nil {
			return nil, err
		}
	}
	if len(info.RootNode.Content) != 1 {
		return nil, errors.New("the document is empty")
	}
	root := info.RootNode.Content[0]
	check := &nodeCheck{refs: map[string]bool{}}
	if err := errors.Join(check.walk(root, 1), check.faults.err()); err != nil {
		return nil, err
	}
	config := index.CreateClosedAPIIndexConfig()
	config.Logger = quiet
	config.SpecInfo = info
	config.AvoidBuildIndex = true // of counts and lists that rules do not need
	config.SkipMetadataCollection = true
	config.AvoidCircularReferenceCheck = true // of schemas, which are nothing to rules
	config.SkipExternalRefResolution = true
	found := index.NewSpecIndexWithConfig(info.RootNode, config)
	return &document{info.RootNode, root, found.GetMappedReferences(), check}, nil
}

// checkOneDocument refuses a YAML stream of several documents, of which only the first would be
// read.
func checkOneDocument(text []byte) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var n yaml.Node
	if err := d.Decode(&n); err != nil {
		return fmt.Errorf("read the document: %w", err)
	}
	if err := d.Decode(&n); err != io.EOF { // check: second-document
		return fmt.Errorf("line %d, column %d: a second document: only one is read", n.Line, n.Column)
	}
	return nil
}

// A nodeCheck walks a document as it reads, with aliases followed, and no further than the bounds.
// It refuses what is larger than it looks, and what parsers do not agree on: keys that are there
// twice, and merge keys.
type nodeCheck struct {
	nodes  int
	refs   map[string]bool
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
	if len(c.refs) > maxRefs { // check: references
		return fmt.Errorf("line %d, column %d: more than %d different references", at.Line, at.Column, maxRefs)
	}
	for _, child := range n.Content {
		if err := c.walk(child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// keys adds what is wrong with the keys of a mapping, and notes a reference.
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
		if n.Content[i].Value == "$ref" {
			c.refs[follow(n.Content[i+1]).Value] = true
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
		found := d.refs[ref]
		if found == nil || found.Node == nil || found.IsRemote {
			return nil, fmt.Errorf("the reference %q leads nowhere", ref)
		}
		return found.Node, d.check.walk(found.Node, 1)
	}
	return nil, fmt.Errorf("the reference %q is not to %s", ref, strings.Join(kinds, " or "))
}
