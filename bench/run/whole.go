package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	auth0mw "github.com/auth0/go-jwt-middleware/v3"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/jwtauth/v5"
	"github.com/golang-jwt/jwt/v5"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"
	mcp "github.com/modelcontextprotocol/go-sdk/auth"

	"github.com/bearward/bearward/adapters/chiauth"
	"github.com/bearward/bearward/adapters/echoauth"
	"github.com/bearward/bearward/bench/measure"
	"github.com/bearward/bearward/bench/peers"
	"github.com/bearward/bearward/bench/tokens"
	auth "github.com/bearward/bearward/middleware"
)

// whole measures a request from the router to the handler, good and refused, in each framework and
// beside its middlewares.
func whole(ctx context.Context, p plan, r *report) error {
	s, err := newStand(ctx, "RS256")
	if err != nil {
		return err
	}
	defer s.close()
	warmV, err := s.verifier(0)
	if err != nil {
		return err
	}
	coldV, err := s.verifier(off)
	if err != nil {
		return err
	}
	warm, cold := must(auth.NewGuard(warmV, nil)), must(auth.NewGuard(coldV, nil))
	bare := measure.Of("net/http without auth", serve(mux(nothing), s.token, http.StatusOK))
	good := func(name string, h http.Handler) *measure.Contestant {
		return measure.Of(name, serve(h, s.token, http.StatusOK))
	}
	cs := []*measure.Contestant{
		bare,
		good("**Bearward** net/http, remembered", mux(warm.Require("read:orders")(nothing))),
		good("**Bearward** net/http, no token cache", mux(cold.Require("read:orders")(nothing))),
		good("chi without auth", chiRouter(nil)),
		good("**Bearward** chi, remembered", chiRouter(warm)),
		good("**Bearward** chi, no token cache", chiRouter(cold)),
		good("Echo without auth", echoRouter()),
		good("**Bearward** Echo, remembered", echoRouter(echoauth.Require(warm, "read:orders"))),
		good("**Bearward** Echo, no token cache", echoRouter(echoauth.Require(cold, "read:orders"))),
	}
	remarks := map[string]string{"": ""}
	theirs, err := middlewares(s.key)
	if err != nil {
		return err
	}
	for _, t := range theirs {
		passed, err := peers.Probe(ctx, func(_ context.Context, token string) error {
			return serve(t.handler, token, http.StatusOK)()
		}, s.key)
		if err != nil {
			return err
		}
		c := good(t.name, t.handler)
		remarks[c.Name] = "scopes"
		for _, name := range passed {
			remarks[c.Name] += ", " + name
		}
		if t.scopes {
			remarks[c.Name] = ""
		}
		cs = append(cs, c)
	}
	if err := measure.Race(p.rounds, p.slice, cs...); err != nil {
		return err
	}
	r.compare("Whole middleware, a good token", "From the router to the handler and back, in memory. Ratios are to net/http without auth.", bare, cs, remarks)
	return refusals(p, r, s, warm, theirs)
}

// refusals measures what a refused request costs.
func refusals(p plan, r *report, s *stand, g *auth.Guard, theirs []foreign) error {
	expired, err := s.key.Sign(tokens.Claims(`"exp":`, `"exp":1700000000,"was":`))
	if err != nil {
		return err
	}
	bad := []struct{ name, token string }{{"no token", ""}, {"random text", s.token[:40]}, {"expired", expired}}
	orders, admin := g.Require("read:orders")(nothing), g.Require("admin:all")(nothing)
	var cs []*measure.Contestant
	for _, b := range bad {
		cs = append(cs, measure.Of("**Bearward**: 401, "+b.name, serve(orders, b.token, http.StatusUnauthorized)))
	}
	orders, ended, err := expiredSince(s)
	if err != nil {
		return err
	}
	cs = append(cs, measure.Of("**Bearward**: 401, expired since it was remembered", serve(orders, ended, http.StatusUnauthorized)))
	cs = append(cs, measure.Of("**Bearward**: 403, a remembered token without the scope", serve(admin, s.token, http.StatusForbidden)))
	for _, t := range theirs {
		for _, b := range bad {
			status := statusOf(t.handler, b.token)
			if status < http.StatusBadRequest {
				return errors.New(t.name + " accepts: " + b.name)
			}
			cs = append(cs, measure.Of(fmt.Sprintf("%s: %d, %s", t.name, status, b.name), serve(t.handler, b.token, status)))
		}
	}
	if err := measure.Race(p.rounds, p.slice, cs...); err != nil {
		return err
	}
	r.compare("Refusals", "The whole middleware, on net/http where there is a choice, answer included. Ratios are to the first.", cs[0], cs, nil)
	return nil
}

// expiredSince returns a handler behind a guard, and a token that the guard accepted before it
// ran out.
func expiredSince(s *stand) (http.Handler, string, error) {
	v, err := auth.NewVerifier(s.keys, auth.Config{Issuer: tokens.Issuer, Audiences: []string{tokens.Audience}, Leeway: -1})
	if err != nil {
		return nil, "", err
	}
	h := must(auth.NewGuard(v, nil)).Require("read:orders")(nothing)
	end := time.Now().Unix() + 2
	token, err := s.key.Sign(tokens.Claims(`"exp":`, fmt.Sprintf(`"exp":%d,"was":`, end)))
	if err != nil {
		return nil, "", err
	}
	if status := statusOf(h, token); status != http.StatusOK {
		return nil, "", errors.New(http.StatusText(status))
	}
	time.Sleep(time.Until(time.Unix(end, 0)))
	return h, token, nil
}

func mux(h http.Handler) http.Handler {
	m := http.NewServeMux()
	m.Handle("GET /orders", h)
	return m
}

func chiRouter(g *auth.Guard) http.Handler {
	m := chi.NewRouter()
	if g == nil {
		m.Get("/orders", nothing)
	} else {
		chiauth.NewRouter(g, m).Get("/orders", auth.Scopes("read:orders"), nothing)
	}
	return m
}

func echoRouter(mw ...echo.MiddlewareFunc) http.Handler {
	e := echo.New()
	e.GET("/orders", func(echo.Context) error { return nil }, mw...)
	return e
}

// A foreign middleware in front of a handler.
type foreign struct {
	name    string
	handler http.Handler
	scopes  bool // it checks that the token has read:orders
}

func middlewares(key *tokens.Key) ([]foreign, error) {
	keys, err := peers.Keyfunc(key)
	if err != nil {
		return nil, err
	}
	v, err := peers.Auth0(key)
	if err != nil {
		return nil, err
	}
	auth0, err := auth0mw.New(auth0mw.WithValidator(v))
	if err != nil {
		return nil, err
	}
	ja := peers.JWTAuth(key)
	chiPeer := chi.NewRouter()
	chiPeer.With(jwtauth.Verifier(ja), jwtauth.Authenticator(ja)).Get("/orders", nothing)
	scoped := mcp.RequireBearerToken(mcpVerifier(keys), &mcp.RequireBearerTokenOptions{Scopes: []string{"read:orders"}})
	return []foreign{
		{"auth0 v3 net/http", mux(auth0.CheckJWT(nothing)), false},
		{"chi jwtauth", chiPeer, false},
		{"echo-jwt + keyfunc", echoRouter(echojwt.WithConfig(echojwt.Config{KeyFunc: keys, SigningMethod: key.Alg})), false},
		{"MCP go-sdk + golang-jwt", mux(scoped(nothing)), true},
	}, nil
}

type mcpClaims struct {
	Scope string `json:"scope"`
	jwt.RegisteredClaims
}

// mcpVerifier is the verifier that a user of the MCP go-sdk brings: golang-jwt, as its examples do.
func mcpVerifier(keys jwt.Keyfunc) mcp.TokenVerifier {
	parser := jwt.NewParser(jwt.WithIssuer(tokens.Issuer), jwt.WithAudience(tokens.Audience), jwt.WithExpirationRequired(),
		jwt.WithValidMethods([]string{"RS256"}))
	return func(_ context.Context, token string, _ *http.Request) (*mcp.TokenInfo, error) {
		var claims mcpClaims
		if _, err := parser.ParseWithClaims(token, &claims, keys); err != nil {
			return nil, errors.Join(mcp.ErrInvalidToken, err)
		}
		return &mcp.TokenInfo{Scopes: strings.Fields(claims.Scope), Expiration: claims.ExpiresAt.Time}, nil
	}
}
