package main_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// assertion is the field in which a proxy that signs callers in brings the token.
const assertion = "Cf-Access-Jwt-Assertion"

// opaqueTokens accepts one token, which no issuer signed.
type opaqueTokens map[string]*auth.Principal

func (o opaqueTokens) VerifyToken(_ context.Context, raw string) (*auth.Principal, error) {
	if p := o[raw]; p != nil {
		return p, nil
	}
	return nil, &auth.Error{Reason: auth.ReasonTokenInactive}
}

// inHeader returns transports behind a Guard with GuardOptions.Header, and what it logs.
func inHeader(t *testing.T, issuer *authtest.Issuer) (map[string]transport, *secrets) {
	logged := new(secrets)
	opaque := opaqueTokens{"0paque-t0ken": must(auth.NewPrincipal([]byte(`{"iss":"https://issuer.example","sub":"bob","scope":"read:orders"}`)))}
	guard := must(auth.NewGuard(must(auth.NewForms(issuer.Verifier(auth.Config{}), opaque)), &auth.GuardOptions{
		Header: assertion, OnDecision: auth.LogRefusals(slog.New(slog.NewJSONHandler(logged, nil))),
	}))
	return setup{guard: guard, needs: needs}.transports(t), logged
}

// TestTheTokenInAnotherField sends tokens in GuardOptions.Header, and beside it.
func TestTheTokenInAnotherField(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	all, logged := inHeader(t, issuer)
	t.Cleanup(func() { logged.check(t) })
	good, other, expired := issuer.Token("read:orders"), issuer.Token("write:orders"), issuer.Token("read:orders", authtest.Expired)
	logged.add([]string{good, other, expired, "Bearer 0paque-t0ken"})
	const missing, refused, short = "CREDENTIALS_MISSING", "INVALID_REQUEST", "INSUFFICIENT_SCOPE"
	eachTransport(t, "W-05", all, func(t *testing.T, name string, ask transport) {
		for what, tt := range map[string]struct {
			authorization []string
			values        []string
			required      int
			optional      int
			code          string
		}{
			"a good token":                       {values: []string{good}, required: 200, optional: 200},
			"an opaque token":                    {values: []string{"0paque-t0ken"}, required: 200, optional: 200},
			"beside another in Authorization":    {authorization: bearer(other), values: []string{good}, required: 200, optional: 200},
			"beside two in Authorization":        {authorization: append(bearer(good), bearer(good)...), values: []string{good}, required: 200, optional: 200},
			"beside nonsense in Authorization":   {authorization: []string{"Bearer"}, values: []string{good}, required: 200, optional: 200},
			"lacking a scope that the other has": {authorization: bearer(good), values: []string{other}, required: 403, optional: 200, code: short},
			"nothing":                            {required: 401, optional: 200, code: missing},
			"Authorization alone":                {authorization: bearer(good), required: 401, optional: 200, code: missing},
			"nonsense in Authorization alone":    {authorization: []string{"Bearer"}, required: 401, optional: 200, code: missing},
			"two values":                         {values: []string{good, other}, required: 400, optional: 400, code: refused},
			"the same value twice":               {values: []string{good, good}, required: 400, optional: 400, code: refused},
			"two tokens in a value":              {values: []string{good + "," + good}, required: 400, optional: 400, code: refused},
			"an empty value":                     {values: []string{""}, required: 400, optional: 400, code: refused},
			"with the scheme":                    {values: bearer(good), required: 400, optional: 400, code: refused},
			"an expired token":                   {values: []string{expired}, required: 401, optional: 401, code: "INVALID_TOKEN"},
			"an expired token beside a good one": {authorization: bearer(good), values: []string{expired}, required: 401, optional: 401, code: "INVALID_TOKEN"},
		} {
			sent := request{authorization: tt.authorization}
			for _, v := range tt.values {
				sent.more = append(sent.more, [2]string{assertion, v})
			}
			for need, status := range map[string]int{"orders": tt.required, "optional": tt.optional} {
				sent.need = need
				a := ask(t, sent)
				if a.status != status || status != 200 && a.code != tt.code {
					t.Errorf("%s, %s: %d %s, want %d %s", what, need, a.status, a.code, status, tt.code)
				}
				if challenged := status == 400 || status == 401 || status == 403; challenged != (len(a.challenges) == 1 && strings.HasPrefix(a.challenges[0], `Bearer realm="api"`)) {
					t.Errorf("%s, %s: challenges %q under %d", what, need, a.challenges, a.status)
				}
				if status == 400 && !strings.Contains(a.challenges[0], "exactly one well-formed "+assertion+" header") {
					t.Errorf("%s, %s: %q does not name the field", what, need, a.challenges)
				}
				if anonymous := strings.HasPrefix(a.body, "anonymous"); status == 200 && anonymous != (len(tt.values) == 0) {
					t.Errorf("%s, %s: the handler saw %q", what, need, a.body)
				}
				checkSecrecy(t, a, tt.values)
			}
		}
	})
}

// TestCachesKnowTheField looks at what accepted answers tell caches, which know of Authorization
// alone that answers depend on it (RFC 9111 §3.5). gRPC has no caches, and its answers no such
// fields.
func TestCachesKnowTheField(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	all, _ := inHeader(t, issuer)
	good := issuer.Token("read:orders")
	eachTransport(t, "W-26", all, func(t *testing.T, name string, ask transport) {
		if strings.HasPrefix(name, "grpc-") {
			if a := ask(t, request{need: "orders", more: [][2]string{{assertion, good}}}); a.status != 200 || a.header.Get("Vary") != "" || a.header.Get("Cache-Control") != "" {
				t.Errorf("%d %v", a.status, a.header)
			}
			return
		}
		for _, tt := range []struct {
			need    string
			values  [][2]string
			private string
		}{
			{"orders", [][2]string{{assertion, good}}, "private"},
			{"optional", [][2]string{{assertion, good}}, "private"},
			{"optional", nil, ""},
		} {
			a := ask(t, request{need: tt.need, more: tt.values})
			if vary := a.header[http.CanonicalHeaderKey("Vary")]; a.status != 200 || len(vary) != 1 || vary[0] != assertion || a.header.Get("Cache-Control") != tt.private {
				t.Errorf("%s, %d fields: %d, Vary %q, Cache-Control %q, want %q", tt.need, len(tt.values), a.status, vary, a.header["Cache-Control"], tt.private)
			}
		}
	})
}
