package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// Person is who sits in front of the browser.
type Person struct {
	Name, Password string
	Withhold       []string // scopes to untick on the consent page
	Deny           bool     // press Deny instead of Allow
}

// maxPages bounds the pages of one walk: login, consent, and room for more.
const maxPages = 6

// Walk opens start in a fresh browser and answers every page until the server
// sends the browser to redirectURI; it returns that address with its query.
func (p Person) Walk(ctx context.Context, transport http.RoundTripper, start, redirectURI string) (*url.URL, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	browser := &http.Client{
		Transport: transport,
		Jar:       jar,
		// Nobody listens at the redirect URI: what counts is the address.
		CheckRedirect: func(req *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(req.URL.String(), redirectURI) {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, start, nil)
	if err != nil {
		return nil, err
	}
	for range maxPages {
		resp, err := browser.Do(req)
		if err != nil {
			return nil, fmt.Errorf("client: browse: %w", err)
		}
		page, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		resp.Body.Close()
		if err != nil {
			return nil, fmt.Errorf("client: browse: %w", err)
		}
		if resp.StatusCode >= 300 && resp.StatusCode < 400 {
			return resp.Location()
		}
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("client: browse: %s answered %s", resp.Request.URL.Path, resp.Status)
		}
		if req, err = p.answer(ctx, resp.Request.URL, string(page)); err != nil {
			return nil, fmt.Errorf("client: page %s: %w", resp.Request.URL.Path, err)
		}
	}
	return nil, errors.New("client: browse: too many pages")
}

// answer fills in the form of a page as the person would.
func (p Person) answer(ctx context.Context, at *url.URL, page string) (*http.Request, error) {
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return nil, err
	}
	form, err := readForm(doc)
	if err != nil {
		return nil, err
	}
	switch {
	case form.has("password"):
		form.fields.Set("username", p.Name)
		form.fields.Set("password", p.Password)
	case form.has("decision"):
		decision := "allow"
		if p.Deny {
			decision = "deny"
		}
		form.fields.Set("decision", decision)
		form.fields["scope"] = slices.DeleteFunc(form.fields["scope"], func(scope string) bool {
			return slices.Contains(p.Withhold, scope)
		})
	default:
		return nil, errors.New("neither a login nor a consent page")
	}
	to, err := at.Parse(form.action)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(form.fields.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", to.Scheme+"://"+to.Host)
	return req, nil
}

// form is the one form of a page: what a browser would send, and the names of
// everything that can be filled in or pressed.
type form struct {
	action string
	fields url.Values
	names  []string
}

func (f *form) has(name string) bool { return slices.Contains(f.names, name) }

func readForm(doc *html.Node) (*form, error) {
	var found *form
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "form":
			if found != nil {
				return nil, errors.New("more than one form")
			}
			found = &form{action: attr(n, "action"), fields: url.Values{}}
		case "input", "button":
			if found == nil || attr(n, "name") == "" {
				continue
			}
			name := attr(n, "name")
			found.names = append(found.names, name)
			_, disabled := lookup(n, "disabled")
			_, checked := lookup(n, "checked")
			if n.Data == "input" && !disabled && (attr(n, "type") != "checkbox" || checked) {
				found.fields.Add(name, attr(n, "value"))
			}
		}
	}
	if found == nil {
		return nil, errors.New("no form")
	}
	return found, nil
}

func attr(n *html.Node, name string) string {
	v, _ := lookup(n, name)
	return v
}

func lookup(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}
