package mcpauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bearward/bearward/adapters/mcpauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// pipes is a listener in memory, as synctest needs it.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Net: "unix", Name: "pipes"} }

// inMemory serves h, and returns a client of it.
func inMemory(t *testing.T, h http.Handler) *http.Client {
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: h}
	go server.Serve(p)
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		p.conns <- far
		return near, nil
	}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return &http.Client{Transport: transport}
}

func post(t *testing.T, client *http.Client, method, token, session, body string) *http.Response {
	r := must(http.NewRequestWithContext(t.Context(), method, "http://mcp.example/", strings.NewReader(body)))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if session != "" {
		r.Header.Set("Mcp-Session-Id", session)
	}
	return must(client.Do(r))
}

// A stream is cut at the instant when its token has run out, leeway included: the standing one of a
// session, and the answer of a tool that takes its time, with sessions and without. The session
// goes on with a new token.
func TestStreamsEndWithTheirToken(t *testing.T) {
	const handshake = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"raw","version":"1"}}}`
	for _, kind := range []string{"the standing stream", "a tool's answer", "a tool's answer, stateless", "a tool's answer that has begun", "a tool's answer that has begun, stateless", "a tool's answer, in JSON", "a tool's answer, in JSON, stateless"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := authtest.NewIssuer(t, nil)
				o := newOrders()
				release := make(chan struct{})
				mcp.AddTool(o.Server, &mcp.Tool{Name: "slow"}, func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
					if strings.Contains(kind, "begun") {
						if err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: "a"}); err != nil {
							t.Error(err)
						}
					}
					<-release
					return &mcp.CallToolResult{}, nil, nil
				})
				table := rules()
				table["tools/call slow"] = table["tools/call hello"]
				opts := &mcpauth.Options{HTTP: &mcp.StreamableHTTPOptions{Stateless: strings.Contains(kind, "stateless"), JSONResponse: strings.Contains(kind, "JSON")}}
				client := inMemory(t, mcpauth.Guard(o.Server, issuer.Guard(nil), table, opts))
				t.Cleanup(func() {
					for session := range o.Sessions() {
						session.Close()
					}
				})
				began := time.Now()
				token := issuer.Token("", authtest.Claims{"exp": began.Add(time.Minute).Unix()})
				session := ""
				if !opts.HTTP.Stateless {
					res := post(t, client, "POST", token, "", handshake)
					session = res.Header.Get("Mcp-Session-Id")
					io.Copy(io.Discard, res.Body)
					post(t, client, "POST", token, session, `{"jsonrpc":"2.0","method":"notifications/initialized"}`).Body.Close()
				}
				ended := make(chan time.Duration, 1)
				go func() {
					var res *http.Response
					if kind == "the standing stream" {
						res = post(t, client, "GET", token, session, "")
					} else {
						res = post(t, client, "POST", token, session, call("slow"))
					}
					text, err := io.ReadAll(res.Body)
					if strings.Contains(kind, "begun") != strings.Contains(string(text), "notifications/progress") {
						t.Errorf("got %s", text)
					}
					if wantStatus := map[bool]int{true: 200, false: 504}[kind == "the standing stream" || strings.Contains(kind, "begun")]; res.StatusCode != wantStatus || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
						t.Errorf("%d, %v", res.StatusCode, err)
					}
					ended <- time.Since(began)
				}()
				time.Sleep(89 * time.Second) // the bubble's
				synctest.Wait()
				if len(ended) != 0 {
					t.Fatalf("ended after %v", <-ended)
				}
				defer synctest.Wait()
				defer close(release)
				if after := <-ended; after != 90*time.Second {
					t.Errorf("ended after %v, want 90s: the token's minute, and the leeway", after)
				}
				if session != "" {
					res := post(t, client, "POST", issuer.Token("read:orders"), session, strings.Replace(call("list_orders"), `"id":1`, `"id":2`, 1))
					if text := string(must(io.ReadAll(res.Body))); res.StatusCode != 200 || !strings.Contains(text, "list_orders") {
						t.Errorf("the session with a new token: %d %s", res.StatusCode, text)
					}
				}
			})
		})
	}
}

// What does not look at its context writes into nothing after the token's end. A panic before is
// the server's to see, as anywhere.
func TestNothingIsWrittenAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Early", "1")
			io.WriteString(w, "early")
			time.Sleep(time.Hour) // the bubble's
			w.Header().Set("X-Late", "1")
			if _, err := io.WriteString(w, "late"); err == nil {
				t.Error("a late write has no error")
			}
			if err := http.NewResponseController(w).Flush(); err == nil {
				t.Error("a late flush has no error")
			}
			w.WriteHeader(http.StatusTeapot)
		})
		h := mcpauth.Handler(next, issuer.Guard(nil), rules(), nil)
		token := issuer.Token("read:orders", authtest.Claims{"exp": time.Now().Add(time.Minute).Unix()})
		w := newRecorder()
		h.ServeHTTP(w, httpRequest(t, strings.NewReader(call("list_orders")), token))
		time.Sleep(2 * time.Hour)
		if w.Body.String() != "early" || w.Header().Get("X-Early") == "" || w.Header().Get("X-Late") != "" {
			t.Errorf("%s %v", w.Body, w.Header())
		}

		panics := mcpauth.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), issuer.Guard(nil), rules(), nil)
		defer func() {
			if v := recover(); v != http.ErrAbortHandler {
				t.Errorf("recovered %v", v)
			}
		}()
		panics.ServeHTTP(newRecorder(), httpRequest(t, strings.NewReader(call("list_orders")), issuer.Token("read:orders")))
	})
}

// An answer to a token ends with it, and with its revocation, also where the operation needs none.
func TestAPublicOperationEndsWithTheTokenThatCame(t *testing.T) {
	for _, revoked := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			issuer, revocations := authtest.NewIssuer(t, nil), new(store)
			table := rules()
			table["tools/call hello"] = auth.Public()
			token := issuer.Token("", authtest.Claims{"exp": time.Now().Add(time.Hour).Unix()})
			ended := goOn(t, issuer.Guard(&auth.GuardOptions{Revoked: revocations.ask}), table, true, "hello", token)
			time.Sleep(10 * time.Minute)
			revocations.set(revoked, nil)
			if revoked {
				(<-ended).within(t, 10*time.Minute, 10*time.Minute+75*time.Second)
			} else {
				(<-ended).within(t, time.Hour+30*time.Second, time.Hour+30*time.Second) // with the leeway
			}
		})
	}
}

// A slow verifier says after a while that a token ran out.
type slow struct{ until time.Time }

func (s slow) VerifyToken(context.Context, string) (*auth.Principal, error) {
	if !time.Now().Before(s.until) {
		time.Sleep(3 * time.Second) // the bubble's
		return nil, &auth.Error{Reason: auth.ReasonTokenExpired}
	}
	return auth.NewPrincipal(fmt.Appendf(nil, `{"sub":"alice","scope":"read:orders","exp":%d}`, s.until.Unix()))
}

// What comes while the recheck at the token's end runs is not written, whatever the recheck says.
func TestNothingIsWrittenWhileItIsRecheckedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until := time.Now().Add(time.Minute)
		wrote := make(chan time.Time, 1)
		next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "early")
			time.Sleep(time.Until(until) + time.Second) // the bubble's
			if _, err := io.WriteString(w, "late"); err == nil {
				t.Error("a late write has no error")
			}
			wrote <- time.Now()
		})
		h := mcpauth.Handler(next, must(auth.NewGuard(slow{until}, nil)), rules(), nil)
		w := newRecorder()
		h.ServeHTTP(w, httpRequest(t, strings.NewReader(call("list_orders")), "a.b.c"))
		if after := (<-wrote).Sub(until); w.Body.String() != "early" || after < 3*time.Second {
			t.Errorf("wrote %q, the last of it after %v", w.Body, after)
		}
	})
}
