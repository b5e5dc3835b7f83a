package openapiauth

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/pb33f/go-yaml"

	auth "github.com/bearward/bearward/middleware"
)

// A reader turns one document into rules.
type reader struct {
	router  Router
	opts    *Options
	doc     *document
	version string
	schemes map[string]*scheme
	general field // the document's security
	need    *need // what that comes to, nil until an operation falls back on it
	rules   auth.Rules
	said    int                               // the bytes of every x-bearward-rule that was read
	rewrite func(at field, where, key string) // what Annotate does with each operation; nil to read it
	faults  faults
}

// versions are those whose security is what this package knows.
var versions = regexp.MustCompile(`^3\.[01]\.[0-9]+(-.+)?$`)

func (r *reader) read(text []byte) error {
	var err error
	if r.doc, err = parse(text, r.opts.MaxBytes); err != nil {
		return err
	}
	o, ok := r.faults.object(r.doc.root, "the document")
	if !ok {
		return r.faults.err()
	}
	if old := o.get("swagger"); old.value != nil {
		r.faults.add(old.value, "", "Swagger 2.0 is not read: convert the document to OpenAPI 3.0 or 3.1")
		return r.faults.err()
	}
	version := o.get("openapi")
	if r.version, ok = r.faults.text(version.value, r.doc.root, "", "the field openapi"); !ok {
		return r.faults.err()
	}
	if !versions.MatchString(r.version) { // check: version
		r.faults.add(version.value, "", "OpenAPI %q: known are 3.0 and 3.1", r.version)
		return r.faults.err()
	}
	r.faults.known(o, "", "openapi", "info", "jsonSchemaDialect", "servers", "paths", "webhooks", "components", "security", "tags", "externalDocs")
	r.readSchemes(o.get("components").value)
	r.general = o.get("security")
	if paths := o.get("paths"); paths.value != nil {
		r.paths(paths.value)
	}
	if len(r.rules) == 0 && r.faults.count == 0 { // check: no-operations
		r.faults.add(nil, "", "the document has no operations: every one would be refused")
	}
	return r.faults.err()
}

// follow reads the object that a reference stands for. Beside the reference there is nothing but a
// summary and a description: what else is meant is undefined (OpenAPI 3.1 §4.8.9).
func (r *reader) follow(o object, ref field, where string, kinds ...string) (object, bool) {
	r.faults.known(o, where, "$ref", "summary", "description")
	to, ok := r.faults.text(ref.value, ref.key, where, "a reference")
	if !ok {
		return nil, false
	}
	n, err := r.doc.resolve(to, kinds...)
	if err != nil {
		r.faults.add(ref.value, where, "%v", err)
		return nil, false
	}
	found, ok := r.faults.object(n, where)
	if ok && found.get("$ref").value != nil { // check: reference-chain
		r.faults.add(ref.value, where, "the reference %q is to a reference, and is not followed", to)
		return nil, false
	}
	return found, ok
}

// paths reads the Paths Object. Webhooks and callbacks are not read: those are requests that the
// API makes, and does not serve.
func (r *reader) paths(n *yaml.Node) {
	paths, _ := r.faults.object(n, "paths")
	shapes := map[string]*yaml.Node{}
	excepted := map[string]bool{}
	for _, at := range paths {
		operations, servers := r.pathItem(at)
		for _, op := range operations {
			name := strings.ToUpper(op.name) + " " + at.name
			if slices.Contains(r.opts.SkipOperations, name) {
				excepted[name] = true
				continue
			}
			pattern, shape, err := r.router.pattern(at.name)
			if err != nil {
				r.faults.add(at.key, name, "%v", err)
				continue
			}
			if first := shapes[shape]; first != nil && first != at.key { // check: same-path
				// A router has one of them, and nobody can say which.
				r.faults.add(at.key, name, "the same path as %q in line %d", first.Value, first.Line)
				continue
			}
			shapes[shape] = at.key
			r.ownServers(servers, name)
			key := strings.ToUpper(op.name) + " " + r.opts.Prefix + pattern
			if r.rewrite != nil {
				r.rewrite(op, name, key)
			} else if need := r.operation(op, name); !need.IsZero() {
				r.rules[key] = need
			}
		}
	}
	for _, name := range r.opts.SkipOperations {
		if !excepted[name] { // check: except-unknown
			r.faults.add(nil, "", "Options.SkipOperations names %q, which is no operation of the document", name)
		}
	}
}

// pathItem reads a Path Item Object, and returns the fields that are operations, and the servers of
// all of them.
func (r *reader) pathItem(at field) (operations []field, servers field) {
	item, ok := r.faults.object(at.value, at.name)
	if ref := item.get("$ref"); ref.value != nil {
		item, ok = r.follow(item, ref, at.name, "#/components/pathItems/", "#/paths/")
	}
	if !ok {
		return nil, field{}
	}
	r.faults.known(item, at.name, append([]string{"summary", "description", "servers", "parameters"}, methods...)...)
	servers = item.get("servers")
	return slices.DeleteFunc(item, func(op field) bool { return !slices.Contains(methods, op.name) }), servers
}

// methods are the fields of a Path Item Object that are operations.
var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

// operation returns what an Operation Object asks for, the zero Requirement when it has faults.
func (r *reader) operation(at field, where string) auth.Requirement {
	o, ok := r.faults.object(at.value, where, extension)
	if !ok {
		return auth.Requirement{}
	}
	r.faults.known(o, where, "tags", "summary", "description", "externalDocs", "operationId", "parameters", "requestBody", "responses", "callbacks", "deprecated", "security", "servers")
	r.ownServers(o.get("servers"), where)
	if own := o.get("security"); own.value != nil {
		return r.narrowed(at.value, r.needOf(own.value, where).requirement, where)
	}
	if all, _ := r.faults.table(at.value, where); all.get(extension).value != nil { // check: extension-alone
		r.faults.add(all.get(extension).key, where, "%s without a security of its own beside it", extension)
		return auth.Requirement{}
	}
	// check: no-security
	if r.general.value == nil {
		r.faults.add(at.key, where, "no security, and the document has none: it is not public unless it says security: []")
		return auth.Requirement{}
	}
	if r.need == nil {
		general := r.needOf(r.general.value, "the document's security")
		r.need = &general
	}
	if r.need.open { // check: open-by-default
		// What nobody thought of is not open.
		r.faults.add(at.key, where, "no security, and that of the document (line %d) lets callers in without a token: an operation says so itself", r.general.key.Line)
		return auth.Requirement{}
	}
	return r.need.requirement
}

// maxRule bounds x-bearward-rule, in bytes.
const maxRule = 8 << 10

// narrowed returns what an operation asks for whose security comes to need: what its
// x-bearward-rule says, of which security has all that it can say.
func (r *reader) narrowed(operation *yaml.Node, need auth.Requirement, where string) auth.Requirement {
	all, _ := r.faults.table(operation, where)
	at := all.get(extension)
	if at.value == nil || need.IsZero() {
		return need
	}
	if at.value.Kind != yaml.ScalarNode || at.value.ShortTag() != "!!str" || len(at.value.Value) > maxRule { // check: extension-text
		r.faults.add(at.value, where, "expected %s, a string of at most %d bytes", extension, maxRule)
		return auth.Requirement{}
	}
	most := cmp.Or(r.opts.MaxBytes, DefaultMaxBytes)
	if r.said += len(at.value.Value); r.said > most { // check: extension-total
		r.faults.add(at.value, where, "more than %d bytes of %s, aliases followed", most, extension)
		return auth.Requirement{}
	}
	own, err := auth.ParseRequirement(at.value.Value)
	if err != nil {
		r.faults.add(at.value, where, "%s: %v", extension, err)
		return auth.Requirement{}
	}
	if isReportOnly(own) || own.IsPublic() || own.IsOptional() { // check: extension-opens
		r.faults.add(at.value, where, "%s cannot open an operation: %q", extension, own)
		return auth.Requirement{}
	}
	for _, withScopes := range []bool{true, false} {
		if view, _, err := published(own, withScopes); err == nil && view.String() == need.String() { // check: extension-agrees
			return own
		}
	}
	r.faults.add(at.value, where, "%s says %q, which security, %q, does not publish", extension, own, need)
	return auth.Requirement{}
}

// ownServers adds a fault for an operation that may be another host's, or below another base path.
func (r *reader) ownServers(at field, where string) {
	if at.value != nil && !r.opts.AllowOwnServers { // check: own-servers
		r.faults.add(at.key, where, "servers of its own: see Options.AllowOwnServers and Options.SkipOperations")
	}
}
