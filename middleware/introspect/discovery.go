package introspect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/bearward/bearward/internal/fetch"
	"github.com/bearward/bearward/internal/jose"
)

// FromMetadata stands for an endpoint that the issuer's metadata names: "introspection_endpoint" of
// RFC 8414 §2, or of OpenID Connect discovery. It is looked up before the first question, and again
// when the endpoint cannot be had. Both look-ups are bounded by Config.Timeout. Without metadata
// tokens are not judged (503), and the log says why.
const FromMetadata = "metadata"

// maxMetadataBytes bounds a document of metadata, after decompression.
const maxMetadataBytes = 256 << 10

// A discovery finds the endpoint that the issuer's metadata names. The nil discovery is of an
// endpoint that is known.
type discovery struct {
	issuer    *url.URL
	name      string   // the exact issuer
	forms     []string // where the metadata may be
	allowHTTP bool
	requests  *fetch.Client

	found atomic.Pointer[string]
	stale atomic.Bool   // the endpoint could not be had: look again
	one   chan struct{} // holds a value while somebody looks
}

func newDiscovery(c Config, requests *fetch.Client) (*discovery, error) {
	u, err := fetch.ParseURL(c.Claims.Issuer, c.InsecureAllowHTTP)
	if err != nil {
		return nil, fmt.Errorf("introspect: FromMetadata: Config.Claims.Issuer %w", err)
	}
	return &discovery{
		issuer: u, name: c.Claims.Issuer, forms: fetch.WellKnown(u), allowHTTP: c.InsecureAllowHTTP,
		requests: requests, one: make(chan struct{}, 1),
	}, nil
}

// lookAgain has the endpoint looked up before the next question: it may have moved.
func (d *discovery) lookAgain() {
	if d != nil {
		d.stale.Store(true)
	}
}

// endpoint returns the endpoint within timeout. One caller looks it up; the others wait for it.
func (d *discovery) endpoint(ctx context.Context, timeout time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if known := d.found.Load(); known != nil && !d.stale.Load() {
		return *known, nil
	}
	select {
	case d.one <- struct{}{}:
		defer func() { <-d.one }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	known := d.found.Load()
	if known != nil && !d.stale.Load() { // found by the one before
		return *known, nil
	}
	endpoint, err := d.look(ctx, timeout/time.Duration(len(d.forms)))
	switch {
	case err == nil:
		d.found.Store(&endpoint)
	case known == nil:
		return "", err
	default:
		endpoint = *known // the metadata cannot be had either
	}
	d.stale.Store(false)
	return endpoint, nil
}

// look asks each form until one has the issuer's metadata. Each has its share of the time, so that
// one that hangs keeps no other from being asked.
func (d *discovery) look(ctx context.Context, share time.Duration) (string, error) {
	var errs []error
	for _, form := range d.forms {
		endpoint, err := d.lookAt(ctx, form, share)
		if err == nil {
			return endpoint, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", form, err))
	}
	return "", fmt.Errorf("find the endpoint: %w", errors.Join(errs...))
}

var errNoEndpoint = errors.New(`the metadata has no "introspection_endpoint"`)

func (d *discovery) lookAt(ctx context.Context, form string, share time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, share)
	defer cancel()
	return d.metadata(ctx, form)
}

// metadata reads one metadata document (RFC 8414 §3.2) and checks it (§3.3).
func (d *discovery) metadata(ctx context.Context, from string) (endpoint string, err error) {
	a, err := d.requests.Do(ctx, fetch.Request{
		Method: http.MethodGet, URL: from, Header: http.Header{"Accept": {jsonType}}, MaxBytes: maxMetadataBytes,
	})
	if err != nil {
		return "", err
	}
	var issuer string
	err = jose.Published(a.Body).Members([]string{"issuer", "introspection_endpoint"}, func(name string, value jose.Published) error {
		switch name {
		case "issuer":
			issuer, _ = value.Text()
		case "introspection_endpoint":
			endpoint, _ = value.Text()
		}
		return nil
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("no metadata: %w", err)
	case issuer != d.name: // check: discovery-other-issuer
		return "", errors.New("the metadata is another issuer's")
	case endpoint == "":
		return "", errNoEndpoint
	}
	if err := fetch.CheckNamedURL(endpoint, d.issuer, d.allowHTTP); err != nil { // check: discovery-endpoint
		return "", fmt.Errorf("introspection_endpoint %q %w", fetch.RedactURL(endpoint), err)
	}
	return endpoint, nil
}
