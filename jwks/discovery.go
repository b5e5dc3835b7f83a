package jwks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bearward/bearward/internal/fetch"
	"github.com/bearward/bearward/internal/jose"
)

// discover reads the issuer's metadata and returns the URL of its key set. Every form is asked
// until one has a document that names the exact issuer and a key set that may be fetched. The form
// that answered last time is asked first.
func (f *fetcher) discover(ctx context.Context) (string, error) {
	failed := &discoveryError{}
	for i := range f.forms {
		form := (f.form + i) % len(f.forms)
		found, err := f.metadata(ctx, f.forms[form])
		if err == nil {
			f.form = form // check: form-remembered
			return found, nil
		}
		if ctx.Err() != nil { // the cache is closed: the other forms would fail for the same reason
			return "", fmt.Errorf("jwks: discover %s: %w", f.forms[form], err)
		}
		failed.add(f.forms[form], err, i == 0 && f.url != "")
	}
	return "", failed
}

// A discoveryError is what is left when no form has good metadata.
type discoveryError struct {
	texts    []string
	last     string // what the last of texts says of its form
	outage   error  // of the longest Retry-After
	contrary error  // wraps ErrMisconfigured
	decided  bool   // contrary is what the form says that had the metadata before
}

// add takes the answer at one form.
func (e *discoveryError) add(form string, err error, hadMetadata bool) {
	text := strings.TrimPrefix(err.Error(), "jwks: ")
	if text == e.last {
		e.texts = append(e.texts, form+": the same")
	} else {
		e.texts, e.last = append(e.texts, form+": "+text), text
	}
	switch {
	case errors.Is(err, ErrMisconfigured):
		e.decided = e.decided || hadMetadata
		e.contrary = err
	case isOutage(err) && retryAfter(err) >= retryAfter(e.outage):
		e.outage = err
	}
}

func (e *discoveryError) Error() string { return "jwks: discover " + strings.Join(e.texts, "; ") }

// Unwrap returns an outage at a form where metadata may be, if there is one, or what contradicts
// the configuration.
func (e *discoveryError) Unwrap() error {
	if e.outage != nil && !e.decided {
		return e.outage
	}
	return e.contrary
}

// isOutage reports whether err says that a form could not be asked, rather than that it has no
// metadata.
func isOutage(err error) bool {
	var status *fetch.StatusError
	if errors.As(err, &status) {
		return status.Outage()
	}
	var redirect *fetch.RedirectError
	return !errors.Is(err, errNoMetadata) && !errors.Is(err, fetch.ErrTooLong) && !errors.As(err, &redirect)
}

// retryAfter is what the issuer asked for with err.
func retryAfter(err error) time.Duration {
	var status *fetch.StatusError
	if errors.As(err, &status) {
		return status.RetryAfter
	}
	return 0
}

var errNoMetadata = errors.New("no metadata")

// metadata reads one metadata document (RFC 8414 §3.2) and checks it (§3.3).
func (f *fetcher) metadata(ctx context.Context, from string) (keySetURL string, err error) {
	a, err := f.get(ctx, from, "")
	if err != nil {
		return "", err
	}
	var issuer, fault string
	named := false
	err = jose.Published(a.Body).Members([]string{"issuer", "jwks_uri"}, func(name string, value jose.Published) error {
		switch name {
		case "issuer":
			issuer, named = value.Text()
		case "jwks_uri":
			keySetURL, _ = value.Text()
		case "error":
			fault, _ = value.Text()
		}
		return nil
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %w", errNoMetadata, err)
	case !named && fault != "":
		return "", fmt.Errorf("%w: the error %q", errNoMetadata, truncate(fault))
	case !named && keySetURL == "":
		return "", fmt.Errorf("%w: it names no issuer", errNoMetadata)
	case issuer != f.name: // check: issuer
		return "", fmt.Errorf("%w: its issuer is %q, not %q", ErrMisconfigured, truncate(issuer), f.name)
	}
	if err := fetch.CheckNamedURL(keySetURL, f.issuer, f.allowHTTP); err != nil {
		return "", fmt.Errorf("%w: jwks_uri %q %w", ErrMisconfigured, fetch.RedactURL(keySetURL), err)
	}
	return keySetURL, nil
}

// truncate bounds what a document makes an error say.
func truncate(s string) string { return s[:min(len(s), 256)] }
