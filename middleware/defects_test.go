package auth_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// outside is how the refusal of a bad token looks to its caller, by Reason: the description of the
// challenge, and the problem document's code. The rest is the same for all of them.
var outside = map[auth.Reason]struct{ description, code string }{
	auth.ReasonInvalidRequest:        {"The request needs exactly one well-formed Authorization header", "INVALID_REQUEST"},
	auth.ReasonTokenTooLarge:         {"The access token is not valid", "INVALID_TOKEN"},
	auth.ReasonTokenMalformed:        {"The access token is not valid", "INVALID_TOKEN"},
	auth.ReasonAlgorithmNotAllowed:   {"The access token is not valid", "INVALID_TOKEN"},
	auth.ReasonExtensionNotSupported: {"The access token is not valid", "INVALID_TOKEN"},
	auth.ReasonTokenTypeNotAccepted:  {"The token is not an access token of an accepted type", "INVALID_TOKEN"},
	auth.ReasonIssuerNotTrusted:      {"The access token is of another issuer", "INVALID_TOKEN"},
	auth.ReasonAudienceMismatch:      {"The access token is not meant for this API", "INVALID_TOKEN"},
	auth.ReasonTokenExpired:          {"The access token expired", "INVALID_TOKEN"},
	auth.ReasonKeyUnknown:            {"The access token is not valid", "INVALID_TOKEN"},
	auth.ReasonSignatureInvalid:      {"The access token is not valid", "INVALID_TOKEN"},
	auth.ReasonTokenNotYetValid:      {"The access token is not valid yet", "INVALID_TOKEN"},
	auth.ReasonTokenIssuedInFuture:   {"The access token is not valid yet", "INVALID_TOKEN"},
	auth.ReasonTokenTooOld:           {"The access token is older than this API accepts", "INVALID_TOKEN"},
	auth.ReasonClaimInvalid:          {"The access token lacks a claim that this API needs", "INVALID_TOKEN"},
	auth.ReasonIDToken:               {"The token is not an access token of an accepted type", "INVALID_TOKEN"},
	auth.ReasonClaimsRefused:         {"The access token is not accepted by this API", "INVALID_TOKEN"},
	auth.ReasonBindingNotProved:      {"The access token is bound to a key whose possession was not proved", "INVALID_TOKEN"},
}

// notOfTheToken are the reasons that no defect of a token causes.
var notOfTheToken = []auth.Reason{
	auth.ReasonCredentialsMissing, auth.ReasonInsufficientUserAuthentication, auth.ReasonInsufficientScope, auth.ReasonForbidden, auth.ReasonNoRule, auth.ReasonKeyNotYetKnown, auth.ReasonUnavailable, auth.ReasonInternal,
	auth.ReasonTokenInactive, auth.ReasonTokenRevoked, auth.ReasonBindingRequired, auth.ReasonSchemeMismatch, auth.ReasonProofInvalid, auth.ReasonProofExpired,
	auth.ReasonProofNonceRequired, auth.ReasonProofReplayed,
}

func TestEveryReasonOfATokenHasADefect(t *testing.T) {
	for _, r := range auth.Reasons() {
		caused := slices.ContainsFunc(authtest.Defects(), func(d authtest.Defect) bool { return d.Reason() == r })
		if want := !slices.Contains(notOfTheToken, r); caused != want {
			t.Errorf("%v: a defect causes it: %v, want %v", r, caused, want)
		}
		if _, ok := outside[r]; ok != caused {
			t.Errorf("%v: its answer is in the table: %v, want %v", r, ok, caused)
		}
	}
}

// eachDefect calls f for each defect of tokens of the given algorithms, with a Verifier that the
// defect's Config is of.
func eachDefect(t *testing.T, algs []auth.Algorithm, f func(t *testing.T, is *authtest.Issuer, v *auth.Verifier, d authtest.Defect)) {
	for _, alg := range algs {
		issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: alg})
		own := issuer.Defects()
		for _, d := range authtest.Defects() {
			if d == authtest.DERSignature && !slices.Contains(own, d) {
				continue // of ECDSA tokens alone
			}
			t.Run(fmt.Sprintf("%v %s", alg, d), func(t *testing.T) {
				defer noPanic(t)
				v, err := auth.NewVerifier(issuer.Keys(), d.Config(issuer.Config()))
				if err != nil {
					t.Fatal(err)
				}
				f(t, issuer, v, d)
			})
		}
	}
}

func TestEveryDefectIsRefusedForItsReason(t *testing.T) {
	algs := []auth.Algorithm{auth.RS256, auth.PS256, auth.ES256, auth.ES384, auth.ES512, auth.EdDSA}
	eachDefect(t, algs, func(t *testing.T, is *authtest.Issuer, v *auth.Verifier, d authtest.Defect) {
		guard := must(auth.NewGuard(v, nil))
		good, bad := is.Token("read:orders"), is.Token("read:orders", d)
		for _, when := range []string{"at first", "again"} { // the second time, what is remembered counts
			if err := verify(t, v, good); err != nil {
				t.Fatalf("%s: a good token: %v", when, err)
			}
			if got, want := reasonOf(verify(t, v, bad)), verifierReason(d); got != want {
				t.Errorf("%s: the Verifier says %v, want %v", when, got, want)
			}
			if _, err := guard.Authorize(t.Context(), bearer(bad), auth.Scopes("read:orders")); reasonOf(err) != d.Reason() {
				t.Errorf("%s: the Guard says %v, want %v", when, reasonOf(err), d.Reason())
			}
			if _, err := guard.Authorize(t.Context(), bearer(bad), auth.Optional()); reasonOf(err) != d.Reason() {
				t.Errorf("%s: an optional token: the Guard says %v, want %v", when, reasonOf(err), d.Reason())
			}
		}
	})
}

// verifierReason is what a Verifier alone says. It knows nothing of headers, and leaves "cnf" to
// the Guard.
func verifierReason(d authtest.Defect) auth.Reason {
	switch d.Reason() {
	case auth.ReasonInvalidRequest:
		return auth.ReasonTokenMalformed
	case auth.ReasonBindingNotProved:
		return ""
	}
	return d.Reason()
}

func TestEveryDefectIsAnsweredByItsReasonAlone(t *testing.T) {
	eachDefect(t, []auth.Algorithm{auth.ES256}, func(t *testing.T, is *authtest.Issuer, v *auth.Verifier, d authtest.Defect) {
		w := answerTo(must(auth.NewGuard(v, &auth.GuardOptions{Realm: "orders"})), is.Token("read:orders", d))
		want := outside[d.Reason()]
		status, code := http.StatusUnauthorized, "invalid_token"
		if d.Reason() == auth.ReasonInvalidRequest {
			status, code = http.StatusBadRequest, "invalid_request"
		}
		if w.Code != status {
			t.Errorf("status %d, want %d", w.Code, status)
		}
		challenge := fmt.Sprintf(`Bearer realm="orders", error=%q, error_description=%q`, code, want.description)
		if got := w.Result().Header.Values("WWW-Authenticate"); !slices.Equal(got, []string{challenge}) {
			t.Errorf("challenge %q, want %q", got, challenge)
		}
		body := fmt.Sprintf(`{"type":"about:blank","title":%q,"status":%d,"detail":%q,"code":%q}`+"\n", http.StatusText(status), status, want.description, want.code)
		if w.Body.String() != body {
			t.Errorf("body %s, want %s", w.Body, body)
		}
		for name, value := range map[string]string{"Content-Type": "application/problem+json", "Cache-Control": "no-store", "Retry-After": ""} {
			if got := w.Header().Get(name); got != value {
				t.Errorf("%s %q, want %q", name, got, value)
			}
		}
	})
}

// answerTo returns what a caller with token gets.
func answerTo(g *auth.Guard, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	g.Require("read:orders")(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})).ServeHTTP(w, r)
	return w
}

func TestNothingOfATokenIsToldBack(t *testing.T) {
	canaries := authtest.Claims{
		"sub": "canary-sub", "client_id": "canary-client", "jti": "canary-jti", "acr": "canary-acr", "tenant": map[string]any{"canary-name": "canary-tenant"},
	}
	eachDefect(t, []auth.Algorithm{auth.ES256}, func(t *testing.T, is *authtest.Issuer, v *auth.Verifier, d authtest.Defect) {
		guard := must(auth.NewGuard(v, nil))
		token := is.Token("read:orders", canaries, d)
		w := answerTo(guard, token)
		_, err := guard.Authorize(t.Context(), bearer(token), auth.Scopes("read:orders"))
		if err == nil {
			t.Fatal("accepted")
		}
		problem, jsonErr := json.Marshal(auth.AsError(err))
		if jsonErr != nil {
			t.Fatal(jsonErr)
		}
		told := map[string]string{
			"the header":        fmt.Sprint(w.Header()),
			"the body":          w.Body.String(),
			"the error":         fmt.Sprintf("%v %s", err, err),
			"the problem":       string(problem),
			"the description":   auth.AsError(err).Description(),
			"the cause's texts": causes(err),
		}
		for where, text := range told {
			for _, secret := range append(values(token), windows(token, 8)...) {
				if strings.Contains(text, secret) {
					t.Fatalf("%s tells %q: %s", where, secret, text)
				}
			}
		}
	})
}

// causes returns the texts of all that err wraps.
func causes(err error) string {
	var b strings.Builder
	for ; err != nil; err = errors.Unwrap(err) {
		fmt.Fprintln(&b, err)
	}
	return b.String()
}

// windows returns every run of n bytes of s.
func windows(s string, n int) []string {
	var out []string
	for i := 0; i+n <= len(s); i++ {
		out = append(out, s[i:i+n])
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// values returns the strings and long numbers that header and claims hold, as far as they can be
// read, and the names of members that are not registered.
func values(token string) []string {
	var out []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			if len(v) > 3 {
				out = append(out, v)
			}
		case json.Number:
			if len(v) > 3 {
				out = append(out, v.String())
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for name, e := range v {
				if strings.HasPrefix(name, "canary") {
					out = append(out, name)
				}
				walk(e)
			}
		}
	}
	for part := range strings.SplitSeq(token, ".") {
		doc, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			continue
		}
		dec := json.NewDecoder(strings.NewReader(string(doc)))
		dec.UseNumber()
		var v any
		if dec.Decode(&v) == nil {
			walk(v)
		}
	}
	return out
}
