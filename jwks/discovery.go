package jwks

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/bearward/bearward/internal/fetch"
	"github.com/bearward/bearward/internal/jose"
)

// discoveryShare is how long discovery may take when the URL of the key set is known already, so that
// time is left to fetch that.
const discoveryShare = fetchTimeout / 2

// wellKnown returns the metadata URLs of an issuer in the order in which they are tried: RFC 8414 §3.1
// with the well-known part inserted before the issuer's path, OpenID Connect inserted so, and OpenID
// Connect Discovery §4 with it appended.
func wellKnown(issuer *url.URL) []string {
	path := strings.TrimSuffix(issuer.EscapedPath(), "/")
	origin := issuer.Scheme + "://" + issuer.Host
	forms := []string{
		origin + "/.well-known/oauth-authorization-server" + path,
		origin + "/.well-known/openid-configuration" + path,
	}
	if path != "" {
		forms = append(forms, origin+path+"/.well-known/openid-configuration")
	}
	return forms
}

// discover reads the issuer's metadata and returns the URL of its key set. The form that answered last
// time is tried first.
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

// nextForm reports whether err says that the issuer publishes no metadata at that URL, rather than that
// it could not be asked.
func nextForm(err error) bool {
	var status *fetch.StatusError
	if errors.As(err, &status) {
		return !status.Outage()
	}
	return errors.Is(err, jose.ErrNotObject)
}

// metadata reads one metadata document (RFC 8414 §3.2) and checks it (§3.3).
func (f *fetcher) metadata(ctx context.Context, from string) (keySetURL string, err error) {
	a, err := f.get(ctx, from, "")
	if err != nil {
		return "", err
	}
	var issuer string
	err = jose.Published(a.Body).Members(nil, func(name string, value jose.Published) error {
		switch name {
		case "issuer":
			issuer, _ = value.Text()
		case "jwks_uri":
			keySetURL, _ = value.Text()
		}
		return nil
	})
	if err != nil {
		if errors.Is(err, jose.ErrDuplicate) {
			return "", err
		}
		return "", jose.ErrNotObject // whatever is wrong with its JSON
	}
	if issuer != f.name { // check: issuer
		return "", fmt.Errorf("%w: its issuer is %q, not %q", ErrMisconfigured, truncate(issuer), f.name)
	}
	if err := checkKeySetURL(keySetURL, f.issuer, f.allowHTTP); err != nil {
		return "", fmt.Errorf("%w: jwks_uri %q %w", ErrMisconfigured, truncate(fetch.RedactURL(keySetURL)), err)
	}
	return keySetURL, nil
}

// checkKeySetURL tells what is wrong with the key set URL that issuer's metadata names.
func checkKeySetURL(raw string, issuer *url.URL, allowHTTP bool) error {
	u, err := fetch.ParseURL(raw, allowHTTP || issuer.Scheme == "http")
	if err != nil {
		return err
	}
	if u.Scheme == "http" && issuer.Scheme == "https" && !allowHTTP { // check: jwks-uri-downgrade
		return errors.New("has the scheme \"http\", although the issuer has https")
	}
	// What came in clear may have been changed on the way, and must not lead to another host.
	if issuer.Scheme == "http" && !fetch.SameHost(u, issuer) { // check: jwks-uri-host
		return errors.New("is on another host, named by metadata that came over http")
	}
	return nil
}

// truncate bounds what a document makes an error say.
func truncate(s string) string { return s[:min(len(s), 256)] }
