package orders_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearward/bearward/examples/internal/orders"
	auth "github.com/bearward/bearward/middleware"
)

func TestAnswersTellWhoIsCalling(t *testing.T) {
	alice, err := auth.NewPrincipal([]byte(`{"iss":"https://as.test","sub":"alice","scope":"read:orders write:orders"}`))
	if err != nil {
		t.Fatal(err)
	}
	api := &orders.API{Book: orders.NewBook(), Ready: func() error { return errors.New("no keys") }}
	for name, c := range map[string]struct {
		op        orders.Operation
		body      string
		anonymous bool
		status    int
		want      string
	}{
		"list":             {api.List, "", false, 200, `"sub":"alice","scope":"read:orders write:orders","orders":[`},
		"place nothing":    {api.Place, "", false, 200, `"item":"tea","quantity":1,"placed_by":"alice"`},
		"place honey":      {api.Place, `{"item":"honey","quantity":4}`, false, 200, `"item":"honey","quantity":4`},
		"place nonsense":   {api.Place, `[`, false, 400, `"status":"the body is no order"`},
		"stats":            {api.Stats, "", false, 200, `"stats":{"orders":`},
		"me":               {api.Me, "", false, 200, `"sub":"alice"`},
		"greet alice":      {api.Greet, "", false, 200, `hello, alice`},
		"greet a stranger": {api.Greet, "", true, 200, `"sub":null,"scope":"","status":"hello, stranger"`},
		"ping":             {api.Ping, "", true, 200, `"sub":null`},
		"alive":            {api.Healthz, "", true, 200, `"status":"ok"`},
		"not ready":        {api.Readyz, "", true, 503, `"status":"the issuer's keys are not held"`},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.body))
		if !c.anonymous {
			r = r.WithContext(auth.WithPrincipal(r.Context(), alice))
		}
		w := httptest.NewRecorder()
		c.op.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s; want %d with %s", name, w.Code, w.Body, c.status, c.want)
		}
	}
}
