package authtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// reasonFor returns why guard refuses token, or 0.
func reasonFor(t testing.TB, guard *auth.Guard, token string) auth.Reason {
	t.Helper()
	c := auth.Credentials{Authorization: []string{"Bearer " + token}}
	if _, err := guard.Authorize(t.Context(), c, auth.Scopes("read:orders")); err != nil {
		return auth.AsError(err).Reason
	}
	return ""
}

func TestAGoodTokenHasTheProfilesClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		p, err := issuer.Verifier(auth.Config{}).VerifyToken(t.Context(), issuer.Token("read:orders write:orders"))
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(p.Issuer(), p.Subject(), p.ClientID(), p.Audience(), p.Scopes(), p.TokenID(),
			time.Since(p.IssuedAt()), time.Until(p.Expiry()), p.Confirmation())
		want := fmt.Sprint(authtest.DefaultURL, "alice", "client", []string{authtest.DefaultAudience},
			[]string{"read:orders", "write:orders"}, "token-1", time.Duration(0), time.Hour, []byte(nil))
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if first, second := issuer.Token(""), issuer.Token(""); first == second {
			t.Error("two tokens are the same: their IDs should differ")
		}
	})
}

// The life of an issuer, over the real key cache, in virtual time.
func TestTheKeyCacheFollowsTheIssuer(t *testing.T) {
	tests := []struct {
		name string
		do   func(t *testing.T, is *authtest.Issuer, guard *auth.Guard, before string) (token string)
		want auth.Reason
	}{
		{"nothing happens", func(_ *testing.T, _ *authtest.Issuer, _ *auth.Guard, before string) string {
			return before
		}, ""},
		{"a rotation, and a token from before it", func(_ *testing.T, is *authtest.Issuer, _ *auth.Guard, before string) string {
			is.Rotate()
			return before
		}, ""},
		{"a rotation, and a token from after it", func(_ *testing.T, is *authtest.Issuer, _ *auth.Guard, _ string) string {
			is.Rotate()
			return is.Token("read:orders")
		}, ""},
		{"a rotation in steps, and a token from between them", func(_ *testing.T, is *authtest.Issuer, _ *auth.Guard, _ string) string {
			is.Publish()
			return is.Token("read:orders")
		}, ""},
		{"a rotation in steps, and a token from after them", func(_ *testing.T, is *authtest.Issuer, _ *auth.Guard, _ string) string {
			is.Publish()
			time.Sleep(time.Hour)
			is.Promote()
			return is.Token("read:orders")
		}, ""},
		{"a withdrawn key, after the next refresh", func(_ *testing.T, is *authtest.Issuer, _ *auth.Guard, before string) string {
			is.Rotate()
			is.Withdraw()
			time.Sleep(15 * time.Minute)
			return before
		}, auth.ReasonKeyUnknown},
		{"the signing key withdrawn by its ID", func(_ *testing.T, is *authtest.Issuer, _ *auth.Guard, _ string) string {
			is.Withdraw(is.KeyID())
			time.Sleep(15 * time.Minute)
			token := is.Token("read:orders")
			time.Sleep(time.Second) // keys that are asked for in the second of iat may lack its key
			return token
		}, auth.ReasonKeyUnknown},
		{"an outage shorter than a day", func(_ *testing.T, is *authtest.Issuer, _ *auth.Guard, _ string) string {
			is.Fail(http.StatusInternalServerError)
			time.Sleep(20 * time.Hour)
			return is.Token("read:orders")
		}, ""},
		{"an outage longer than a day", func(_ *testing.T, is *authtest.Issuer, _ *auth.Guard, _ string) string {
			is.Fail(http.StatusInternalServerError)
			time.Sleep(25 * time.Hour)
			return is.Token("read:orders")
		}, auth.ReasonUnavailable},
		{"an issuer that hangs for longer than a day", func(_ *testing.T, is *authtest.Issuer, _ *auth.Guard, _ string) string {
			is.Hang()
			time.Sleep(25 * time.Hour)
			return is.Token("read:orders")
		}, auth.ReasonUnavailable},
		{"garbage for longer than a day", func(_ *testing.T, is *authtest.Issuer, _ *auth.Guard, _ string) string {
			is.Garbage(`{"keys":[]}`)
			time.Sleep(25 * time.Hour)
			return is.Token("read:orders")
		}, auth.ReasonUnavailable},
		{"an outage longer than a day, and then its end", func(_ *testing.T, is *authtest.Issuer, _ *auth.Guard, _ string) string {
			is.Fail(http.StatusInternalServerError)
			time.Sleep(25 * time.Hour)
			is.Recover()
			time.Sleep(2 * time.Minute)
			return is.Token("read:orders")
		}, ""},
		{"connections that drop for longer than a day", func(_ *testing.T, is *authtest.Issuer, _ *auth.Guard, _ string) string {
			is.Drop()
			time.Sleep(25 * time.Hour)
			return is.Token("read:orders")
		}, auth.ReasonUnavailable},
		{"a rotation at an issuer that is slow", func(_ *testing.T, is *authtest.Issuer, _ *auth.Guard, _ string) string {
			is.Slow(500 * time.Millisecond)
			is.Rotate()
			return is.Token("read:orders")
		}, ""},
		{"a rotation at an issuer that is too slow", func(_ *testing.T, is *authtest.Issuer, _ *auth.Guard, _ string) string {
			is.Slow(10 * time.Second)
			is.Rotate()
			return is.Token("read:orders")
		}, auth.ReasonUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := authtest.NewIssuer(t, nil)
				guard := issuer.Guard(nil)
				year := authtest.Claims{"exp": time.Now().AddDate(1, 0, 0).Unix()}
				before := issuer.Token("read:orders", year)
				if got := reasonFor(t, guard, before); got != "" {
					t.Fatalf("before: %v", got)
				}
				if got := reasonFor(t, guard, tt.do(t, issuer, guard, before)); got != tt.want {
					t.Errorf("got %v, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestMetadataOfAnotherIssuerIsNotUsed(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	issuer.Impersonate("https://other.example")
	if err := issuer.Source(nil).Refresh(t.Context()); !errors.Is(err, jwks.ErrMisconfigured) {
		t.Errorf("got %v, want %v", err, jwks.ErrMisconfigured)
	}
	issuer.Recover()
	if err := issuer.Source(nil).Refresh(t.Context()); err != nil {
		t.Errorf("after Recover: %v", err)
	}
}

func TestADroppedConnectionIsNoAnswer(t *testing.T) {
	for _, options := range []authtest.Options{{}, {Socket: true}} {
		issuer := authtest.NewIssuer(t, &options)
		issuer.Drop()
		if resp, err := issuer.Client().Get(issuer.KeySetURL()); !errors.Is(err, io.EOF) {
			t.Errorf("%+v: got %v, %v", options, resp, err)
		}
	}
}

func TestIssuersOfOneTestShareNothing(t *testing.T) {
	a := authtest.NewIssuer(t, nil)
	b := authtest.NewIssuer(t, nil) // of the same URL: only the keys tell them apart
	if got := reasonFor(t, a.Guard(nil), b.Token("read:orders")); got != auth.ReasonSignatureInvalid {
		t.Errorf("a token of the one at the other: %v, want %v", got, auth.ReasonSignatureInvalid)
	}
	b.Fail(http.StatusBadGateway)
	if got := reasonFor(t, a.Guard(nil), a.Token("read:orders")); got != "" {
		t.Errorf("the one while the other is down: %v", got)
	}
}

func TestKeysAreThoseOfNow(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	ids := func() string { return strings.Join(issuer.KeyIDs(), " ") + ", signing " + issuer.KeyID() }
	var got []string
	got = append(got, ids())
	issuer.Rotate()
	got = append(got, ids())
	issuer.Withdraw("key-1")
	got = append(got, ids())
	issuer.Publish()
	got = append(got, ids())
	issuer.Promote()
	issuer.Withdraw()
	got = append(got, ids())
	want := []string{
		"key-1 key-2, signing key-2",
		"key-1 key-2 key-3, signing key-3",
		"key-2 key-3, signing key-3",
		"key-2 key-3 key-4, signing key-3",
		"key-4, signing key-4",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	keys, err := issuer.Keys().Keys(t.Context(), "key-4")
	if err != nil || len(keys) != 1 {
		t.Errorf("Keys: %v, %v", keys, err)
	}
	if _, err := issuer.Keys().Keys(t.Context(), "key-1"); !errors.Is(err, jwks.ErrUnknownKey) {
		t.Errorf("Keys has a withdrawn key: %v", err)
	}
}

func get(t *testing.T, c *http.Client, url string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestDocumentsOverHTTP(t *testing.T) {
	for _, options := range []authtest.Options{
		{}, {URL: "https://issuer.example/tenant"}, {URL: "https://issuer.example/tenant/"}, {Socket: true},
	} {
		t.Run(fmt.Sprintf("%+v", options), func(t *testing.T) {
			issuer := authtest.NewIssuer(t, &options)
			path := ""
			if options.URL != "" {
				path = "/tenant"
			}
			origin := strings.TrimSuffix(strings.TrimSuffix(issuer.URL, "/"), path)
			for _, at := range []string{
				"/.well-known/oauth-authorization-server" + path, "/.well-known/openid-configuration" + path, path + "/.well-known/openid-configuration",
			} {
				resp, body := get(t, issuer.Client(), origin+at, nil)
				if resp.StatusCode != 200 || !strings.Contains(body, fmt.Sprintf(`"issuer":%q`, issuer.URL)) {
					t.Errorf("%s: %s: %s", at, resp.Status, body)
				}
			}
			resp, body := get(t, issuer.Client(), issuer.KeySetURL(), nil)
			if keys, err := jwks.Parse([]byte(body)); err != nil || len(keys) != 2 {
				t.Errorf("key set: %v, %v", keys, err)
			}
			if got := resp.Header.Get("Cache-Control"); got != "public, max-age=3600" {
				t.Errorf("Cache-Control: %s", got)
			}
			etag := http.Header{"If-None-Match": {resp.Header.Get("ETag")}}
			if resp, body := get(t, issuer.Client(), issuer.KeySetURL(), etag); resp.StatusCode != http.StatusNotModified || body != "" {
				t.Errorf("asked again: %s, %d bytes", resp.Status, len(body))
			}
			issuer.Rotate()
			if resp, _ := get(t, issuer.Client(), issuer.KeySetURL(), etag); resp.StatusCode != http.StatusOK {
				t.Errorf("asked again after a rotation: %s", resp.Status)
			}
			if got := issuer.Fetches(); got != 3 {
				t.Errorf("%d fetches, want 3", got)
			}
			if got := reasonFor(t, issuer.Guard(nil), issuer.Token("read:orders")); got != "" {
				t.Errorf("a good token: %v", got)
			}
			if resp, _ := get(t, issuer.Client(), origin+"/elsewhere", nil); resp.StatusCode != http.StatusNotFound {
				t.Errorf("elsewhere: %s", resp.Status)
			}
		})
	}
}

func TestTheClientInMemoryReachesNothingElse(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	for _, url := range []string{"https://other.example/jwks.json", "http://issuer.example/jwks.json"} {
		if _, err := issuer.Client().Get(url); err == nil || !strings.Contains(err.Error(), "authtest: this client reaches") {
			t.Errorf("%s: %v", url, err)
		}
	}
	if got := issuer.Fetches(); got != 0 {
		t.Errorf("%d fetches, want none", got)
	}
}

func TestFaultsEndWithTheirCaller(t *testing.T) {
	for _, fault := range []struct {
		name string
		set  func(*authtest.Issuer)
	}{
		{"Hang", (*authtest.Issuer).Hang},
		{"Slow", func(is *authtest.Issuer) { is.Slow(time.Hour) }},
	} {
		t.Run(fault.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := authtest.NewIssuer(t, nil)
				fault.set(issuer)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start := time.Now()
				r, _ := http.NewRequestWithContext(ctx, http.MethodGet, issuer.KeySetURL(), nil)
				if _, err := issuer.Client().Do(r); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(start); took != time.Minute {
					t.Errorf("took %v, want 1m", took)
				}
			})
		})
	}
	t.Run("Hang on a socket, at the end of the test", func(t *testing.T) {
		issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true})
		issuer.Hang()
		issuer.Source(nil)
		for issuer.Discoveries() == 0 {
			runtime.Gosched()
		}
	})
}

// fatalT records the text with which a test is failed.
type fatalT struct {
	testing.TB
	text string
}

func (t *fatalT) Helper()                           {}
func (t *fatalT) Fatal(args ...any)                 { t.Fatalf("%s", fmt.Sprint(args...)) }
func (t *fatalT) Fatalf(format string, args ...any) { t.text = fmt.Sprintf(format, args...); panic(t) }

func TestMisuseFailsTheTestWithClearText(t *testing.T) {
	tests := []struct {
		name string
		do   func(tb testing.TB)
		want string
	}{
		{"an issuer over http", func(tb testing.TB) { authtest.NewIssuer(tb, &authtest.Options{URL: "http://issuer.example"}) },
			`authtest: Options.URL: "http://issuer.example" is not an https URL without query and fragment`},
		{"a socket and a URL", func(tb testing.TB) {
			authtest.NewIssuer(tb, &authtest.Options{URL: "https://issuer.example", Socket: true})
		}, "authtest: Options.URL and Options.Socket exclude each other: the socket says what the URL is"},
		{"a socket and a key set's URL", func(tb testing.TB) {
			authtest.NewIssuer(tb, &authtest.Options{KeySetURL: "https://issuer.example/keys", Socket: true})
		}, "authtest: Options.KeySetURL and Options.Socket exclude each other: the socket says what the URL is"},
		{"a key set over http", func(tb testing.TB) {
			authtest.NewIssuer(tb, &authtest.Options{KeySetURL: "http://issuer.example/keys"})
		},
			`authtest: Options.KeySetURL: "http://issuer.example/keys" is not an https URL without query and fragment`},
		{"a URL and a Config", func(tb testing.TB) {
			authtest.NewIssuer(tb, &authtest.Options{URL: "https://issuer.example", Config: &auth.Config{}})
		}, "authtest: Options.URL and Options.Audience exclude Options.Config, which says what they are"},
		{"a Config that cannot be", func(tb testing.TB) { authtest.NewIssuer(tb, &authtest.Options{Config: &auth.Config{}}) },
			"authtest: Options.Config: auth: Config.Issuer is required"},
		{"an algorithm that is none", func(tb testing.TB) { authtest.NewIssuer(tb, &authtest.Options{Algorithm: 99}) },
			"authtest: Options.Algorithm: Algorithm(99) is not an algorithm"},
		{"a defect that does not exist", func(tb testing.TB) { authtest.NewIssuer(tb, nil).Token("", authtest.Defect("Stale")) },
			`authtest: Token: "Stale" is not a Defect; Defects lists them`},
		{"a defect of other algorithms", func(tb testing.TB) { authtest.NewIssuer(tb, nil).Token("", authtest.DERSignature) },
			"authtest: Token: DERSignature is not for tokens of algorithm RS256; Issuer.Defects lists those that are"},
		{"a claim that JSON cannot hold", func(tb testing.TB) { authtest.NewIssuer(tb, nil).Token("", authtest.Claims{"x": func() {}}) },
			"authtest: Token: claims: json: unsupported type: func()"},
		{"a key that is not published", func(tb testing.TB) { authtest.NewIssuer(tb, nil).Withdraw("key-9") },
			`authtest: Withdraw("key-9"): no such key is published`},
		{"nothing to promote", func(tb testing.TB) {
			issuer := authtest.NewIssuer(tb, nil)
			issuer.Withdraw(issuer.KeyIDs()...)
			issuer.Promote()
		}, "authtest: Promote: no key is published; call Publish first"},
		{"a status that is none", func(tb testing.TB) { authtest.NewIssuer(tb, nil).Fail(42) },
			"authtest: Fail(42): not a final HTTP status"},
		{"key options out of bounds", func(tb testing.TB) { authtest.NewIssuer(tb, nil).Source(&jwks.Options{Cooldown: 1}) },
			"authtest: Source: jwks: Options.Cooldown is 1ns, not within 1s to 1h0m0s"},
		{"a configuration that cannot be", func(tb testing.TB) { authtest.NewIssuer(tb, nil).Verifier(auth.Config{Leeway: time.Hour}) },
			"authtest: Verifier: auth: Config.Leeway 1h0m0s is above 5m0s"},
		{"a claim of the wrong type", func(tb testing.TB) { authtest.Principal(tb, authtest.Claims{"sub": 1}) },
			`authtest: Principal: auth: NewPrincipal: claim "sub": JSON value of the wrong type`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tb := &fatalT{TB: t}
			func() {
				defer func() { _ = recover() }()
				tt.do(tb)
			}()
			if tb.text != tt.want {
				t.Errorf("got  %s\nwant %s", tb.text, tt.want)
			}
		})
	}
}

// For the race detector: everything at once.
func TestConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
		guard := issuer.Guard(nil)
		var wg sync.WaitGroup
		for _, do := range []func(){
			func() { reasonFor(t, guard, issuer.Token("read:orders")) },
			func() { reasonFor(t, guard, issuer.Token("read:orders", authtest.UnknownKid)) },
			func() { issuer.Rotate(); issuer.Publish(); issuer.Promote() },
			func() { issuer.Keys(); issuer.KeyIDs(); issuer.Fetches() },
			func() { issuer.Fail(500); issuer.Slow(time.Second); issuer.Garbage("{}"); issuer.Recover() },
		} {
			for range 4 {
				wg.Go(func() {
					for range 5 {
						do()
						time.Sleep(time.Second)
					}
				})
			}
		}
		wg.Wait()
		issuer.Recover()
		time.Sleep(10 * time.Minute)
		if got := reasonFor(t, guard, issuer.Token("read:orders")); got != "" {
			t.Errorf("in the end: %v", got)
		}
	})
}

// logged is a test whose log can be read.
type logged struct {
	testing.TB
	lines []string
}

func (l *logged) Log(args ...any) { l.lines = append(l.lines, fmt.Sprint(args...)) }

// Why keys cannot be fetched stands in the log of the test, unless it names a Logger.
func TestTheKeysOfATestLogToIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for own, want := range map[*slog.Logger]int{nil: 1, slog.New(slog.DiscardHandler): 0} {
			l := &logged{TB: t}
			issuer := authtest.NewIssuer(l, nil)
			issuer.Fail(503)
			var opts *jwks.Options
			if own != nil {
				opts = &jwks.Options{Logger: own}
			}
			keys := issuer.Source(opts)
			synctest.Wait()
			if len(l.lines) != want || want == 1 && !strings.Contains(l.lines[0], "level=ERROR") {
				t.Errorf("%q, want %d lines", l.lines, want)
			}
			keys.Close()
		}
	})
}
