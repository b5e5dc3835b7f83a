package introspect_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
)

const opaque = "2YotnFZFEjr1zCsicMWpAA" // RFC 7662 §2.2

var quiet = slog.New(slog.DiscardHandler)

// simulated runs a test in simulated time.
func simulated(t *testing.T, test func(t *testing.T)) { synctest.Test(t, test) }

func TestEachAnswer(t *testing.T) {
	active := func(claims map[string]any) func(e *endpoint) {
		return func(e *endpoint) { e.give(opaque, claims) }
	}
	answer := func(code int, body string, header ...string) func(e *endpoint) {
		return func(e *endpoint) { e.answer = status(code, body, header...) }
	}
	const good = `"active":true,"aud":"` + audience + `"`
	for name, tt := range map[string]struct {
		setup  func(e *endpoint)
		change func(c *introspect.Config)
		want   auth.Reason
	}{
		"active":                     {setup: active(nil)},
		"inactive":                   {setup: func(*endpoint) {}, want: auth.ReasonTokenInactive},
		"active absent":              {setup: answer(200, `{}`), want: auth.ReasonUnavailable},
		"active a text":              {setup: answer(200, `{"active":"true"}`), want: auth.ReasonUnavailable},
		"active null":                {setup: answer(200, `{"active":null}`), want: auth.ReasonUnavailable},
		"active 1":                   {setup: answer(200, `{"active":1}`), want: auth.ReasonUnavailable},
		"active twice":               {setup: answer(200, `{"active":false,`+good+`}`), want: auth.ReasonUnavailable},
		"Active":                     {setup: answer(200, `{"Active":true,"aud":"`+audience+`"}`), want: auth.ReasonUnavailable},
		"an array":                   {setup: answer(200, `[{`+good+`}]`), want: auth.ReasonUnavailable},
		"two documents":              {setup: answer(200, `{`+good+`}{"active":false}`), want: auth.ReasonUnavailable},
		"HTML":                       {setup: answer(200, `<html>`, "Content-Type", "text/html"), want: auth.ReasonUnavailable},
		"JSON called HTML":           {setup: answer(200, `{`+good+`}`, "Content-Type", "text/html"), want: auth.ReasonUnavailable},
		"no Content-Type":            {setup: answer(200, `{`+good+`}`, "Content-Type", ""), want: auth.ReasonUnavailable},
		"empty":                      {setup: answer(200, ``), want: auth.ReasonUnavailable},
		"huge":                       {setup: answer(200, `{`+good+`,"x":"`+strings.Repeat("x", 300<<10)+`"}`), want: auth.ReasonUnavailable},
		"204":                        {setup: answer(204, ``), want: auth.ReasonUnavailable},
		"a redirect":                 {setup: answer(307, ``, "Location", "https://elsewhere.example/"), want: auth.ReasonUnavailable},
		"401":                        {setup: answer(401, `{"error":"invalid_client"}`), want: auth.ReasonInternal},
		"403":                        {setup: answer(403, ``), want: auth.ReasonInternal},
		"404":                        {setup: answer(404, ``), want: auth.ReasonUnavailable},
		"400 before any answer":      {setup: answer(400, `{"error":"invalid_request"}`), want: auth.ReasonInternal},
		"429":                        {setup: answer(429, ``), want: auth.ReasonUnavailable},
		"500":                        {setup: answer(500, `{`+good+`}`), want: auth.ReasonUnavailable},
		"503":                        {setup: answer(503, ``), want: auth.ReasonUnavailable},
		"no connection":              {setup: func(e *endpoint) { e.down = true }, want: auth.ReasonUnavailable},
		"no answer in time":          {setup: func(e *endpoint) { e.delay = time.Hour }, want: auth.ReasonUnavailable},
		"a panic":                    {setup: func(e *endpoint) { e.answer = func(http.ResponseWriter, string) bool { panic("x") } }, want: auth.ReasonUnavailable},
		"another issuer":             {setup: active(map[string]any{"iss": "https://other.example"}), want: auth.ReasonIssuerNotTrusted},
		"no iss":                     {setup: active(map[string]any{"iss": nil})},
		"iss a number":               {setup: active(map[string]any{"iss": 1}), want: auth.ReasonIssuerNotTrusted},
		"another audience":           {setup: active(map[string]any{"aud": "https://other.example"}), want: auth.ReasonAudienceMismatch},
		"no aud":                     {setup: active(map[string]any{"aud": nil}), want: auth.ReasonAudienceMismatch},
		"no aud, audience by server": {setup: active(map[string]any{"aud": nil}), change: func(c *introspect.Config) { c.AudienceByServer, c.Claims.Audiences = true, nil }},
		"aud an array":               {setup: active(map[string]any{"aud": []string{"x", audience}})},
		"expired":                    {setup: active(map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}), want: auth.ReasonTokenExpired},
		"no exp":                     {setup: active(map[string]any{"exp": nil})},
		"exp 0":                      {setup: active(map[string]any{"exp": 0}), want: auth.ReasonClaimInvalid},
		"exp a text":                 {setup: active(map[string]any{"exp": "never"}), want: auth.ReasonClaimInvalid},
		"no exp, but a bound":        {setup: active(map[string]any{"exp": nil}), change: func(c *introspect.Config) { c.Claims.MaxLifetime = time.Hour }, want: auth.ReasonClaimInvalid},
		"not yet valid":              {setup: active(map[string]any{"nbf": time.Now().AddDate(100, 0, 0).Unix()}), want: auth.ReasonTokenNotYetValid},
		"scope an array":             {setup: active(map[string]any{"scope": []string{"a"}}), want: auth.ReasonClaimInvalid},
		"a claim that is required":   {setup: active(nil), change: func(c *introspect.Config) { c.Claims.RequiredClaims = []string{"tenant"} }, want: auth.ReasonClaimInvalid},
		"a claim that is fixed":      {setup: active(nil), change: func(c *introspect.Config) { c.Claims.FixedClaims = map[string]string{"client_id": "x"} }, want: auth.ReasonClaimInvalid},
		"a check that says no": {setup: active(nil), change: func(c *introspect.Config) {
			c.Claims.Checks = []func(*auth.Principal) error{func(*auth.Principal) error { return errors.New("no") }}
		}, want: auth.ReasonClaimsRefused},
		"a refresh token (Keycloak)":   {setup: active(map[string]any{"typ": "Refresh"}), want: auth.ReasonTokenTypeNotAccepted},
		"an offline token (Keycloak)":  {setup: active(map[string]any{"typ": "Offline"}), want: auth.ReasonTokenTypeNotAccepted},
		"a refresh token (Hydra)":      {setup: active(map[string]any{"token_use": "refresh_token"}), want: auth.ReasonTokenTypeNotAccepted},
		"a refresh token (token_type)": {setup: active(map[string]any{"token_type": "refresh_token"}), want: auth.ReasonTokenTypeNotAccepted},
		"an ID token":                  {setup: active(map[string]any{"typ": "ID"}), want: auth.ReasonTokenTypeNotAccepted},
		"an access token":              {setup: active(map[string]any{"typ": "Bearer", "token_use": "access_token", "token_type": "Bearer"})},
		"Accept says no":               {setup: active(nil), change: func(c *introspect.Config) { c.Accept = func(string) bool { return false } }, want: auth.ReasonTokenMalformed},
		"too long":                     {setup: active(nil), change: func(c *introspect.Config) { c.Claims.MaxTokenBytes = 4 }, want: auth.ReasonTokenTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint()
			tt.setup(e)
			i := mustNew(t, e, func(c *introspect.Config) {
				c.Timeout = 100 * time.Millisecond
				if tt.change != nil {
					tt.change(c)
				}
			})
			want(t, i, opaque, tt.want)
			asks := tt.want != auth.ReasonTokenTooLarge && tt.want != auth.ReasonTokenMalformed
			if got := e.count(); got != 0 != asks {
				t.Errorf("the endpoint was asked %d times", got)
			}
		})
	}
}

func TestTheRequest(t *testing.T) {
	e := newEndpoint()
	e.give("a token", nil)
	i := mustNew(t, e, nil)
	want(t, i, "a token", "")
	form, header := e.calls[0], e.headers[0]
	if got := form.Encode(); got != "token=a+token&token_type_hint=access_token" {
		t.Errorf("the form is %s", got)
	}
	if got := header.Get("Accept"); got != "application/json" {
		t.Errorf("Accept is %q", got)
	}
	if user, password, ok := (&http.Request{Header: header}).BasicAuth(); !ok || user != "orders-api" || password != "a+secret" {
		t.Errorf("the client is %q, %q", user, password)
	}
}

func TestABadRequestAfterAnAnswer(t *testing.T) {
	for body, reason := range map[string]auth.Reason{
		`{"error":"invalid_token"}`:               auth.ReasonTokenInactive,
		`{"error":"invalid_request","x":1}`:       auth.ReasonTokenInactive,
		`{"error":"invalid_client"}`:              auth.ReasonUnavailable,
		`{"error":"unauthorized_client"}`:         auth.ReasonUnavailable,
		`{"error":"invalid_token","active":true}`: auth.ReasonUnavailable,
		`{"error":1}`:                             auth.ReasonUnavailable,
		`{}`:                                      auth.ReasonUnavailable,
		`<html>`:                                  auth.ReasonUnavailable,
		`{"error":"invalid_token"}{"error":"forbidden"}`: auth.ReasonUnavailable,
	} {
		e := newEndpoint()
		e.give("good", nil)
		i := mustNew(t, e, nil)
		want(t, i, "good", "")
		e.set(func(e *endpoint) { e.answer = status(400, body) })
		if got := verify(t, i, "other"); got != reason {
			t.Errorf("400 %s: refused for %q, want %q", body, got, reason)
		}
	}
}

func TestARevokedTokenIsRefusedWithinMaxAgeAndASecond(t *testing.T) {
	simulated(t, func(t *testing.T) {
		e := newEndpoint()
		e.give(opaque, nil)
		i := mustNew(t, e, nil)
		want(t, i, opaque, "")
		e.revoke(opaque)
		revoked, last := time.Now(), time.Now()
		for range 4 * 60 {
			time.Sleep(250 * time.Millisecond)
			if verify(t, i, opaque) == "" {
				last = time.Now()
			}
		}
		if passed := last.Sub(revoked); passed > 31*time.Second || passed < 20*time.Second {
			t.Errorf("the token was accepted for %v after it was revoked", passed)
		}
		want(t, i, opaque, auth.ReasonTokenInactive)
	})
}

// The promise holds however long the endpoint takes to answer, and whenever in the life of a
// remembered answer the token is revoked. The endpoint decides when it is asked.
func TestRevocationIsSeenInTimeWhateverTheEndpointTakes(t *testing.T) {
	simulated(t, func(t *testing.T) {
		const maxAge = 5 * time.Second
		longest := time.Duration(0)
		for _, delay := range []time.Duration{0, 500 * time.Millisecond, 2900 * time.Millisecond} {
			for offset := time.Duration(0); offset < 2*maxAge; offset += 350 * time.Millisecond {
				for _, every := range []time.Duration{90 * time.Millisecond, 1300 * time.Millisecond} {
					longest = max(longest, acceptedAfterRevocation(t, maxAge, delay, offset, every))
				}
			}
		}
		t.Logf("a revoked token was accepted for %v at most", longest)
		if longest > maxAge+time.Second || longest < maxAge/2 {
			t.Errorf("a revoked token was accepted for %v; promised: at most %v", longest, maxAge+time.Second)
		}
	})
}

// acceptedAfterRevocation has a token used every so often, and revoked at an offset. It returns how
// long it was accepted afterwards.
func acceptedAfterRevocation(t *testing.T, maxAge, delay, offset, every time.Duration) (longest time.Duration) {
	e := newEndpoint()
	e.delay = delay
	e.give(opaque, nil)
	i := mustNew(t, e, func(c *introspect.Config) { c.MaxAge = maxAge })
	var revoked time.Time
	timer := time.AfterFunc(offset, func() {
		e.set(func(e *endpoint) { delete(e.tokens, opaque); revoked = time.Now() })
	})
	defer timer.Stop()
	for end := time.Now().Add(offset + 3*maxAge); time.Now().Before(end); time.Sleep(every) {
		accepted := verify(t, i, opaque) == ""
		e.set(func(*endpoint) {
			if accepted && !revoked.IsZero() {
				longest = max(longest, time.Since(revoked))
			}
		})
	}
	return longest
}

func TestATokenThatIsUsedIsRenewedInTheBackground(t *testing.T) {
	simulated(t, func(t *testing.T) {
		e := newEndpoint()
		e.give(opaque, map[string]any{"exp": time.Now().Add(24 * time.Hour).Unix()})
		var background, foreground atomic.Int32
		i := mustNew(t, e, func(c *introspect.Config) {
			c.OnCall = func(c introspect.Call) {
				if c.Background {
					background.Add(1)
				} else {
					foreground.Add(1)
				}
				panic("contained")
			}
		})
		want(t, i, opaque, "")
		e.set(func(e *endpoint) { e.delay = time.Second })
		for range 10 * 60 * 10 {
			before := time.Now()
			want(t, i, opaque, "")
			if waited := time.Since(before); waited > 0 {
				t.Fatalf("waited %v", waited)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if f, b := foreground.Load(), background.Load(); f != 1 || b < 20 || b > 26 {
			t.Errorf("in ten minutes %d calls had somebody waiting, %d had not; want 1 and about 24", f, b)
		}
	})
}

func TestARefusalIsForgottenAfterFiveSeconds(t *testing.T) {
	simulated(t, func(t *testing.T) {
		e := newEndpoint()
		i := mustNew(t, e, nil)
		for range 10 {
			want(t, i, opaque, auth.ReasonTokenInactive)
		}
		if e.count() != 1 {
			t.Errorf("asked %d times", e.count())
		}
		e.give(opaque, nil)
		time.Sleep(5*time.Second - 1)
		want(t, i, opaque, auth.ReasonTokenInactive)
		time.Sleep(time.Nanosecond)
		want(t, i, opaque, "")
	})
}

func TestNothingIsRemembered(t *testing.T) {
	e := newEndpoint()
	e.give("good", nil)
	i := mustNew(t, e, func(c *introspect.Config) { c.MaxAge = -1 })
	for range 3 {
		want(t, i, "good", "")
		want(t, i, "bad", auth.ReasonTokenInactive)
	}
	if e.count() != 6 {
		t.Errorf("asked %d times, want 6", e.count())
	}
}

func TestARememberedTokenExpires(t *testing.T) {
	simulated(t, func(t *testing.T) {
		e := newEndpoint()
		e.give(opaque, map[string]any{"exp": time.Now().Add(10 * time.Second).Unix()})
		i := mustNew(t, e, func(c *introspect.Config) { c.Claims.Leeway = -1 })
		want(t, i, opaque, "")
		time.Sleep(10*time.Second - 1)
		want(t, i, opaque, "")
		time.Sleep(time.Nanosecond)
		want(t, i, opaque, auth.ReasonTokenExpired)
		if e.count() != 1 {
			t.Errorf("asked %d times", e.count())
		}
	})
}

func TestAThousandCallersWithOneNewTokenCauseOneCall(t *testing.T) {
	simulated(t, func(t *testing.T) {
		e := newEndpoint()
		e.give(opaque, nil)
		e.delay = time.Second
		i := mustNew(t, e, nil)
		first, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		wait.Go(func() {
			if _, err := i.VerifyToken(first, opaque); auth.AsError(err).Reason != auth.ReasonUnavailable {
				t.Errorf("the caller who gave up: %v", err)
			}
		})
		synctest.Wait()
		for range 999 {
			wait.Go(func() { want(t, i, opaque, "") })
		}
		synctest.Wait()
		cancel()
		wait.Wait()
		if e.count() != 1 {
			t.Errorf("asked %d times", e.count())
		}
	})
}

// A call may end between a caller's look at what is remembered and its question.
func TestCallersThatComeAsACallEndsCauseNoOther(t *testing.T) {
	e := newEndpoint()
	i := mustNew(t, e, nil)
	defer i.Close()
	for n := range 300 {
		token := fmt.Sprintf("opaque-%d", n)
		e.give(token, map[string]any{"exp": time.Now().Add(time.Hour).Unix()})
		before := e.count()
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() { want(t, i, token, "") })
		}
		wait.Wait()
		if asked := e.count() - before; asked != 1 {
			t.Fatalf("asked %d times about %s", asked, token)
		}
	}
}

func TestAFloodOfGarbageHarmsNobodyWhoWasHere(t *testing.T) {
	simulated(t, func(t *testing.T) {
		e := newEndpoint()
		e.give("good", map[string]any{"exp": time.Now().Add(time.Hour).Unix()})
		i := mustNew(t, e, nil)
		want(t, i, "good", "")
		e.set(func(e *endpoint) { e.delay = time.Second })
		var wait sync.WaitGroup
		var full atomic.Int32
		for n := range 10_000 {
			wait.Go(func() {
				time.Sleep(time.Duration(n) * 10 * time.Millisecond)
				switch got := verify(t, i, fmt.Sprint("garbage-", n)); got {
				case auth.ReasonTokenInactive:
				case auth.ReasonUnavailable:
					full.Add(1)
				default:
					t.Errorf("garbage: %q", got)
				}
			})
		}
		for range 200 { // the last answer runs out between two of them, again and again
			time.Sleep(500 * time.Millisecond)
			want(t, i, "good", "")
		}
		time.Sleep(31 * time.Second)
		want(t, i, "good", "")
		wait.Wait()
		if e.most > 49 {
			t.Errorf("%d calls at a time; 48 are for the unknown", e.most)
		}
		if full.Load() == 0 {
			t.Error("no bound was met: the test shows nothing")
		}
	})
}

func TestAnOutage(t *testing.T) {
	simulated(t, func(t *testing.T) {
		e := newEndpoint()
		e.give("good", nil)
		var log bytes.Buffer
		i := mustNew(t, e, func(c *introspect.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		want(t, i, "good", "")
		e.set(func(e *endpoint) { e.down = true })
		start := time.Now()
		var probes []time.Duration
		calls := e.count()
		for range 29 * 100 {
			want(t, i, "good", "") // its answer is young enough
			if got := verify(t, i, fmt.Sprint("other", len(probes))); got != auth.ReasonUnavailable {
				t.Fatalf("refused for %q", got)
			}
			if now := e.count(); now > calls {
				calls = now
				probes = append(probes, time.Since(start))
			}
			time.Sleep(10 * time.Millisecond)
		}
		if i.Ready() == nil {
			t.Error("ready without an endpoint")
		}
		var steps []time.Duration
		for n := 1; n < len(probes); n++ {
			steps = append(steps, (probes[n] - probes[n-1]).Round(100*time.Millisecond))
		}
		if got := fmt.Sprint(steps); got != "[1s 2s 4s 5s 5s 5s 5s]" {
			t.Errorf("probes came after %v", got)
		}
		time.Sleep(time.Second)
		want(t, i, "good", auth.ReasonUnavailable) // older than MaxAge
		_, err := i.VerifyToken(t.Context(), "good")
		if wait := auth.AsError(err).RetryAfter(); wait < time.Second || wait > 8*time.Second {
			t.Errorf("callers are told to come back in %v", wait)
		}
		e.set(func(e *endpoint) { e.down = false })
		time.Sleep(5 * time.Second)
		want(t, i, "good", "")
		if err := i.Ready(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if lines := strings.Count(log.String(), "\n"); lines != 2 || !strings.Contains(log.String(), "answers again") {
			t.Errorf("the log:\n%s", log.String())
		}
	})
}

func TestRetryAfterIsHeard(t *testing.T) {
	simulated(t, func(t *testing.T) {
		e := newEndpoint()
		e.answer = status(503, "", "Retry-After", "20")
		i := mustNew(t, e, nil)
		want(t, i, opaque, auth.ReasonUnavailable)
		time.Sleep(19 * time.Second)
		want(t, i, opaque, auth.ReasonUnavailable)
		if e.count() != 1 {
			t.Errorf("asked %d times within 20 s", e.count())
		}
		time.Sleep(time.Second)
		want(t, i, opaque, auth.ReasonUnavailable)
		if e.count() != 2 {
			t.Error("not asked after 20 s")
		}
	})
}

func TestAFaultOfOneTokenIsNotTheEndpoints(t *testing.T) {
	simulated(t, func(t *testing.T) {
		e := newEndpoint()
		e.give("good", nil)
		e.answer = func(w http.ResponseWriter, token string) bool {
			if strings.HasPrefix(token, "poison") {
				w.WriteHeader(500)
				return true
			}
			return false
		}
		i := mustNew(t, e, nil)
		for n := range 20 {
			want(t, i, "poison", auth.ReasonUnavailable)
			want(t, i, "poison", auth.ReasonUnavailable)
			e.give(fmt.Sprint("good", n), nil)
			want(t, i, fmt.Sprint("good", n), "")
			time.Sleep(time.Second)
		}
		if e.count() != 40 {
			t.Errorf("asked %d times, want 40: once a second for the token that fails", e.count())
		}
		for n := range 6 { // no good answer between
			want(t, i, fmt.Sprint("poison", n), auth.ReasonUnavailable)
		}
		if e.count() != 45 {
			t.Errorf("asked %d times, want 45: after five in a row the endpoint itself is at fault", e.count())
		}
	})
}

func TestAFailedRenewalLeavesTheAnswer(t *testing.T) {
	simulated(t, func(t *testing.T) {
		e := newEndpoint()
		e.give(opaque, nil)
		i := mustNew(t, e, nil)
		want(t, i, opaque, "")
		e.set(func(e *endpoint) { e.answer = status(500, "") })
		time.Sleep(25 * time.Second)
		for range 4 {
			want(t, i, opaque, "")
			time.Sleep(time.Second)
		}
		if e.count() < 3 {
			t.Errorf("asked %d times: a renewal that failed is not tried again", e.count())
		}
		time.Sleep(2 * time.Second)
		want(t, i, opaque, auth.ReasonUnavailable)
	})
}

func TestCloseEndsRequestsUnderWay(t *testing.T) {
	simulated(t, func(t *testing.T) {
		e := newEndpoint()
		e.delay = time.Hour
		var log bytes.Buffer
		i := mustNew(t, e, func(c *introspect.Config) {
			c.Timeout, c.Logger = 30*time.Second, slog.New(slog.NewTextHandler(&log, nil))
		})
		var wait sync.WaitGroup
		wait.Go(func() { want(t, i, opaque, auth.ReasonUnavailable) })
		synctest.Wait()
		before := time.Now()
		if err := i.Close(); err != nil || time.Since(before) != 0 {
			t.Errorf("Close: %v, after %v", err, time.Since(before))
		}
		wait.Wait()
		want(t, i, "other", auth.ReasonUnavailable)
		if e.count() != 1 {
			t.Error("asked after Close")
		}
		if log.Len() > 0 {
			t.Errorf("Close is told as a problem: %s", &log)
		}
	})
}

func TestARememberedTokenAllocatesNothing(t *testing.T) {
	e := newEndpoint()
	e.give(opaque, nil)
	i := mustNew(t, e, nil)
	want(t, i, opaque, "")
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = i.VerifyToken(ctx, opaque) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestOverAGuardAndARealServer(t *testing.T) {
	e := newEndpoint()
	e.give("good-token", nil)
	server := httptest.NewServer(e)
	defer server.Close()
	i, err := introspect.New(server.URL, basic, introspect.Config{Claims: auth.Config{Issuer: issuerURL, Audiences: []string{audience}}})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	guard, err := auth.NewGuard(i, nil)
	if err != nil {
		t.Fatal(err)
	}
	api := guard.Require("read:orders")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := auth.PrincipalFrom(r.Context())
		fmt.Fprint(w, p.Subject())
	}))
	for token, code := range map[string]int{"good-token": 200, "bad-token": 401} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		if w.Code != code {
			t.Errorf("%s: %d %s", token, w.Code, w.Body)
		}
	}
}

func TestWhatNewRefuses(t *testing.T) {
	claims := auth.Config{Issuer: issuerURL, Audiences: []string{audience}}
	const url = "https://issuer.example/introspect"
	for name, tt := range map[string]struct {
		url    string
		client introspect.ClientAuth
		config introspect.Config
		names  string
	}{
		"http":                {"http://issuer.example/introspect", basic, introspect.Config{Claims: claims}, "https"},
		"a password":          {"https://a:b@issuer.example/", basic, introspect.Config{Claims: claims}, "password"},
		"no client":           {url, introspect.ClientAuth{}, introspect.Config{Claims: claims}, "ClientAuth"},
		"no secret":           {url, introspect.Basic("x", nil), introspect.Config{Claims: claims}, "Secret"},
		"no client ID":        {url, introspect.Post("", introspect.FixedSecret("x")), introspect.Config{Claims: claims}, "client ID"},
		"no issuer":           {url, basic, introspect.Config{Claims: auth.Config{Audiences: []string{"x"}}}, "Issuer"},
		"no audience":         {url, basic, introspect.Config{Claims: auth.Config{Issuer: issuerURL}}, "Audiences"},
		"MaxAge":              {url, basic, introspect.Config{Claims: claims, MaxAge: time.Hour}, "MaxAge"},
		"NegativeAge":         {url, basic, introspect.Config{Claims: claims, NegativeAge: -1}, "NegativeAge"},
		"Timeout":             {url, basic, introspect.Config{Claims: claims, Timeout: time.Hour}, "Timeout"},
		"MaxFlights":          {url, basic, introspect.Config{Claims: claims, MaxFlights: -1}, "MaxFlights"},
		"MaxFlights, too big": {url, basic, introspect.Config{Claims: claims, MaxFlights: 5000}, "MaxFlights"},
	} {
		if _, err := introspect.New(tt.url, tt.client, tt.config); err == nil || !strings.Contains(err.Error(), tt.names) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPanicIsContainedAndTold(t *testing.T) {
	e := newEndpoint()
	e.answer = func(http.ResponseWriter, string) bool { panic("of the Transport") }
	var told introspect.Call
	done := make(chan bool)
	i := mustNew(t, e, func(c *introspect.Config) {
		c.OnCall = func(c introspect.Call) { told = c; close(done) }
	})
	want(t, i, opaque, auth.ReasonUnavailable)
	<-done
	if told.Outcome != introspect.Unavailable || told.Err == nil {
		t.Errorf("the hook was told %+v", told)
	}
}

func TestARenewalThatFindsATokenRevokedEndsItsAnswer(t *testing.T) {
	simulated(t, func(t *testing.T) {
		e := newEndpoint()
		e.give(opaque, nil)
		i := mustNew(t, e, func(c *introspect.Config) { c.MaxAge = 10 * time.Minute })
		want(t, i, opaque, "")
		e.revoke(opaque)
		time.Sleep(8 * time.Minute)
		want(t, i, opaque, "") // and is asked about in the background
		synctest.Wait()
		for range 10 { // beyond NegativeAge, within MaxAge
			want(t, i, opaque, auth.ReasonTokenInactive)
			time.Sleep(time.Second)
		}
	})
}

// Some servers answer 400 about tokens that they do not know. Callers with such tokens keep nobody
// else out, also when they are the first.
func TestBadRequestsKeepNobodyOut(t *testing.T) {
	e := newEndpoint()
	e.give(opaque, nil)
	e.answer = func(w http.ResponseWriter, token string) bool {
		return token != opaque && status(400, `{"error":"invalid_token"}`)(w, token)
	}
	i := mustNew(t, e, nil)
	for n := range 10 {
		want(t, i, fmt.Sprint("guess-", n), auth.ReasonInternal)
	}
	want(t, i, opaque, "")
	want(t, i, "guess-10", auth.ReasonTokenInactive)
}
