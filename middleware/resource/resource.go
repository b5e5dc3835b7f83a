// Package resource tells clients of an API what it needs of them: the protected resource metadata
// of RFC 9728. The document is made of the Guard and the rules, so that it says what they do:
//
//	const api = "https://api.example.com/orders"
//	metadata, err := resource.URL(api)
//	guard, err := auth.New("https://issuer.example", api, &auth.GuardOptions{ResourceMetadata: metadata})
//	document, err := resource.New(guard, resource.Metadata{Name: "Orders"}, rules)
//	mux.Handle(document.Pattern(), document)
//
// Several resources on one host have a Document each, at paths of their own.
package resource

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	auth "github.com/bearward/bearward/middleware"
)

// Metadata is what a document says that the Guard and the rules do not know. The zero value is
// usable where the Guard's issuers have one audience, and it is a URL.
type Metadata struct {
	// Resource is the identifier of the API (RFC 9728 §1.2, RFC 8707 §2): an https URL without a
	// fragment, or http on a loopback address. The document has it byte for byte. Its path must
	// have no escape, dot segment, brace, colon or asterisk. Default: the audience of the Guard.
	Resource string
	// AuthorizationServers are the issuers whose metadata clients read. Default: the Guard's
	// issuers at the time. Name them where tokens have another "iss" (Entra ID, version 1.0).
	AuthorizationServers []string
	// Name is what people are shown (resource_name). Default none.
	Name string
	// Documentation, Policy and TermsOfService are pages for people (resource_documentation,
	// resource_policy_uri, resource_tos_uri). Default none.
	Documentation, Policy, TermsOfService string
	// More are other members, such as "resource_name#de". It cannot have those that the other
	// fields, the Guard and the rules give, nor signed_metadata. Default none.
	More map[string]any
	// AtRoot also answers at [WellKnown] itself, for clients that do not put the path in. One
	// resource of a host may have it. Default: only a resource that is a whole host is there.
	AtRoot bool
}

// A Document answers requests for the metadata of one resource. It needs no token, may be read by
// scripts of every origin, and is cached for five minutes. It follows LiveRules, and issuers that
// come and go. It is safe for concurrent use.
type Document struct {
	guard    *auth.Guard
	rules    auth.Rules
	meta     Metadata
	url      *url.URL
	fixed    map[string]any
	rendered atomic.Pointer[rendered]
}

// rendered is a document, and what it was made of.
type rendered struct {
	issuers, scopes, details []string
	body                     []byte
	etag                     string
}

// maxAge is how long clients keep a document.
const maxAge = "max-age=300"

// New returns the Document of the API that guard and rules are for. The rules of
// auth.LiveRules.Rules are followed. The error names what is wrong with the identifier, or which
// member cannot be given. It is an error when the Guard's ResourceMetadata is another URL, or the
// Guard has no issuers. So is a rule with the scope offline_access, which is the client's affair
// and no API's (OpenID Connect Core §11).
func New(guard *auth.Guard, meta Metadata, rules auth.Rules) (*Document, error) {
	if guard == nil {
		return nil, errors.New("resource: New needs a Guard")
	}
	if err := rules.Validate(); err != nil {
		return nil, fmt.Errorf("resource: %w", err)
	}
	if meta.Resource == "" {
		meta.Resource = audienceOf(guard)
	}
	if meta.Resource == "" {
		return nil, fmt.Errorf("resource: %w", errUnknown)
	}
	u, err := parse(meta.Resource)
	if err != nil {
		return nil, fmt.Errorf("resource: Metadata.Resource: %w", err)
	}
	d := &Document{guard: guard, rules: maps.Clone(rules), meta: meta, url: u}
	if told := guard.ResourceMetadata(); told != "" && told != d.URL() { // check: challenged-elsewhere
		return nil, fmt.Errorf("resource: the Guard's challenges name %s, and the document of %s is at %s", told, meta.Resource, d.URL())
	}
	if d.fixed, err = d.members(); err != nil {
		return nil, err
	}
	now := d.now()
	if len(now.issuers) == 0 { // check: no-issuers
		return nil, errors.New("resource: Metadata.AuthorizationServers is required: the Guard does not tell its issuers")
	}
	if slices.Contains(now.scopes, offlineAccess) { // check: offline-access
		return nil, fmt.Errorf("resource: a rule asks for the scope %s, which no API needs", offlineAccess)
	}
	if _, err := d.render(now); err != nil {
		return nil, fmt.Errorf("resource: Metadata.More: %w", err)
	}
	return d, nil
}

// offlineAccess is what a client asks for to get a refresh token.
const offlineAccess = "offline_access"

// audienceOf returns the one audience of all the Guard's issuers, "" when there is no one.
func audienceOf(guard *auth.Guard) string {
	var all []string
	for _, s := range guard.Status() {
		all = append(all, s.Audiences...)
	}
	if slices.Sort(all); len(slices.Compact(all)) != 1 {
		return ""
	}
	return all[0]
}

// members returns what does not change.
func (d *Document) members() (map[string]any, error) {
	m := map[string]any{"resource": d.meta.Resource, "bearer_methods_supported": []string{"header"}}
	if d.guard.TokenField() != "Authorization" { // check: bearer-methods
		m["bearer_methods_supported"] = []string{} // none of RFC 6750
	}
	for _, text := range []struct{ name, field, value string }{
		{"resource_name", "", d.meta.Name}, {"resource_documentation", "Documentation", d.meta.Documentation},
		{"resource_policy_uri", "Policy", d.meta.Policy}, {"resource_tos_uri", "TermsOfService", d.meta.TermsOfService},
	} {
		if text.value == "" { // check: empty-members
			continue
		}
		if u, err := url.Parse(text.value); text.field != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") { // check: page-url
			return nil, fmt.Errorf("resource: Metadata.%s: %q is not a URL of a page", text.field, text.value)
		}
		m[text.name] = text.value
	}
	bindings, required := d.guard.Bindings()
	for _, b := range bindings {
		scheme, ok := b.(auth.SchemeBinding)
		switch {
		case ok && scheme.Scheme() == "DPoP":
			m["dpop_signing_alg_values_supported"] = scheme.Algorithms()
			if required && len(bindings) == 1 { // check: dpop-required
				m["dpop_bound_access_tokens_required"] = true
			}
		case b.Member() == "x5t#S256":
			m["tls_client_certificate_bound_access_tokens"] = true
		}
	}
	for name, value := range d.meta.More {
		switch {
		case slices.Contains(own, name): // check: own-members
			return nil, fmt.Errorf("resource: Metadata.More cannot have %q", name)
		case name == "resource_signing_alg_values_supported" && slices.Contains(texts(value), "none"): // check: signing-none
			return nil, fmt.Errorf("resource: Metadata.More: %s has none (RFC 9728 §2)", name)
		case isEmpty(value): // check: empty-more
			continue
		}
		m[name] = value
	}
	return m, nil
}

// own are the members that are not More's: those that are generated, and signed_metadata, which is
// not offered, since no client reads it.
var own = []string{
	"resource", "authorization_servers", "scopes_supported", "bearer_methods_supported", "resource_name", "resource_documentation", "resource_policy_uri",
	"resource_tos_uri", "tls_client_certificate_bound_access_tokens", "authorization_details_types_supported", "dpop_signing_alg_values_supported",
	"dpop_bound_access_tokens_required", "signed_metadata",
}

// texts returns the elements of a list of strings.
func texts(value any) []string {
	switch list := value.(type) {
	case []string:
		return list
	case []any:
		var all []string
		for _, v := range list {
			s, _ := v.(string)
			all = append(all, s)
		}
		return all
	}
	return nil
}

// isEmpty reports whether a member has nothing in it, and is left out (RFC 9728 §3.2).
func isEmpty(value any) bool {
	text, err := json.Marshal(value)
	return err == nil && slices.Contains([]string{"null", `""`, "[]", "{}"}, string(text))
}

// now returns what the Guard and the rules say at this time.
func (d *Document) now() *rendered {
	r := &rendered{issuers: d.meta.AuthorizationServers}
	if len(r.issuers) == 0 {
		for _, s := range d.guard.Status() {
			r.issuers = append(r.issuers, s.Issuer)
		}
	}
	for _, need := range d.rules {
		r.scopes = append(r.scopes, need.Names("scope")...)
		r.details = append(r.details, need.Names("detail")...)
	}
	for _, list := range []*[]string{&r.scopes, &r.details} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return r
}

// render makes the document of what now returned, when it is not made yet.
func (d *Document) render(r *rendered) (*rendered, error) {
	before := d.rendered.Load()
	if before != nil && slices.Equal(before.issuers, r.issuers) && slices.Equal(before.scopes, r.scopes) && slices.Equal(before.details, r.details) {
		return before, nil
	}
	m := maps.Clone(d.fixed)
	scopes := slices.DeleteFunc(slices.Clone(r.scopes), func(s string) bool { return s == offlineAccess }) // check: offline-access-later
	for name, list := range map[string][]string{"authorization_servers": r.issuers, "scopes_supported": scopes, "authorization_details_types_supported": r.details} {
		if len(list) > 0 { // check: empty-lists
			m[name] = list
		}
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(m); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body.Bytes())
	r.body, r.etag = body.Bytes(), `"`+base64.RawURLEncoding.EncodeToString(sum[:12])+`"`
	d.rendered.Store(r)
	return r, nil
}

// URL returns where clients find the document: what [auth.GuardOptions].ResourceMetadata names.
func (d *Document) URL() string {
	return d.url.Scheme + "://" + d.url.Host + d.Pattern() + query(d.url)
}

// Pattern returns the path of the document, as routers take it: [WellKnown] and the path of the
// resource. Every method is meant: the Document answers GET, HEAD and OPTIONS.
func (d *Document) Pattern() string { return d.url.Path }

// Handler returns a handler that answers for the document, and gives everything else to next. It
// goes around a router whose middlewares ask every request for a token.
func (d *Document) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.isFor(r) {
			d.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isFor reports whether a request asks for this document.
func (d *Document) isFor(r *http.Request) bool {
	if d.url.RawQuery != "" && r.URL.RawQuery != d.url.RawQuery { // check: resource-query
		return false
	}
	return r.URL.Path == d.Pattern() || d.meta.AtRoot && r.URL.Path == WellKnown // check: document-path
}

// ServeHTTP answers with the document. Another path than [Document.Pattern] is 404.
func (d *Document) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	switch {
	case !d.isFor(r):
		http.NotFound(w, r)
		return
	case r.Method == http.MethodOptions: // a script that adds a field of its own asks first
		h.Set("Access-Control-Allow-Methods", "GET, HEAD")
		h.Set("Access-Control-Allow-Headers", "*")
		h.Set("Access-Control-Max-Age", "300")
		w.WriteHeader(http.StatusNoContent)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead: // check: document-method
		h.Set("Allow", "GET, HEAD, OPTIONS")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	now, err := d.render(d.now())
	if err != nil { // it was rendered before, of the same kinds of values
		http.Error(w, "no document", http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "public, "+maxAge)
	h.Set("ETag", now.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(now.body))
}
