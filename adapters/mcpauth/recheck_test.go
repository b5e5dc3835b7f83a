package mcpauth_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/adapters/mcpauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A store of revocations, as its operator changes it.
type store struct {
	mu      sync.Mutex
	revoked bool
	err     error
}

func (s *store) set(revoked bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked, s.err = revoked, err
}

func (s *store) ask(context.Context, *auth.Principal) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revoked, s.err
}

// An end is how a request that goes on came to its end.
type end struct {
	after  time.Duration
	status int
	body   string
}

// goOn begins a request to a tool that writes at once, or never, and then waits for its context. It
// returns how the request ends.
func goOn(t *testing.T, guard *auth.Guard, table auth.Rules, writes bool, tool, token string) <-chan end {
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if writes {
			io.WriteString(w, "begun")
		}
		<-r.Context().Done()
	})
	h := mcpauth.Handler(next, guard, table, nil)
	ended := make(chan end, 1)
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Hour) // the bubble's
	t.Cleanup(cancel)
	r := httpRequest(t, strings.NewReader(call(tool)), token).WithContext(ctx)
	go func() {
		w := newRecorder()
		h.ServeHTTP(w, r)
		ended <- end{time.Since(began), w.Code, w.Body.String()}
	}()
	return ended
}

func (e end) within(t *testing.T, from, to time.Duration) {
	t.Helper()
	if e.after < from || e.after > to {
		t.Errorf("ended after %v, want %v to %v", e.after, from, to)
	}
}

// TestRequestsAreRechecked changes what a request was authorized by while it goes on.
func TestRequestsAreRechecked(t *testing.T) {
	const hour = time.Hour
	long := func(issuer *authtest.Issuer) string {
		return issuer.Token("read:orders", authtest.Claims{"exp": time.Now().Add(3 * hour).Unix()})
	}
	for name, writes := range map[string]bool{"an answer that has begun": true, "no answer yet": false} {
		t.Run("revoked, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer, revocations := authtest.NewIssuer(t, nil), new(store)
				ended := goOn(t, issuer.Guard(&auth.GuardOptions{Revoked: revocations.ask}), rules(), writes, "list_orders", long(issuer))
				time.Sleep(hour)
				synctest.Wait()
				if len(ended) != 0 {
					t.Fatalf("%+v, and nothing was revoked", <-ended)
				}
				revocations.set(true, nil)
				e := <-ended
				e.within(t, hour, hour+75*time.Second)
				if writes && (e.status != 200 || e.body != "begun") || !writes && (e.status != 504 || !strings.Contains(e.body, "not authorized any more")) {
					t.Errorf("%+v", e)
				}
			})
		})
	}
	t.Run("an outage, and it is over", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			issuer, revocations := authtest.NewIssuer(t, nil), new(store)
			ended := goOn(t, issuer.Guard(&auth.GuardOptions{Revoked: revocations.ask}), rules(), true, "list_orders", long(issuer))
			for range 3 {
				time.Sleep(10 * time.Minute)
				revocations.set(false, errors.New("down"))
				time.Sleep(4*time.Minute + 30*time.Second) // five, after the first recheck that fails
				revocations.set(false, nil)
			}
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if len(ended) != 0 {
				t.Fatalf("%+v, although no outage took long", <-ended)
			}
			revocations.set(true, nil)
			<-ended
		})
	})
	t.Run("an outage that goes on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			issuer, revocations := authtest.NewIssuer(t, nil), new(store)
			ended := goOn(t, issuer.Guard(&auth.GuardOptions{Revoked: revocations.ask}), rules(), true, "list_orders", long(issuer))
			time.Sleep(10 * time.Minute)
			revocations.set(false, errors.New("down"))
			(<-ended).within(t, 15*time.Minute, 16*time.Minute+15*time.Second)
		})
	})
	t.Run("a check that does not come back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, nil)
			stuck, asked := make(chan struct{}), 0
			var mu sync.Mutex
			table := rules()
			table["tools/call list_orders"] = auth.AnyToken().With(func(context.Context, *auth.Principal) error {
				mu.Lock()
				asked++
				again := asked > 1
				mu.Unlock()
				if again {
					select {
					case <-stuck:
					case <-t.Context().Done():
					}
				}
				return nil
			})
			ended := goOn(t, issuer.Guard(nil), table, true, "list_orders", long(issuer))
			(<-ended).within(t, 5*time.Minute+45*time.Second, 6*time.Minute+20*time.Second)
			close(stuck)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if asked != 2 {
				t.Errorf("asked %d times, want the request and one recheck", asked)
			}
		})
	})
	t.Run("a rule that became another", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, nil)
			live, err := auth.NewLiveRules(auth.Rules{"tools/call hello": auth.Public()})
			if err != nil {
				t.Fatal(err)
			}
			table := rules()
			table["tools/call hello"] = live.Rules()["tools/call hello"]
			ended := goOn(t, issuer.Guard(nil), table, true, "hello", "")
			time.Sleep(time.Hour)
			synctest.Wait()
			if len(ended) != 0 {
				t.Fatalf("%+v", <-ended)
			}
			if err := live.Swap(auth.Rules{"tools/call hello": auth.AnyToken()}); err != nil {
				t.Fatal(err)
			}
			(<-ended).within(t, time.Hour, time.Hour+75*time.Second)
		})
	})
	t.Run("a check that panics", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, nil)
			began := time.Now()
			table := rules()
			table["tools/call list_orders"] = auth.AnyToken().With(func(context.Context, *auth.Principal) error {
				if time.Since(began) > 0 {
					panic("a bug")
				}
				return nil
			})
			wrote := make(chan error, 1)
			next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				<-r.Context().Done()
				_, err := io.WriteString(w, "late")
				wrote <- err
			})
			h := mcpauth.Handler(next, issuer.Guard(nil), table, nil)
			func() {
				defer func() {
					if err, ok := recover().(error); !ok || !strings.Contains(err.Error(), "a bug") {
						t.Errorf("recovered %v", err)
					}
				}()
				h.ServeHTTP(newRecorder(), httpRequest(t, strings.NewReader(call("list_orders")), long(issuer)))
			}()
			if err := <-wrote; err == nil {
				t.Error("what the tool wrote after the end has no error")
			}
		})
	})
}

// A busy response is written into for as long as nobody returns, or quite a while.
type busy struct {
	http.ResponseWriter
	begun    chan struct{}
	returned *atomic.Bool
	late     *atomic.Bool
}

func (b busy) Write(p []byte) (int, error) {
	close(b.begun)
	for range 100_000 {
		if b.returned.Load() {
			b.late.Store(true)
			break
		}
		runtime.Gosched()
	}
	return len(p), nil
}

// When the handler is back, the server gives the memory of its response to the next one: no write
// goes on then, also where a recheck has panicked.
func TestNoWriteGoesOnWhenARecheckHasPanicked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		var returned, late atomic.Bool
		began, write := time.Now(), make(chan struct{})
		w := busy{newRecorder(), make(chan struct{}), &returned, &late}
		table := rules()
		table["tools/call list_orders"] = auth.AnyToken().With(func(context.Context, *auth.Principal) error {
			if time.Since(began) > 0 {
				close(write)
				<-w.begun
				panic("a bug")
			}
			return nil
		})
		done := make(chan struct{})
		next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(done)
			<-write
			io.WriteString(w, "a part")
		})
		token := issuer.Token("read:orders", authtest.Claims{"exp": time.Now().Add(time.Hour).Unix()})
		func() {
			defer returned.Store(true)
			defer func() { _ = recover() }()
			mcpauth.Handler(next, issuer.Guard(nil), table, nil).ServeHTTP(w, httpRequest(t, strings.NewReader(call("list_orders")), token))
		}()
		<-done
		if late.Load() {
			t.Error("the handler was back while its response was written into")
		}
	})
}

// Tokens that name neither a subject nor a client are callers of their own: none continues the
// session of another.
func TestTokensThatNameNobodyShareNoSession(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	o := newOrders()
	guard := must(auth.NewGuard(issuer.Verifier(auth.Config{RequiredClaims: []string{}}), nil))
	server := serve(t, mcpauth.Guard(o.Server, guard, rules(), nil))
	nobody := func(jti string) string {
		return issuer.Token("read:orders", authtest.Claims{"sub": authtest.Absent, "client_id": authtest.Absent, "jti": jti})
	}
	first, second := nobody("1"), nobody("2")
	session := initialize(t, server.URL, first)
	if a := send(t, server.URL, second, call("list_orders"), session); a.status != 403 {
		t.Errorf("another token in the session: %+v", a)
	}
	if got := o.took(); got != nil {
		t.Errorf("ran %q", got)
	}
	if a := send(t, server.URL, first, call("list_orders"), session); a.status != 200 {
		t.Errorf("the session's own: %+v", a)
	}
	r := must(http.NewRequestWithContext(t.Context(), "DELETE", server.URL, nil))
	r.Header.Set("Authorization", "Bearer "+second)
	r.Header.Set("Mcp-Session-Id", strings.TrimPrefix(session, "Mcp-Session-Id: "))
	if a := do(t, r); a.status != 403 {
		t.Errorf("the end of another's session: %+v", a)
	}
	if a := send(t, server.URL, issuer.Token("read:orders"), call("list_orders"), session); a.status != 403 {
		t.Errorf("a caller with a name: %+v", a)
	}
}
