package prover_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bearward/bearward/examples/internal/prover"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
)

// A key that was stored proves what it proved before, to the library's own binding.
func TestAStoredKeyStillProves(t *testing.T) {
	made, err := prover.New()
	if err != nil {
		t.Fatal(err)
	}
	der, err := made.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	p, err := prover.Parse(der)
	if err != nil || p.Thumbprint() != made.Thumbprint() {
		t.Fatalf("after Marshal and Parse: %v, the thumbprint of another key", err)
	}
	const origin = "https://api.example"
	binding, err := dpop.New([]string{origin}, dpop.NewMemory(0), nil)
	if err != nil {
		t.Fatal(err)
	}
	issuer := authtest.NewIssuer(t, nil)
	h := issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{binding}}).Require("read:orders")(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	token := issuer.Token("read:orders", authtest.Claims{"cnf": map[string]any{"jkt": made.Thumbprint()}})
	other, err := prover.New()
	if err != nil {
		t.Fatal(err)
	}
	for name, ask := range map[string]struct {
		by          *prover.Prover
		method, uri string
		token       string
		want        int
	}{
		"the key":         {p, "GET", origin + "/orders", token, 200},
		"another key":     {other, "GET", origin + "/orders", token, 401},
		"another method":  {p, "POST", origin + "/orders", token, 401},
		"another address": {p, "GET", origin + "/me", token, 401},
		"no token":        {p, "GET", origin + "/orders", "", 401},
	} {
		proof, err := ask.by.Proof(ask.method, ask.uri, ask.token)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", origin+"/orders", nil)
		r.Header.Set("Authorization", "DPoP "+token)
		r.Header.Set(prover.Field, proof)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != ask.want {
			t.Errorf("%s: status %d, want %d: %s", name, w.Code, ask.want, w.Body)
		}
	}
}

func TestParseRefusesWhatIsNoKey(t *testing.T) {
	if _, err := prover.Parse([]byte("no key")); err == nil {
		t.Error("no error")
	}
}
