// Package doctor looks at an issuer, and at an API, as those who run them do: what is published,
// how, and whether an API that this module guards gets keys from it. It decides nothing about keys
// itself: which are used is what jwks.Cache says.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bearward/bearward/internal/fetch"
	"github.com/bearward/bearward/jwks"
	"github.com/bearward/bearward/middleware/resource"
)

// Options say what is looked at. Issuer or API is required.
type Options struct {
	// Issuer is the name of the issuer, as tokens have it.
	Issuer string
	// API is the identifier of a protected resource (RFC 9728 §1.2), byte for byte as clients write
	// it. Without Issuer, the issuers that its document names are looked at, four at most.
	API string
	// Operation is the path of a GET operation of the API's host that needs a token. Default: that
	// of API, of which it is then not claimed that it needs one.
	Operation string
	// MCP also asks for what clients of the Model Context Protocol need.
	MCP bool
	// Timeout bounds each request: 1 s to 1 min, default 5 s.
	Timeout time.Duration
	// Tries is how often documents are read to see whether replicas differ, each time over a new
	// connection. Default 4, at most 20.
	Tries int
	// AllowHTTP, SameHostRedirects and Proxy are as in jwks.Options: what the API has set.
	AllowHTTP, SameHostRedirects, Proxy bool
	// Transport makes the requests. Default: one that does not dial link-local and cloud metadata
	// addresses.
	Transport *http.Transport
}

// ErrUsage is wrapped by the error of Examine when the options are wrong.
var ErrUsage = errors.New("wrong usage")

const (
	defaultTries = 4
	maxTries     = 20
	maxIssuers   = 4 // of an API's document
)

// Examine looks at the issuer, the API, or both. It sends no credential but tokens that it makes
// up, and changes nothing. The error is wrong usage, or that ctx has ended: an issuer that does not
// answer is a Finding.
func Examine(ctx context.Context, o Options) (*Report, error) {
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Tries == 0 {
		o.Tries = defaultTries
	}
	o.Operation = strings.TrimPrefix(o.Operation, "GET ") // as rules are written
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	e := &examiner{Options: o, report: &Report{Version: Version, Issuers: []string{}, API: o.API, Facts: []Fact{}, Findings: []Finding{}}}
	issuers := []string{o.Issuer}
	if o.API != "" {
		named := e.apiDocument(ctx)
		if o.Issuer == "" {
			issuers = named
		}
	}
	for _, issuer := range issuers[:min(len(issuers), maxIssuers)] {
		if o.Issuer == "" && !o.AllowHTTP && isDowngrade(issuer, o.API) { // check: named-issuer-downgrade
			e.find("API_METADATA_ISSUER", e.documentURL, "authorization_servers names %s, which has http, although the API has https. It is not asked.", quote(issuer))
			continue
		}
		if err := e.issuer(ctx, issuer); err != nil {
			if o.Issuer != "" {
				return nil, fmt.Errorf("%w: %w", ErrUsage, err)
			}
			e.find("API_METADATA_ISSUER", e.documentURL, "authorization_servers names %s, which is no issuer: %v", quote(issuer), err)
		}
	}
	if o.API != "" {
		e.operation(ctx)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e.report.sort()
	return e.report, nil
}

// isDowngrade reports whether an API over https names an issuer over http. That one is on loopback:
// a program of the machine that doctor runs on, which is no business of the API's.
func isDowngrade(issuer, api string) bool {
	from, err := url.Parse(issuer)
	return err == nil && from.Scheme == "http" && strings.HasPrefix(api, "https:")
}

func (o *Options) check() error {
	switch {
	case o.Issuer == "" && o.API == "":
		return errors.New("name an issuer, an API, or both")
	case o.API == "" && o.Operation != "":
		return errors.New("an operation needs the API that it is of")
	case o.Operation != "" && (!strings.HasPrefix(o.Operation, "/") || strings.HasPrefix(o.Operation, "//") || strings.Contains(o.Operation, "#")):
		return fmt.Errorf("the operation %q is not a path, such as /orders", o.Operation)
	case o.Timeout < time.Second || o.Timeout > time.Minute:
		return fmt.Errorf("the timeout %v is not within 1s to 1m", o.Timeout)
	case o.Tries < 1 || o.Tries > maxTries:
		return fmt.Errorf("%d tries are not within 1 to %d", o.Tries, maxTries)
	}
	if o.API != "" {
		if _, err := resource.URL(o.API); err != nil {
			return err
		}
	}
	return nil
}

// An examiner looks, and writes into its report.
type examiner struct {
	Options
	report      *Report
	documentURL string     // of the API's document
	known       *jwks.Key  // a key of the last issuer looked at
	seen        clockTrail // hosts whose certificate or clock was looked at
}

// find adds a finding of the kind that id names.
func (e *examiner) find(id, where, format string, args ...any) {
	k := kindOf(id)
	f := Finding{
		ID: k.ID, Severity: k.Severity, Side: k.Side, Means: k.Means, Do: k.Do,
		Where: fetch.RedactURL(where), What: clean(fmt.Sprintf(format, args...)),
	}
	if k.MCP && e.MCP {
		f.Severity = Fault
	}
	if k.Side == SideIssuer && e.documentURL != "" && where == e.documentURL {
		f.Side = SideAPI
	}
	e.report.add(f)
}

// cacheAnswer is what an API's key cache makes of an issuer.
type cacheAnswer struct {
	jwks.Status
	err  error
	took time.Duration
}

// askCache has a key cache, the one of every Guard, fetch the keys of an issuer. The error says
// that the name cannot be an issuer's.
func (e *examiner) askCache(ctx context.Context, issuer string) (cacheAnswer, error) {
	options := &jwks.Options{
		Timeout: e.Timeout, InsecureAllowHTTP: e.AllowHTTP, SameHostRedirects: e.SameHostRedirects,
		Logger: slog.New(slog.DiscardHandler),
	}
	if e.Transport != nil {
		transport := e.Transport.Clone()
		defer transport.CloseIdleConnections()
		options.Client = &http.Client{Transport: transport}
	} else {
		options.ProxyFromEnvironment = e.Proxy
	}
	cache, err := jwks.FromIssuer(issuer, options)
	if err != nil {
		return cacheAnswer{}, err
	}
	defer cache.Close()
	began := time.Now()
	err = cache.Refresh(ctx)
	return cacheAnswer{cache.Status(), err, time.Since(began)}, nil
}
