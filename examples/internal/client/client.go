// Package client is an OAuth client without a screen: it registers itself,
// plays the person who logs in and consents, redeems the code, and refreshes.
// It reads the real pages of an authorization server over real HTTP, so what
// it can do, a browser can do.
package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/bearward/bearward/examples/internal/prover"
)

// maxAnswer bounds what is read of any answer, in bytes.
const maxAnswer = 1 << 20

// Metadata is the part of an authorization server's metadata (RFC 8414 §2)
// that a client of the code flow needs.
type Metadata struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	Registration  string `json:"registration_endpoint"`
	Revocation    string `json:"revocation_endpoint"`
	EndSession    string `json:"end_session_endpoint"`
	Aliases       struct {
		Token string `json:"token_endpoint"`
	} `json:"mtls_endpoint_aliases"` // for clients with certificates (RFC 8705 §5)
}

// Discover reads the metadata of issuer and checks that it is that issuer's.
func Discover(ctx context.Context, hc *http.Client, issuer string) (Metadata, error) {
	var md Metadata
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, issuer+"/.well-known/oauth-authorization-server", nil)
	if err != nil {
		return md, fmt.Errorf("client: discover: %w", err)
	}
	if err := doJSON(hc, req, http.StatusOK, &md); err != nil {
		return md, fmt.Errorf("client: discover: %w", err)
	}
	if md.Issuer != issuer {
		return md, fmt.Errorf("client: discover: metadata of %s names the issuer %q", issuer, md.Issuer)
	}
	return md, nil
}

// Registration is what an application tells about itself (RFC 7591 §2).
type Registration struct {
	Name           string   `json:"client_name"`
	RedirectURIs   []string `json:"redirect_uris"`
	LogoutURIs     []string `json:"post_logout_redirect_uris,omitempty"`
	Scope          string   `json:"scope"`
	GrantTypes     []string `json:"grant_types"`
	Authentication string   `json:"token_endpoint_auth_method"` // default client_secret_basic
	Kind           string   `json:"application_type"`
}

// Client is a registered application.
type Client struct {
	Metadata Metadata
	OAuth    oauth2.Config
	Resource string // the API that the tokens are for (RFC 8707)

	hc     *http.Client
	tokens *http.Client // for the token endpoint; nil: hc
}

// Register registers an application for the code flow with refresh, at the
// server behind md. An application whose Authentication is "none" is public:
// it gets no secret.
func Register(ctx context.Context, hc *http.Client, md Metadata, reg Registration, resource string) (*Client, error) {
	reg.GrantTypes = []string{"authorization_code", "refresh_token"}
	reg.Authentication = cmp.Or(reg.Authentication, "client_secret_basic")
	// A "web" application redirects to https only; plain http on a loopback
	// host makes it "native" (OpenID Connect Dynamic Client Registration §2).
	reg.Kind = "web"
	if strings.HasPrefix(reg.RedirectURIs[0], "http:") {
		reg.Kind = "native"
	}
	body, err := json.Marshal(reg)
	if err != nil {
		return nil, fmt.Errorf("client: register: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, md.Registration, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("client: register: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	var got struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	if err := doJSON(hc, req, http.StatusCreated, &got); err != nil {
		return nil, fmt.Errorf("client: register: %w", err)
	}
	return &Client{
		Metadata: md,
		Resource: resource,
		OAuth: oauth2.Config{
			ClientID:     got.ID,
			ClientSecret: got.Secret,
			RedirectURL:  reg.RedirectURIs[0],
			Endpoint: oauth2.Endpoint{
				AuthURL:  md.Authorization,
				TokenURL: md.Token,
				// Without a style, x/oauth2 tries one and then the other: the
				// first try spends the code.
				AuthStyle: authStyle(got.Secret),
			},
		},
		hc: hc,
	}, nil
}

// Bound returns c with tokens that are bound to the key of p (RFC 9449 §5).
func (c *Client) Bound(p *prover.Prover) *Client {
	bound, hc := *c, *c.hc
	hc.Transport = prover.Transport{Prover: p, Base: hc.Transport}
	bound.tokens = &hc
	return &bound
}

// Over returns c with requests that go through hc.
func (c *Client) Over(hc *http.Client) *Client {
	over := *c
	over.hc, over.tokens = hc, nil
	return &over
}

// Certified returns c with tokens that are bound to the certificate that hc shows, if it shows one
// (RFC 8705 §3).
func (c *Client) Certified(hc *http.Client) *Client {
	certified := *c
	certified.tokens, certified.OAuth.Endpoint.TokenURL = hc, c.Metadata.Aliases.Token
	return &certified
}

func authStyle(secret string) oauth2.AuthStyle {
	if secret == "" {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

// LogIn goes the whole way of the code flow with PKCE: to the authorization
// server, past login and consent as who, back with a code, and to the token
// endpoint.
func (c *Client) LogIn(ctx context.Context, who Person, scopes ...string) (*oauth2.Token, error) {
	conf := c.OAuth
	conf.Scopes = scopes
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	start := conf.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("resource", c.Resource))

	back, err := who.Walk(ctx, c.hc.Transport, start, conf.RedirectURL)
	if err != nil {
		return nil, err
	}
	answer := back.Query()
	if answer.Get("state") != state {
		return nil, errors.New("client: the answer belongs to another login: state differs")
	}
	if answer.Get("iss") != c.Metadata.Issuer {
		return nil, fmt.Errorf("client: the answer comes from another issuer: %q (RFC 9207 §2.4)", answer.Get("iss"))
	}
	if code := answer.Get("error"); code != "" {
		return nil, fmt.Errorf("client: authorization refused: %s: %s", code, answer.Get("error_description"))
	}
	tok, err := conf.Exchange(c.context(ctx), answer.Get("code"),
		oauth2.VerifierOption(verifier), oauth2.SetAuthURLParam("resource", c.Resource))
	if err != nil {
		return nil, fmt.Errorf("client: redeem code: %w", err)
	}
	return tok, nil
}

// Refresh trades a refresh token for new tokens.
func (c *Client) Refresh(ctx context.Context, refreshToken string) (*oauth2.Token, error) {
	conf := c.OAuth
	tok, err := conf.TokenSource(c.context(ctx), &oauth2.Token{RefreshToken: refreshToken}).Token()
	if err != nil {
		return nil, fmt.Errorf("client: refresh: %w", err)
	}
	return tok, nil
}

// Revoke makes a token worthless at the issuer (RFC 7009).
func (c *Client) Revoke(ctx context.Context, token string) error {
	form := url.Values{"token": {token}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Metadata.Revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("client: revoke: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(c.OAuth.ClientID), url.QueryEscape(c.OAuth.ClientSecret))
	resp, err := c.hc.Do(req)
	if err != nil {
		return fmt.Errorf("client: revoke: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("client: revoke: status %d", resp.StatusCode)
	}
	return nil
}

func (c *Client) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, cmp.Or(c.tokens, c.hc))
}

func doJSON(hc *http.Client, req *http.Request, want int, v any) error {
	resp, err := hc.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode != want {
		refused := &RefusedError{Status: resp.StatusCode}
		_ = json.Unmarshal(body, refused) // no JSON: the status alone
		return fmt.Errorf("%s %s: %w", req.Method, req.URL, refused)
	}
	return json.Unmarshal(body, v)
}

// RefusedError is an OAuth error answer.
type RefusedError struct {
	Status      int    `json:"-"`
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func (e *RefusedError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("status %d %s %s", e.Status, e.Code, e.Description))
}
