package main_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/bearward/bearward/adapters/echoauth"
	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// exemptions are what middlewares of one's own let past the guard, by what AssertGuarded says of
// them.
var exemptions = map[string]func(*http.Request) bool{
	"Upgrade: websocket":                  func(r *http.Request) bool { return r.Header.Get("Upgrade") == "websocket" },
	"Access-Control-Request-Method: GET":  func(r *http.Request) bool { return r.Header.Get("Access-Control-Request-Method") != "" },
	"Referer: http://localhost/":          func(r *http.Request) bool { return strings.HasPrefix(r.Referer(), "http://localhost") },
	"User-Agent: kube-probe":              func(r *http.Request) bool { return strings.HasPrefix(r.UserAgent(), "kube-probe/") },
	"Accept: text/event-stream":           func(r *http.Request) bool { return r.Header.Get("Accept") == "text/event-stream" },
	"X-Api-Key: bearward-somebody":        func(r *http.Request) bool { return r.Header.Get("X-Api-Key") != "" },
	"host localhost":                      func(r *http.Request) bool { return r.Host == "localhost" },
	"path /books?x=/healthz/y.css":        func(r *http.Request) bool { return strings.HasSuffix(r.RequestURI, ".css") },
	"path /books?x=/healthz":              func(r *http.Request) bool { return strings.HasSuffix(r.RequestURI, "/healthz") },
	"the header X-Auth-Subject: bearward": func(r *http.Request) bool { return r.Header.Get("X-Auth-Subject") != "" },
}

func TestAssertGuardedFindsExemptions(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
	for i, says := range slices.Sorted(maps.Keys(exemptions)) {
		r, when := routers[i%len(routers)], exemptions[says] // what stands in front of a router is the same to all of them
		t.Run(says+" over "+r.name, func(t *testing.T) {
			g := issuer.Guard(nil)
			guarded, rules := r.application(g, nil, nil)
			open := r.openBooks(g)
			said := &recorder{TB: t}
			authtest.AssertGuarded(said, issuer, answered(func(w http.ResponseWriter, r *http.Request) {
				if when(r) {
					open.ServeHTTP(w, r)
					return
				}
				guarded.ServeHTTP(w, r)
			}), rules, nil)
			if !slices.ContainsFunc(said.errors, func(s string) bool { return strings.HasPrefix(s, "GET /books: ") && strings.Contains(s, says) }) {
				t.Errorf("no failure of GET /books names %q:\n%s", says, strings.Join(said.errors, "\n"))
			}
		})
	}
}

// A prefix that needs no token, behind which the router cleans the path.
func TestAssertGuardedFindsAnOpenPrefix(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
	g := issuer.Guard(nil)
	open, guarded := http.NewServeMux(), httpauth.NewMux(g)
	for rule, need := range library {
		open.Handle(rule, book(rule))
		guarded.Handle(rule, need, book(rule))
	}
	said := &recorder{TB: t}
	authtest.AssertGuarded(said, issuer, answered(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/healthz/..") {
			http.StripPrefix("/healthz/..", open).ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	}), guarded.Rules(), nil)
	if !slices.ContainsFunc(said.errors, func(s string) bool { return strings.Contains(s, "path /healthz/../books, without a token") }) {
		t.Errorf("said %q", said.errors)
	}
}

// A guard of one's own that goes on after its refusal: the status is right, and the answer behind
// it is the handler's.
func TestAssertGuardedFindsAnAnswerBehindTheRefusal(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
	n := 0
	for name, h := range map[string]http.Handler{
		"the same each time": book("GET /books"),
		"another each time": answered(func(w http.ResponseWriter, _ *http.Request) {
			n++
			fmt.Fprintf(w, `{"visit":%d}`, n)
		}),
	} {
		for _, when := range []string{"no token", "a good token with scopes []"} {
			t.Run(name+", "+when, func(t *testing.T) {
				g := issuer.Guard(nil)
				said := &recorder{TB: t}
				authtest.AssertGuarded(said, issuer, answered(func(w http.ResponseWriter, r *http.Request) {
					ctx, err := g.Authorize(r.Context(), auth.RequestCredentials(w, r, ""), auth.Scopes("read:books"))
					if err != nil {
						g.Refuse(w, r, err)
						if (r.Header.Get("Authorization") == "") != (when == "no token") {
							return
						}
					}
					h.ServeHTTP(w, r.WithContext(ctx))
				}), auth.Rules{"GET /books": auth.Scopes("read:books")}, nil)
				if !slices.ContainsFunc(said.errors, func(s string) bool {
					return strings.Contains(s, when+": got 40") && strings.Contains(s, "a handler's answer behind the refusal")
				}) {
					t.Errorf("said %q", said.errors)
				}
			})
		}
	}
}

// A host that the rule names is the one that is asked, and one that it does not name is tried.
func TestAssertGuardedAsksTheHostOfARule(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
	g := issuer.Guard(nil)
	mux := http.NewServeMux()
	mux.Handle("GET api.example/books", g.Enforce(auth.Scopes("read:books"))(book("books")))
	rules := auth.Rules{"GET api.example/books": auth.Scopes("read:books")}
	authtest.AssertGuarded(t, issuer, mux, rules, nil)

	mux.Handle("GET /books", book("books"))
	said := &recorder{TB: t}
	authtest.AssertGuarded(said, issuer, mux, rules, nil)
	if !slices.ContainsFunc(said.errors, func(s string) bool { return strings.Contains(s, "(O-11): host localhost, without a token: got 200") }) {
		t.Errorf("said %q", said.errors)
	}
}

// Right APIs that answer to such requests in their own way.
func TestAssertGuardedTakesRightAnswersToThem(t *testing.T) {
	var mu sync.Mutex
	file := strings.NewReader(strings.Repeat("books ", 100))
	around := func(mux *httpauth.Mux, instead func(w http.ResponseWriter, r *http.Request) bool) (http.Handler, auth.Rules) {
		return answered(func(w http.ResponseWriter, r *http.Request) {
			if !instead(w, r) {
				mux.ServeHTTP(w, r)
			}
		}), mux.Rules()
	}
	for name, api := range map[string]func(*auth.Guard) (http.Handler, auth.Rules){
		"hosts with routes of one path": func(g *auth.Guard) (http.Handler, auth.Rules) {
			mux := httpauth.NewMux(g)
			mux.Handle("GET api.example/books", auth.Scopes("read:books"), book("of the API"))
			mux.Handle("POST api.example/books", auth.Scopes("write:books"), book("posted"))
			mux.Handle("GET www.example/", auth.Public(), book("page"))
			mux.Handle("GET /books", auth.Public(), book("public"))
			return mux, mux.Rules()
		},
		"hosts of Echo": func(g *auth.Guard) (http.Handler, auth.Rules) {
			e, rules := echo.New(), auth.Rules{"GET api.example/books": auth.Scopes("read:books"), "GET /books": auth.Scopes("admin:all"), "GET /": auth.Public()}
			e.Use(echoauth.EnforceRules(g, rules))
			e.Host("api.example").GET("/books", echo.WrapHandler(book("of the API")))
			e.GET("/books", echo.WrapHandler(book("of all")))
			e.GET("/", echo.WrapHandler(book("page")))
			return e, rules
		},
		"other hosts have a page": func(g *auth.Guard) (http.Handler, auth.Rules) {
			mux := httpauth.NewMux(g)
			mux.Handle("GET /books", auth.Scopes("read:books"), book("books"))
			return around(mux, func(w http.ResponseWriter, r *http.Request) bool {
				if strings.HasPrefix(r.Host, "127.0.0.1") {
					return false
				}
				book("page").ServeHTTP(w, r)
				return true
			})
		},
		"ranges, ETags and origins": func(g *auth.Guard) (http.Handler, auth.Rules) {
			mux := httpauth.NewMux(g)
			mux.HandleFunc("GET /books", auth.Scopes("read:books"), func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				w.Header().Set("Etag", `"1"`)
				http.ServeContent(w, r, "books.txt", time.Unix(1, 0), file)
			})
			return around(mux, func(w http.ResponseWriter, r *http.Request) bool {
				if origin := r.Header.Get("Origin"); origin == "" || origin == "https://app.example" {
					return false
				}
				http.Error(w, "origin", http.StatusForbidden)
				return true
			})
		},
		"a page that shows its request": func(g *auth.Guard) (http.Handler, auth.Rules) {
			mux := httpauth.NewMux(g)
			mux.HandleFunc("GET /books", auth.Scopes("read:books"), func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprintln(w, r.Host, r.RequestURI)
				_ = r.Header.Write(w)
			})
			mux.HandleFunc("GET /", auth.Public(), func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				fmt.Fprintf(w, "<p>%s %s %s", r.Host, r.UserAgent(), r.URL)
			})
			return mux, mux.Rules()
		},
	} {
		t.Run(name, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
			h, rules := api(issuer.Guard(nil))
			authtest.AssertGuarded(t, issuer, h, rules, nil)
		})
	}
	t.Run("refusals of one's own", func(t *testing.T) {
		issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
		mux := httpauth.NewMux(issuer.Guard(&auth.GuardOptions{WriteRefusal: func(w http.ResponseWriter, r *http.Request, e *auth.Error) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(e.Status())
			fmt.Fprintf(w, "<h1>Books</h1> not for you: %s", r.URL)
		}}))
		mux.HandleFunc("GET /books", auth.Scopes("read:books"), func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<h1>Books</h1> none") })
		mux.HandleFunc("DELETE /books", auth.Scopes("write:books"), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
		authtest.AssertGuarded(t, issuer, mux, mux.Rules(), nil)
	})
}
