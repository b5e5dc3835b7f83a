package openapiauth

import (
	"slices"
	"strings"

	"github.com/pb33f/go-yaml"
)

// A scheme is a Security Scheme Object.
type scheme struct {
	key      *yaml.Node
	kind     string          // "oauth2", "http basic", ...
	bearer   bool            // its credentials are what a Guard can check
	declared map[string]bool // the scopes of the flows; nil for other types than oauth2
	flows    []object        // of oauth2
	token    bool            // its tokens are the Guard's
}

// readSchemes reads the security schemes, and finds out whose tokens are the Guard's.
func (r *reader) readSchemes(components *yaml.Node) {
	r.schemes = map[string]*scheme{}
	if components == nil {
		r.chooseTokens(nil)
		return
	}
	o, _ := r.faults.object(components, "components")
	var names []string
	if at := o.get("securitySchemes"); at.value != nil {
		list, _ := r.faults.table(at.value, "components.securitySchemes")
		for _, at := range list {
			r.schemes[at.name] = r.scheme(at)
			names = append(names, at.name)
		}
	}
	r.chooseTokens(names)
}

// scheme reads one scheme. What cannot be read has no kind.
func (r *reader) scheme(at field) *scheme {
	where := "security scheme " + at.name
	s := &scheme{key: at.key}
	o, ok := r.faults.object(at.value, where)
	if ref := o.get("$ref"); ref.value != nil {
		o, ok = r.follow(o, ref, where, "#/components/securitySchemes/")
	}
	if !ok {
		return s
	}
	r.faults.known(o, where, "type", "description", "name", "in", "scheme", "bearerFormat", "flows", "openIdConnectUrl")
	kind, ok := r.faults.text(o.get("type").value, at.key, where, "its type")
	if !ok {
		return s
	}
	switch kind {
	case "oauth2":
		s.declared, s.flows, ok = r.flows(o.get("flows"), at.key, where)
		s.bearer = true
	case "openIdConnect":
		s.bearer = true
	case "http":
		var name string
		name, ok = r.faults.text(o.get("scheme").value, at.key, where, "its scheme")
		s.bearer = strings.EqualFold(name, "bearer") // check: bearer-scheme
		kind += " " + name
	case "apiKey", "mutualTLS":
	default:
		r.faults.add(o.get("type").value, where, "unknown type %q", kind)
		ok = false
	}
	if ok {
		s.kind = kind
	}
	return s
}

// flows reads the scopes that the flows of an oauth2 scheme declare.
func (r *reader) flows(at field, key *yaml.Node, where string) (declared map[string]bool, all []object, ok bool) {
	// check: flows-missing
	if at.value == nil {
		r.faults.add(key, where, "an oauth2 scheme has flows")
		return nil, nil, false
	}
	before := r.faults.count
	declared = map[string]bool{}
	flows, _ := r.faults.object(at.value, where)
	r.faults.known(flows, where, "implicit", "password", "clientCredentials", "authorizationCode")
	for _, flow := range flows {
		o, ok := r.faults.object(flow.value, where)
		if !ok {
			continue
		}
		r.faults.known(o, where, "authorizationUrl", "tokenUrl", "refreshUrl", "scopes")
		all = append(all, o)
		scopes := o.get("scopes")
		// check: scopes-missing
		if scopes.value == nil {
			r.faults.add(flow.key, where, "the flow %s has no scopes", flow.name)
			continue
		}
		list, _ := r.faults.table(scopes.value, where)
		for _, scope := range list {
			declared[scope.name] = true
		}
	}
	return declared, all, r.faults.count == before
}

// chooseTokens marks the schemes whose tokens are the Guard's, and checks the names in the options.
func (r *reader) chooseTokens(names []string) {
	for _, name := range r.opts.IgnoreSchemes {
		if r.schemes[name] == nil { // check: leave-out-unknown
			r.faults.add(nil, "", "Options.IgnoreSchemes names %q, which is no security scheme of the document", name)
		}
	}
	for _, name := range r.opts.TokenSchemes {
		switch s := r.schemes[name]; {
		case s == nil:
			r.faults.add(nil, "", "Options.TokenSchemes names %q, which is no security scheme of the document", name)
		case s.kind != "" && !s.bearer: // check: tokens-kind
			r.faults.add(s.key, "", "Options.TokenSchemes names %q, which is of type %s: a Guard does not check it", name, s.kind)
		default:
			s.token = s.bearer
		}
	}
	if len(r.opts.TokenSchemes) > 0 {
		return
	}
	var bearers []string
	for _, name := range names {
		if r.schemes[name].bearer && !slices.Contains(r.opts.IgnoreSchemes, name) {
			bearers = append(bearers, name)
		}
	}
	for i, name := range bearers {
		s := r.schemes[name]
		s.token = true
		if i > 0 { // check: tokens-several
			// The token of one issuer would do where that of another is asked for.
			r.faults.add(s.key, "", "%q is a second scheme with tokens, beside %q: Options.TokenSchemes must name those that the Guard takes", name, bearers[0])
		}
	}
}
