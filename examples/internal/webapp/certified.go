package webapp

import (
	"context"
	"net/http"

	"golang.org/x/oauth2"
	"google.golang.org/grpc"

	"github.com/bearward/bearward/examples/internal/clientcert"
	"github.com/bearward/bearward/examples/internal/promise"
)

// Mutual is where clients with certificates call (RFC 8705). The issuer's metadata tell where to
// buy tokens with one.
type Mutual struct {
	APIs []API // with TLS, asking for certificates
	// Transport and Dial make connections to them, and to the issuer, with a certificate. nil:
	// without one.
	Transport func(*clientcert.Certificate) http.RoundTripper
	Dial      func(*clientcert.Certificate) []grpc.DialOption
}

// certifiedToken is an access token that is bound to a certificate of the application, and that
// certificate with its key.
type certifiedToken struct {
	Access      string
	Certificate []byte
}

// certificateOf is the certificate that a token is bound to; "" for others.
func certificateOf(token string) string {
	confirmation, _ := decodePart(token, 1)["cnf"].(map[string]any)
	thumbprint, _ := confirmation["x5t#S256"].(string)
	return thumbprint
}

var furtherCertified = further{
	path: boundLesson,
	prepare: func() ([]byte, []oauth2.AuthCodeOption, error) {
		c, err := clientcert.New()
		if err != nil {
			return nil, nil, err
		}
		text, err := c.Marshal()
		return text, nil, err
	},
	redeem: func(a *App, conf *oauth2.Config, md endpoints, key []byte) (*http.Client, error) {
		c, err := clientcert.Parse(key)
		if err != nil {
			return nil, err
		}
		conf.Endpoint.TokenURL = md.token
		return a.mutualClient(c), nil
	},
	take: func(t *tokens, tok *oauth2.Token, g grant) error {
		c, err := clientcert.Parse(g.key)
		if err != nil {
			return err
		}
		if certificateOf(tok.AccessToken) != c.Thumbprint() {
			return errNotBound
		}
		t.Certified = certifiedToken{tok.AccessToken, g.key}
		return nil
	},
	trade: "The application trades the code for a token, over TLS with its certificate",
	title: "How the token was bound", failed: "There is no TLS-bound token",
	opening: "The application got an access token that is bound to its certificate. On another connection it is worth nothing.",
}

// mutualClient shows c, or no certificate when c is nil.
func (a *App) mutualClient(c *clientcert.Certificate) *http.Client {
	return &http.Client{Transport: wire{a.cfg.Mutual.Transport(c)}, Timeout: callTimeout}
}

// A connection is how a question is asked where clients have certificates.
type connection struct{ certificate *clientcert.Certificate } // nil: none

func (c *connection) String() string {
	if c.certificate == nil {
		return "TLS without a client certificate"
	}
	return "TLS with the client certificate ‹" + c.certificate.Thumbprint() + "›"
}

// certifiedQuestion asks for the orders with the token, over a connection with c.
func certifiedQuestion(t tokens, c *clientcert.Certificate) question {
	return question{op: readOrders, token: t.Certified.Access, mutual: &connection{c}}
}

func (a *App) doPresent(ctx context.Context, rec *recorder, _ *login, t tokens) error {
	c, err := clientcert.Parse(t.Certified.Certificate)
	if err != nil {
		return err
	}
	q := certifiedQuestion(t, c)
	q.subject, q.settle = "the token with its certificate", recoverTime
	a.ask(ctx, rec, q)
	return nil
}

func (a *App) doBare(ctx context.Context, rec *recorder, _ *login, t tokens) error {
	badToken := promise.BadToken()
	q := certifiedQuestion(t, nil)
	q.Title, q.subject = "A thief sends the token without a certificate", "the token without a certificate"
	q.thief, q.why = &badToken, "the token is bound to a certificate, and the connection has none"
	a.ask(ctx, rec, q)
	return nil
}

func (a *App) doForge(ctx context.Context, rec *recorder, _ *login, t tokens) error {
	c, err := clientcert.New()
	if err != nil {
		return err
	}
	badToken := promise.BadToken()
	q := certifiedQuestion(t, c)
	q.Title, q.subject = "A thief connects with a certificate of its own", "the token with another certificate"
	q.thief, q.why = &badToken, "the token is bound to another certificate"
	a.ask(ctx, rec, q)
	return nil
}
