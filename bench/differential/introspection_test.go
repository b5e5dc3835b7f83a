package differential

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/bearward/bearward/bench/peers"
	"github.com/bearward/bearward/bench/tokens"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
)

// What an issuer calls active may be another API's token, or one that has ended: zitadel/oidc
// leaves that to its caller. What it does not check stands beside its figures in the bench.
func TestWhatZITADELsIntrospectionDoesNotCheck(t *testing.T) {
	now := time.Now().Unix()
	answer := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, answer)
	}))
	defer server.Close()
	ours := must(introspect.New(server.URL, introspect.Basic("orders-api", func() (string, error) { return "secret", nil }), introspect.Config{
		Claims: auth.Config{Issuer: tokens.Issuer, Audiences: []string{tokens.Audience}}, MaxAge: -1}))
	defer ours.Close()
	guard := must(auth.NewGuard(ours, nil))
	theirs := must(peers.ZITADELIntrospection(t.Context(), server.URL))
	asked := 0
	ask := func(of string) (weAccept, theyAccept bool) {
		asked++
		token := fmt.Sprintf("opaque-%d", asked)
		answer = of
		_, err := guard.Authorize(t.Context(), auth.Credentials{Authorization: []string{"Bearer " + token}}, auth.AnyToken())
		return err == nil, theirs(t.Context(), token) == nil
	}
	claims := func(iss, aud string, exp int64, more string) string {
		return fmt.Sprintf(`{"active":true,"iss":%q,"aud":%q,"exp":%d,"sub":"alice","client_id":"app"%s}`, iss, aud, exp, more)
	}
	hence := now + 600
	if we, they := ask(claims(tokens.Issuer, tokens.Audience, hence, "")); !we || !they {
		t.Fatalf("a good answer: ours %v, theirs %v", we, they)
	}
	if we, they := ask(`{"active":false}`); we || they {
		t.Fatalf("an inactive token: ours %v, theirs %v", we, they)
	}
	var got []string
	for _, c := range []struct{ name, answer string }{
		{"iss", claims("https://other.example", tokens.Audience, hence, "")},
		{"aud", claims(tokens.Issuer, "https://other.example", hence, "")},
		{"exp", claims(tokens.Issuer, tokens.Audience, now-600, "")},
		{"nbf", claims(tokens.Issuer, tokens.Audience, hence, fmt.Sprintf(`,"nbf":%d`, hence))},
		{"cnf", claims(tokens.Issuer, tokens.Audience, hence, `,"cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`)},
		{"active as text", `{"active":"true","iss":"` + tokens.Issuer + `","aud":"` + tokens.Audience + `"}`},
	} {
		we, they := ask(c.answer)
		if we {
			t.Errorf("ours accepts another %s", c.name)
		}
		if they {
			got = append(got, c.name)
		}
	}
	if !slices.Equal(got, peers.ZITADELIntrospectionUnchecked) {
		t.Errorf("it does not check %q, and is said not to check %q", got, peers.ZITADELIntrospectionUnchecked)
	}
}
