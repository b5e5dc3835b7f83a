package auth_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A key that was published after the keys cached were asked for cannot be told from a forged one
// while no fetch is permitted: who sends a token by it is asked to come again, and not told that it
// is bad.
func TestAKeyThatMayBeNewerThanThoseCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		source := issuer.Source(nil)
		defer source.Close()
		v, err := auth.NewVerifier(source, issuer.Config())
		if err != nil {
			t.Fatal(err)
		}
		other := authtest.NewIssuer(t, &authtest.Options{URL: "https://other.example"})
		is, err := auth.NewIssuers(v, other.Verifier(auth.Config{}))
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(t, v, issuer.Token("")); err != nil {
			t.Fatal(err)
		}
		for range 8 { // spends the permits
			time.Sleep(100 * time.Millisecond)
			verify(t, v, issuer.Token("", authtest.UnknownKid))
		}
		time.Sleep(2 * time.Second)
		issuer.Rotate()
		now := time.Now()
		good := issuer.Token("read:orders")
		at := func(d time.Duration) authtest.Change { return authtest.Claims{"iat": now.Add(d).Unix()} }
		for _, tt := range []struct {
			name  string
			token string
			want  auth.Reason
		}{
			{"issued since", good, auth.ReasonKeyNotYetKnown},
			{"issued before the keys were asked for", issuer.Token("", at(-time.Minute)), auth.ReasonKeyUnknown},
			{"issued in the future, within the leeway", issuer.Token("", at(2*time.Second)), auth.ReasonKeyUnknown},
			{"without iat", issuer.Token("", authtest.Claims{"iat": authtest.Absent}), auth.ReasonKeyUnknown},
			{"an iat that is no number", issuer.Token("", authtest.Claims{"iat": "now"}), auth.ReasonKeyUnknown},
			{"for another API", issuer.Token("", authtest.WrongAudience), auth.ReasonKeyUnknown},
			{"of another issuer", issuer.Token("", authtest.WrongIssuer), auth.ReasonKeyUnknown},
			{"expired", issuer.Token("", authtest.Claims{"exp": now.Unix() - 60}), auth.ReasonKeyUnknown},
			{"without exp", issuer.Token("", authtest.NoExpiry), auth.ReasonKeyUnknown},
			{"claims of no JSON", strings.Split(good, ".")[0] + "." + encode([]byte("{")) + ".AAAA", auth.ReasonKeyUnknown},
			{"an empty kid", issuer.Token("", authtest.EmptyKid), auth.ReasonKeyUnknown},
		} {
			if got := reasonOf(verify(t, v, tt.token)); got != tt.want {
				t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
			}
		}
		if got := reasonOf(verify(t, is, good)); got != auth.ReasonKeyNotYetKnown {
			t.Errorf("by Issuers: %v", got)
		}

		var log strings.Builder
		guard := must(auth.NewGuard(v, &auth.GuardOptions{OnDecision: auth.LogRefusals(slog.New(slog.NewTextHandler(&log, nil)))}))
		r := httptest.NewRequest("GET", "/orders", nil)
		r.Header.Set("Authorization", "Bearer "+good)
		w := httptest.NewRecorder()
		guard.Require("read:orders")(http.NotFoundHandler()).ServeHTTP(w, r)
		wait, _ := strconv.Atoi(w.Header().Get("Retry-After"))
		if w.Code != 503 || w.Header().Get("WWW-Authenticate") != "" || wait < 1 {
			t.Errorf("%d, %q", w.Code, w.Header())
		}
		if !strings.Contains(log.String(), "level=INFO") || !strings.Contains(log.String(), "reason=KEY_NOT_YET_KNOWN") {
			t.Error(log.String())
		}
		// A caller who comes again when he was told is accepted.
		time.Sleep(time.Duration(wait) * time.Second)
		if err := verify(t, v, good); err != nil {
			t.Errorf("after %d s: %v", wait, err)
		}
	})
}

// An issuer that restarts with a new key under the old name is asked again in the background.
func TestABadSignatureAsksForTheKeysAgain(t *testing.T) {
	for name, header := range map[string]string{
		"under a key ID": `{"alg":"EdDSA","typ":"at+jwt","kid":"k1"}`, "without a key ID": `{"alg":"EdDSA","typ":"at+jwt"}`, "another algorithm under it": `{"alg":"ES256","typ":"at+jwt","kid":"k1"}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.EdDSA})
				source := issuer.Source(nil)
				defer source.Close()
				v, err := auth.NewVerifier(source, issuer.Config())
				if err != nil {
					t.Fatal(err)
				}
				if err := verify(t, v, issuer.Token("")); err != nil {
					t.Fatal(err)
				}
				kid := issuer.KeyID()
				alg := "EdDSA"
				if strings.Contains(header, "ES256") {
					alg = "ES256"
				}
				forged := newSigningKey(t, alg, kid).sign(t, strings.ReplaceAll(header, "k1", kid), claims())
				time.Sleep(2 * time.Minute)
				before := issuer.Fetches()
				for range 5 {
					if got := reasonOf(verify(t, v, forged)); got != auth.ReasonSignatureInvalid && got != auth.ReasonKeyUnknown {
						t.Fatal(got)
					}
					synctest.Wait()
				}
				if got := issuer.Fetches() - before; got != 1 {
					t.Errorf("%d fetches for five bad signatures, want one", got)
				}
			})
		})
	}
}

func TestKeysOfAnotherIssuerAreAnError(t *testing.T) {
	for _, c := range []struct {
		name, of, issuer string
		ok               bool
	}{
		{"the same", "https://a.example", "https://a.example", true}, {"another", "https://a.example", "https://b.example", false},
		{"a slash more", "https://a.example", "https://a.example/", false}, {"another tenant", "https://a.example/1", "https://a.example/2", false},
	} {
		cache, err := jwks.FromIssuer(c.of, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = auth.NewVerifier(cache, auth.Config{Issuer: c.issuer, Audiences: []string{"a"}})
		if (err == nil) != c.ok || err != nil && (!strings.Contains(err.Error(), c.of) || !strings.Contains(err.Error(), "Config.Issuer")) {
			t.Errorf("%s: %v", c.name, err)
		}
		_ = cache.Close()
	}
	byURL, err := jwks.New("https://keys.example/jwks", nil) // which says nothing of an issuer
	if err != nil {
		t.Fatal(err)
	}
	defer byURL.Close()
	if _, err := auth.NewVerifier(byURL, auth.Config{Issuer: "https://b.example", Audiences: []string{"a"}}); err != nil {
		t.Error(err)
	}
}
