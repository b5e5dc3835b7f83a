package doctor

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/bearward/bearward/internal/fetch"
	"github.com/bearward/bearward/internal/jose"
)

// A form is the answer at one well-known URL of an issuer's metadata.
type form struct {
	answer
	members map[string]jose.Published // nil when there is no JSON object
}

// text returns a member that is a string, or "".
func (f *form) text(name string) string {
	s, _ := f.members[name].Text()
	return s
}

// texts returns a member that is an array of strings, and whether it is there.
func (f *form) texts(name string) ([]string, bool) {
	value, ok := f.members[name]
	if !ok {
		return nil, false
	}
	all, ok := value.Texts()
	return all, ok
}

// readObject reads a JSON object of metadata.
func readObject(body []byte) map[string]jose.Published {
	members := map[string]jose.Published{}
	err := jose.Published(body).Members([]string{"issuer", "jwks_uri", "resource"}, func(name string, value jose.Published) error {
		members[name] = slices.Clone(value)
		return nil
	})
	if err != nil {
		return nil
	}
	return members
}

// A visit is the look at one issuer.
type visit struct {
	*examiner
	name  string
	url   *url.URL
	cache cacheAnswer
	forms []form
	used  *form           // that names the key set; nil when that is not known
	at    string          // the URL of the key set, "" when it is not known
	moves map[string]move // by the URL of the document that redirects
}

// issuer looks at one issuer. The error says that the name cannot be an issuer's.
func (e *examiner) issuer(ctx context.Context, name string) error {
	u, err := fetch.ParseURL(name, e.AllowHTTP)
	if err != nil || u.RawQuery != "" {
		_, err := e.askCache(ctx, name)
		return err
	}
	v := &visit{examiner: e, name: name, url: u, moves: map[string]move{}}
	if err := v.read(ctx); err != nil {
		return err
	}
	e.report.Issuers = append(e.report.Issuers, clean(name)) // check: report-issuers
	found := len(e.report.Findings)
	v.followForms(ctx)
	v.choose()
	v.everyForm()
	if v.used != nil {
		v.disagreements()
		v.metadata()
	}
	if v.at != "" {
		v.keySet(ctx)
	} else {
		v.noKeySet()
	}
	if v.cache.err == nil {
		v.replicas(ctx)
	} else if !explains(e.report.Findings[found:]) {
		e.find("KEYS_NOT_FETCHED", name, "The key cache says: %v.", v.cache.err)
	}
	if e.MCP {
		v.mcp()
	}
	return nil
}

// explains reports whether one of the findings is the reason that there are no keys.
func explains(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Severity == Fault || f.Severity == Open })
}

// read asks for every form, and has the cache fetch at the same time.
func (v *visit) read(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		var err error
		v.cache, err = v.askCache(ctx, v.name)
		failed <- err
	}()
	for _, a := range v.askAll(ctx, fetch.WellKnown(v.url)) {
		f := form{answer: a}
		if a.ok() {
			f.members = readObject(a.Body)
		}
		v.forms = append(v.forms, f)
	}
	if !v.answered() {
		cancel() // the cache would wait for each form in turn
	}
	if err := <-failed; err != nil {
		return err
	}
	return nil
}

// answered reports whether any form got an answer, of whatever status.
func (v *visit) answered() bool {
	return slices.ContainsFunc(v.forms, func(f form) bool { return f.err == nil })
}

// choose finds the URL of the key set, and the form that names it. It is the cache's; when the
// cache got no keys, it is one that the cache may have asked.
func (v *visit) choose() {
	v.at = v.cache.URL
	for i := range v.forms {
		f := &v.forms[i]
		at := f.text("jwks_uri")
		if f.text("issuer") != v.name || v.at != "" && v.at != at || fetch.CheckNamedURL(at, v.url, v.AllowHTTP) != nil { // check: key-set-url
			continue
		}
		v.at, v.used = at, f
		return
	}
}

// followForms reads the documents that forms redirect to, as the cache does when it may.
func (v *visit) followForms(ctx context.Context) {
	for i := range v.forms {
		f := &v.forms[i]
		if f.err != nil || !isRedirect(&f.answer) {
			continue
		}
		m := v.follow(ctx, &f.answer)
		if v.moves[f.url] = m; v.SameHostRedirects && m.last.ok() {
			f.members = readObject(m.last.Body)
		}
	}
}

// everyForm looks at what all forms have in common, whichever is used.
func (v *visit) everyForm() {
	for i := range v.forms {
		f := &v.forms[i]
		v.transport(&f.answer)
		switch {
		case f.err == nil && isRedirect(&f.answer):
			v.moved(f.url, v.moves[f.url], v.used == nil)
		case f.ok() && f.members == nil:
			v.find("METADATA_NOT_JSON", f.url, "It answers 200 with something that is no JSON object%s.", looksLike(&f.answer))
		case f.ok():
			v.contentType(&f.answer)
		}
	}
}

func looksLike(a *answer) string {
	if strings.HasPrefix(strings.TrimSpace(string(a.Body[:min(len(a.Body), 64)])), "<") {
		return ": it begins as HTML does"
	}
	return ""
}

// disagreements compares the other forms with the one that the cache uses.
func (v *visit) disagreements() {
	for i := range v.forms {
		f := &v.forms[i]
		if f.members == nil {
			continue
		}
		for _, name := range []string{"issuer", "jwks_uri"} {
			if a, b := f.text(name), v.used.text(name); a != b {
				v.find("FORMS_DISAGREE", f.url, "Its %s is%s. At %s, which this module uses, it is%s.", name, inURL(a), v.used.url, inURL(b))
			}
		}
	}
}

// noKeySet tells why the cache found no key set.
func (v *visit) noKeySet() {
	documents, failing := false, false
	var said []string // forms that say the same are one finding
	for i := range v.forms {
		f := &v.forms[i]
		switch {
		case f.err != nil && (!v.answered() || errors.Is(f.err, fetch.ErrTooLong)):
			v.unanswered(&f.answer, "ISSUER_UNREACHABLE")
			failing = true
		case f.err == nil && (&fetch.StatusError{Code: f.Status}).Outage():
			v.find("ISSUER_FAILING", origin(f.url), "It answers %s.", f.outcome())
			failing = true
		case f.members != nil:
			documents = true
			if told := f.text("issuer") + " " + f.text("jwks_uri"); !slices.Contains(said, told) {
				said = append(said, told)
				v.contradiction(f)
			}
		}
	}
	if !documents && !failing {
		v.find("METADATA_MISSING", v.name, "No metadata at any of its %d well-known URLs. %s answers %s.", len(v.forms), v.forms[0].url, v.forms[0].outcome())
	}
}

// contradiction tells why the cache does not take a document.
func (v *visit) contradiction(f *form) {
	name := f.text("issuer")
	switch {
	case name == v.name:
		if err := fetch.CheckNamedURL(f.text("jwks_uri"), v.url, v.AllowHTTP); err != nil {
			v.find("KEY_SET_URL_REFUSED", f.url, "Its jwks_uri%s %v.", inURL(f.text("jwks_uri")), err)
		}
	case strings.TrimSuffix(name, "/") == strings.TrimSuffix(v.name, "/"):
		v.find("ISSUER_MISMATCH", f.url, "Its issuer is %s, not %s: they differ in the trailing slash.", quote(name), quote(v.name))
	default:
		v.find("ISSUER_MISMATCH", f.url, "Its issuer is %s, not %s.", quote(name), quote(v.name))
	}
}

const maxEndpoints = 32 // that are looked at: a document may have thousands

// metadata looks at the members of the document that is used.
func (v *visit) metadata() {
	f := v.used
	v.report.fact("metadata", "%s", f.url)
	offers := []string{}
	for _, name := range slices.Sorted(maps.Keys(f.members)) {
		kind, ok := strings.CutSuffix(name, "_endpoint")
		if !ok || f.text(name) == "" {
			continue
		}
		if len(offers) == maxEndpoints { // check: endpoints
			break
		}
		offers = append(offers, kind)
		if err := fetch.CheckNamedURL(f.text(name), v.url, v.AllowHTTP); err != nil {
			v.find("ENDPOINT_REFUSED", f.url, "Its %s%s %v.", name, inURL(f.text(name)), err)
		}
	}
	if len(offers) > 0 {
		v.report.fact("endpoints", "%s", strings.Join(offers, ", "))
	}
	if algs, ok := f.texts("id_token_signing_alg_values_supported"); ok && !slices.ContainsFunc(algs, isKnown) {
		v.find("ALGORITHMS_UNKNOWN", f.url, "It signs by %s alone, so far as it says.", quote(strings.Join(algs, ", ")))
	}
}

// inURL returns a URL that a document names, without a query, for a sentence that begins before it.
func inURL(raw string) string {
	if _, err := url.Parse(raw); err != nil || raw == "" {
		return ""
	}
	return " " + quote(fetch.RedactURL(raw))
}

func isKnown(alg string) bool { return jose.AlgorithmNamed(alg).Known() }
