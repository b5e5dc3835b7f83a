package main_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/bearward/bearward/adapters/forwardauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// behindGateway is an API that knows of its caller what a gate told its gateway.
func behindGateway(form forwardauth.Form) func(*auth.Guard, map[string]auth.Requirement) http.Handler {
	return func(guard *auth.Guard, needs map[string]auth.Requirement) http.Handler {
		gate := must(forwardauth.New(guard, rulesOf(needs), forwardauth.Options{
			For: []string{"https://api.example"}, Gateways: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Form: form,
		}))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			q := r.Clone(r.Context())
			q.Header.Set("X-Forwarded-Proto", "https")
			if form == forwardauth.Forwarded {
				q.Header.Set("X-Forwarded-Method", r.Method)
				q.Header.Set("X-Forwarded-Host", "api.example")
				q.Header.Set("X-Forwarded-Uri", r.RequestURI)
				q.Method, q.RequestURI = "GET", "/"
			}
			q.Host = "api.example"
			answer := httptest.NewRecorder()
			gate.ServeHTTP(answer, q)
			if answer.Code != http.StatusOK {
				maps.Copy(w.Header(), answer.Header())
				w.WriteHeader(answer.Code)
				_, _ = w.Write(answer.Body.Bytes())
				return
			}
			if vary := answer.Header()["Vary"]; vary != nil {
				w.Header()["Vary"] = vary
			}
			said := "anonymous"
			if subject := answer.Header().Get("X-Auth-Subject"); subject != "" {
				said = subject + " may " + answer.Header().Get("X-Auth-Scopes")
			}
			_, _ = w.Write([]byte(said))
		})
	}
}

// TestW19_ForwardAuthDecidesAsTheOthersDo puts the same requests to a ServeMux behind the guard,
// and to gates in both forms. Their answers are the same, to the byte of a challenge.
func TestW19_ForwardAuthDecidesAsTheOthersDo(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	down := authtest.NewIssuer(t, nil)
	down.Fail(503)
	tokens := map[string][]string{
		"none": nil, "empty": {""}, "two": {"Bearer a", "Bearer b"}, "two in one": {"Bearer a, Bearer b"}, "no token": {"Bearer"}, "two spaces": {"Bearer  a"},
		"Basic": {"Basic YTpi"}, "garbage": {"Bearer x"}, "three parts": {"Bearer a.b.c"}, "in lower case": {"bearer " + token(issuer, "read:orders")},
		"good": bearer(token(issuer, "read:orders")), "all scopes": bearer(token(issuer, "read:orders write:orders admin:all")), "other": bearer(token(issuer, "other")),
		"bound": bearer(token(issuer, "read:orders", authtest.Claims{"cnf": object{"jkt": "x"}})),
	}
	for _, d := range issuer.Defects() {
		tokens["with the defect "+string(d)] = bearer(token(issuer, "read:orders", d))
	}
	for state, guard := range map[string]*auth.Guard{"up": issuer.Guard(nil), "down": down.Guard(nil)} {
		reference := overHTTP(t, netHTTP(guard, needs))
		gates := map[string]transport{"forwarded": overHTTP(t, behindGateway(forwardauth.Forwarded)(guard, needs)), "direct": overHTTP(t, behindGateway(forwardauth.Direct)(guard, needs))}
		seen := map[int]bool{}
		for _, need := range slices.Sorted(maps.Keys(needs)) {
			if state == "down" && need == "public" {
				continue
			}
			for name, authorization := range tokens {
				r := request{need: need, authorization: authorization}
				want := withoutDate(reference(t, r))
				seen[want.status] = true
				for form, gate := range gates {
					if got := withoutDate(gate(t, r)); !reflect.DeepEqual(got, want) {
						t.Errorf("%s, %s, %s, %s: got %+v, want %+v", state, need, name, form, got, want)
					}
				}
			}
		}
		if !seen[400] || !seen[401] || state == "up" && (!seen[200] || !seen[403] || !seen[500]) || state == "down" && !seen[503] {
			t.Errorf("the issuer is %s: only the statuses %v came", state, seen)
		}
	}
}

// withoutDate is an answer without what may differ from one request to the next.
func withoutDate(a answer) answer {
	a.all = ""
	a.header = a.header.Clone()
	a.header.Del("Date")
	a.header.Del("Retry-After") // spread at random
	if a.retryAfter != "" {
		a.retryAfter = "a while"
	}
	a.header.Del("Content-Length") // of a handler that writes at once, or not
	return a
}
