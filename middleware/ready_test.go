package auth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// N7: readiness tells when the next fetch is due.
func TestReadyHandlerTellsWhenTheNextFetchIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("down") })
		keys, err := jwks.FromIssuer(testIssuer, &jwks.Options{Client: &http.Client{Transport: down}})
		if err != nil {
			t.Fatal(err)
		}
		g, err := auth.NewWithKeys(keys, auth.Config{Issuer: testIssuer, Audiences: []string{testAudience}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		w := httptest.NewRecorder()
		g.ReadyHandler().ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		due := time.Until(keys.Status().Next)
		got, err := strconv.Atoi(w.Header().Get("Retry-After"))
		if w.Code != 503 || err != nil || time.Duration(got)*time.Second < due || time.Duration(got)*time.Second > due+4*time.Second {
			t.Errorf("%d, Retry-After %d; the next fetch is due in %v", w.Code, got, due)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		k := newSigningKey(t, "EdDSA", "k1")
		_, refused := g.Authorize(t.Context(), auth.Credentials{Authorization: []string{"Bearer " + k.sign(t, k.header(), claims())}}, auth.AnyToken())
		e := auth.AsError(refused)
		if cause := (auth.Decision{Err: e}).Cause(context.Background()); cause != "closed" {
			t.Errorf("the cause is %q after Close, want closed", cause)
		}
	})
}
