package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/bearward/bearward/adapters/chiauth"
	"github.com/bearward/bearward/adapters/echoauth"
	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/adapters/httpauth"
	"github.com/bearward/bearward/internal/rpctest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

type holder struct {
	Context context.Context
	Any     any
}

// The verbs of fmt. Those of valueVerbs go by methods; the other two print the fields of what is a
// struct, and pass by its methods: "%w" outside of Errorf, and "%p" of what is no pointer.
const (
	valueVerbs = "vsqxXdobcUeEfFgGt"
	allVerbs   = valueVerbs + "wp"
)

// prints is what programs make of a value by habit, and of one that holds it.
func prints(v any, verbs string) map[string]string {
	out := map[string]string{}
	for _, kept := range []struct {
		name  string
		value any
	}{
		{"", v}, {"in a struct, ", holder{Any: v}}, {"in a pointer to a struct, ", &holder{Any: v}}, {"in a slice, ", []any{v}},
		{"in a map, ", map[string]any{"v": v}},
	} {
		for _, verb := range verbs {
			for _, flag := range []string{"", "+", "#", " ", "-200"} {
				format := "%" + flag + string(verb)
				out[kept.name+format] = fmt.Sprintf(format, kept.value)
			}
		}
		for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
			"slog text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			"slog JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var b bytes.Buffer
			slog.New(handler(&b)).Info("handling", "value", kept.value)
			out[kept.name+name] = b.String()
		}
		asJSON, _ := json.Marshal(kept.value)
		out[kept.name+"json"] = string(asJSON)
		asXML, _ := xml.Marshal(kept.value)
		out[kept.name+"xml"] = string(asXML)
	}
	return out
}

// contextsOf are the forms in which a handler's context travels on.
func contextsOf(ctx context.Context) map[string]any {
	type key struct{}
	derived, cancel := context.WithCancel(context.WithValue(ctx, key{}, "value"))
	defer cancel()
	return map[string]any{"the context": ctx, "one derived from it": derived, "without its cancel": context.WithoutCancel(derived)}
}

// checkPrinted fails when a way of printing v shows a secret, in plain text or in hexadecimal.
func checkPrinted(t *testing.T, what string, v any, verbs string, secrets ...string) {
	t.Helper()
	for how, text := range prints(v, verbs) {
		for _, secret := range secrets {
			if strings.Contains(text, secret) || strings.Contains(strings.ToLower(text), fmt.Sprintf("%x", secret)) {
				t.Errorf("%s by %s shows a secret: %.500s", what, how, text)
				return
			}
		}
	}
}

// TestMatrixPrintedContexts prints the context that each adapter gives its handler, by every verb
// and marshaller.
func TestMatrixPrintedContexts(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(nil)
	token := issuer.Token("read:orders")
	asked := 0
	check := func(ctx context.Context) {
		asked++
		if p, ok := auth.PrincipalFrom(ctx); !ok || p.Subject() == "" {
			t.Error("no Principal")
		}
		for what, v := range contextsOf(ctx) {
			checkPrinted(t, what, v, allVerbs, strings.Split(token, ".")...)
		}
	}
	handler := func(_ http.ResponseWriter, r *http.Request) { check(r.Context()) }
	for name, h := range printedHandlers(guard, handler) {
		t.Run("W-16/"+name, func(t *testing.T) {
			asked = 0
			server := httptest.NewServer(h)
			defer server.Close()
			r, err := http.NewRequest("GET", server.URL+"/orders", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+token)
			resp, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 200 || asked != 1 {
				t.Errorf("status %d, the handler ran %d times", resp.StatusCode, asked)
			}
		})
	}
	conn := serve(t, printedGRPC(guard, check, func(s grpc.ServerStream) { checkPrinted(t, "the stream", s, allVerbs, strings.Split(token, ".")...) }))
	for _, method := range rpctest.Methods {
		t.Run("W-16/grpc-"+strings.ToLower(method[strings.LastIndexByte(method, '/')+1:]), func(t *testing.T) {
			asked = 0
			ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
			if _, _, err := rpctest.Call(ctx, conn, method, "x"); err != nil || asked != 1 {
				t.Errorf("%v, the handler ran %d times", err, asked)
			}
		})
	}
}

func printedHandlers(guard *auth.Guard, handler http.HandlerFunc) map[string]http.Handler {
	read := auth.Scopes("read:orders")
	mux := httpauth.NewMux(guard)
	mux.HandleFunc("GET /orders", read, handler)
	nested := guard.Enforce(auth.AnyToken())(guard.Require("read:orders")(handler))
	router := chi.NewRouter()
	chiauth.NewRouter(guard, router).Get("/orders", read, handler)
	table := chi.NewRouter()
	table.Use(chiauth.Enforce(guard, auth.Rules{"GET /orders": read}, table))
	table.Get("/orders", handler)
	e := echo.New()
	e.GET("/orders", func(c echo.Context) error {
		handler(c.Response(), c.Request())
		return c.NoContent(http.StatusOK)
	}, echoauth.Require(guard, "read:orders"))
	return map[string]http.Handler{"nethttp": mux, "nethttp-nested": nested, "chi": router, "chi-table": table, "echo": e}
}

func printedGRPC(guard *auth.Guard, check func(context.Context), checkStream func(grpc.ServerStream)) *grpc.Server {
	server := grpc.NewServer(grpcauth.ServerOptions(guard, auth.Rules{"/" + rpctest.Service + "/*": auth.AnyToken()})...)
	rpctest.Register(server, &rpctest.Talk{
		OnUnary: func(ctx context.Context, m *rpctest.Message) (*rpctest.Message, error) {
			check(ctx)
			return m, nil
		},
		OnStream: func(s grpc.ServerStream) error {
			check(s.Context())
			checkStream(s)
			return s.SendMsg(&rpctest.Message{})
		},
	})
	return server
}

// TestW16_PrintedValues prints what a program gets from a Guard and gives to it.
func TestW16_PrintedValues(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var told []auth.Decision
	guard := issuer.Guard(&auth.GuardOptions{OnDecision: func(_ context.Context, d auth.Decision) { told = append(told, d) }})
	token := issuer.Token("read:orders")
	credentials := auth.Credentials{Operation: "GET /orders", Authorization: []string{"Bearer " + token}}
	ctx, err := guard.Authorize(t.Context(), credentials, auth.AnyToken())
	if err != nil {
		t.Fatal(err)
	}
	_, refused := guard.Authorize(ctx, credentials, auth.Scopes("write:orders"))
	bad := issuer.Token("read:orders", authtest.BadSignature)
	_, forged := guard.Authorize(ctx, auth.Credentials{Authorization: []string{"Bearer " + bad}}, auth.AnyToken())
	caller, _ := auth.PrincipalFrom(ctx)
	for what, v := range map[string]any{
		"Credentials": credentials, "*Credentials": &credentials, "Guard": guard, "Principal": caller, "a refusal": refused, "a forged token's refusal": forged,
		"Decisions": told,
	} {
		checkPrinted(t, what, v, valueVerbs, append(strings.Split(token+"."+bad, "."), "alice")...)
	}
}
