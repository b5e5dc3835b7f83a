package mcpauth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	auth "github.com/bearward/bearward/middleware"
)

// authorized is what was decided about a request: what it asks for, and who sent it. It travels
// from the handler to the server in the SDK's TokenInfo, which belongs to the one request, as the
// context does not.
type authorized struct {
	op        operation
	principal *auth.Principal // nil for an operation that takes requests without a token
	token     string          // a hash, of a token that names nobody
}

// extraKey is where TokenInfo.Extra has the *authorized.
const extraKey = "github.com/bearward/bearward/adapters/mcpauth"

type authorizedKey struct{}

func withAuthorized(r *http.Request, a *authorized) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), authorizedKey{}, a))
}

// withTokenInfo puts what was decided where the SDK hands it to tools. RequireBearerToken is the
// only way to that place. It gets a header of its own making, which next does not see.
func withTokenInfo(next http.Handler) http.Handler {
	plain := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Authorization") // check: authorization-removed
		next.ServeHTTP(w, r)
	})
	verified := sdkauth.RequireBearerToken(func(ctx context.Context, _ string, _ *http.Request) (*sdkauth.TokenInfo, error) {
		return ctx.Value(authorizedKey{}).(*authorized).tokenInfo(), nil
	}, &sdkauth.RequireBearerTokenOptions{AllowMissingExpiration: true, ClockSkew: 24 * time.Hour})(plain) // the Guard looked at the clock
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := r.Context().Value(authorizedKey{}).(*authorized); a.principal == nil {
			plain.ServeHTTP(w, r)
			return
		}
		r.Header.Set("Authorization", "Bearer verified")
		verified.ServeHTTP(w, r)
	})
}

// tokenInfo tells the SDK about the token. UserID is how it binds a session to who began it.
func (a *authorized) tokenInfo() *sdkauth.TokenInfo {
	p := a.principal
	return &sdkauth.TokenInfo{Scopes: p.Scopes(), Expiration: p.ValidUntil(), UserID: a.userID(), Extra: map[string]any{extraKey: a}}
}

// userID tells callers apart: subjects by their issuer and kind, and by their client where the
// token names no subject. A token that names neither is a caller of its own: its session ends with
// it. The issuer is quoted: it may have a bar, as the subject may.
func (a *authorized) userID() string {
	id := a.principal.Identity()
	if id.Subject == "" {
		id.Subject, id.Client = a.principal.ClientID(), true
	}
	if id.Subject == "" { // check: nobody
		return "token:" + a.token
	}
	if id.Client { // check: user-or-client
		return "client:" + strconv.Quote(id.Issuer) + "|" + id.Subject
	}
	return "user:" + strconv.Quote(id.Issuer) + "|" + id.Subject
}

// hashOf returns a text that tells tokens apart, and is none.
func hashOf(values []string) string {
	sum := sha256.Sum256([]byte(strings.Join(values, ",")))
	return hex.EncodeToString(sum[:])
}

// authorizedOf returns what was decided about req, nil when nothing was.
func authorizedOf(req mcp.Request) *authorized {
	if req == nil || req.GetExtra() == nil || req.GetExtra().TokenInfo == nil {
		return nil
	}
	a, _ := req.GetExtra().TokenInfo.Extra[extraKey].(*authorized)
	return a
}

// PrincipalFrom returns who sent the request that a tool, prompt, resource or middleware of the
// server was given. It reports false for a request without a token, which only Public and Optional
// operations take. It also does for one that did not come by a [Handler].
func PrincipalFrom(req mcp.Request) (*auth.Principal, bool) {
	a := authorizedOf(req)
	if a == nil || a.principal == nil {
		return nil, false
	}
	return a.principal, true
}

// RequestPrincipal is PrincipalFrom for a handler that is not the SDK's, and was given to
// [Handler]. Other packages for MCP have a way of their own to tools.
func RequestPrincipal(r *http.Request) (*auth.Principal, bool) {
	a, _ := r.Context().Value(authorizedKey{}).(*authorized)
	if a == nil || a.principal == nil {
		return nil, false
	}
	return a.principal, true
}

// errNotAuthorized is what the caller is told of a request that Enforce refuses.
var errNotAuthorized = &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: "This operation was not authorized"}

// Enforce returns a receiving middleware (mcp.Server.AddReceivingMiddleware) that runs only what a
// [Handler] with the same rules authorized. That is the very method, and the very tool, prompt or
// resource. It also refuses requests that came by no Handler, except for Public and Optional
// operations. Give stdio a server of its own. Middlewares that change a request belong in front of
// it, so add it before them. It panics when a key of the rules has no meaning.
func Enforce(rules auth.Rules) mcp.Middleware {
	t, err := newTable(rules)
	if err != nil {
		panic("mcpauth: " + err.Error())
	}
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if ctx.Value(checkKey{}) == nil && !t.wasAuthorized(method, req) { // check: enforce
				return nil, errNotAuthorized
			}
			return next(ctx, method, req)
		}
	}
}

// wasAuthorized reports whether what is about to run is what was authorized.
func (t *table) wasAuthorized(method string, req mcp.Request) bool {
	op := runs(method, req)
	if a := authorizedOf(req); a != nil {
		return a.op == op
	}
	for _, rule := range t.find(op) {
		if !takesAnonymous(rule.requirement) { // check: enforce-anonymous
			return false
		}
	}
	return true
}

// runs tells which operation the server is about to run.
func runs(method string, req mcp.Request) operation {
	op := operation{method: method}
	switch p := req.GetParams().(type) {
	case *mcp.CallToolParamsRaw:
		if p != nil {
			op.name = p.Name
		}
	case *mcp.GetPromptParams:
		if p != nil {
			op.name = p.Name
		}
	case *mcp.ReadResourceParams:
		if p != nil {
			op.name = p.URI
		}
	}
	return op
}
