package jwks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrMisconfigured is wrapped by the errors of [Cache.Refresh] and in [Status] when the issuer's metadata contradicts what was configured:
// it names another issuer, or a key set that must not be fetched. No retry helps until one of the two is changed.
var ErrMisconfigured = errors.New("jwks: the issuer's metadata contradicts the configuration")

// discoveryShare is how long discovery may take when the URL of the key set is known already, so that time is left to fetch that.
const discoveryShare = fetchTimeout / 2

// A fetcher gets the key set of one issuer, or of one URL. It is used by one goroutine at a time.
type fetcher struct {
	client   http.Client
	own      *http.Transport // closed with the Cache; nil when the transport is the user's
	plain    bool
	maxBytes int
	maxKeys  int

	name   string   // the issuer, or the URL: what a snapshot file is bound to
	issuer *url.URL // nil when the URL of the key set was given
	forms  []string // of the issuer's metadata
	form   int      // the one that answered last

	url  string // of the key set; empty until discovered
	etag string // of the last good answer from url
}

// A fetched key set has passed every check.
type fetched struct {
	document
	url          string
	notModified  bool
	hint         time.Duration
	discoveryErr error
}

// fetch gets the key set, from the URL that the metadata names today when discover is set. Nothing of the fetcher changes unless the whole
// fetch is good: a new URL counts from its first good answer on.
func (f *fetcher) fetch(ctx context.Context, discover bool) (got fetched, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("jwks: fetch panicked: %v", p)
		}
	}()
	got.url = f.url
	if f.issuer != nil && (discover || f.url == "") {
		found, err := f.discover(ctx)
		switch {
		case err == nil:
			got.url = found
		case f.url == "" || errors.Is(err, ErrMisconfigured) || ctx.Err() != nil: // check: misconfigured-later
			return got, err
		default: // the known URL still tells which keys are withdrawn
			got.discoveryErr = err
		}
	}
	etag := f.etag
	if got.url != f.url { // check: etag-of-another-url
		etag = ""
	}
	a, err := get(ctx, &f.client, got.url, f.maxBytes, etag)
	if err != nil {
		return got, fmt.Errorf("jwks: fetch %s: %w", shown(got.url), err)
	}
	if !a.notModified {
		if got.document, err = parse(a.body, f.maxKeys); err != nil {
			return got, fmt.Errorf("jwks: fetch %s: %w", shown(got.url), err)
		}
	}
	got.notModified, got.hint = a.notModified, a.hint
	f.url, f.etag = got.url, a.etag
	return got, nil
}

// discover reads the issuer's metadata and returns the URL of its key set. The form that answered last time is tried first.
func (f *fetcher) discover(ctx context.Context) (string, error) {
	if f.url != "" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, discoveryShare)
		defer cancel()
	}
	var answers []error
	for i := range f.forms {
		form := (f.form + i) % len(f.forms)
		found, err := f.metadata(ctx, f.forms[form])
		if err == nil {
			f.form = form
			return found, nil
		}
		err = fmt.Errorf("jwks: discover %s: %w", f.forms[form], err)
		if !nextForm(err) {
			return "", err
		}
		answers = append(answers, err)
	}
	return "", errors.Join(answers...)
}

// nextForm tells whether err says that the issuer publishes no metadata at that URL, rather than that it could not be asked.
func nextForm(err error) bool {
	var status *statusError
	if errors.As(err, &status) {
		return !status.outage()
	}
	return errors.Is(err, errNotObject)
}

// metadata reads one metadata document (RFC 8414 §3.2) and checks it (§3.3).
func (f *fetcher) metadata(ctx context.Context, from string) (keySetURL string, err error) {
	a, err := get(ctx, &f.client, from, f.maxBytes, "")
	if err != nil {
		return "", err
	}
	var issuer string
	err = members(a.body, func(name string, value jsontext.Value) error {
		switch name {
		case "issuer":
			issuer, _ = text(value)
		case "jwks_uri":
			keySetURL, _ = text(value)
		}
		return nil
	})
	if err != nil {
		if errors.Is(err, errDuplicate) {
			return "", err
		}
		return "", errNotObject // whatever is wrong with its JSON
	}
	if issuer != f.name { // check: issuer
		return "", fmt.Errorf("%w: its issuer is %q, not %q", ErrMisconfigured, cut(issuer), f.name)
	}
	if err := checkKeySetURL(keySetURL, f.issuer, f.plain); err != nil {
		return "", fmt.Errorf("%w: jwks_uri %q %w", ErrMisconfigured, cut(shown(keySetURL)), err)
	}
	return keySetURL, nil
}

// cut bounds what a document makes an error say.
func cut(s string) string { return s[:min(len(s), 256)] }
