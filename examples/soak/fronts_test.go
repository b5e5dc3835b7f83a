//go:build unix

package soak_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"

	"github.com/bearward/bearward/adapters/chiauth"
	"github.com/bearward/bearward/adapters/echoauth"
	"github.com/bearward/bearward/adapters/ginauth"
	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// An operation is what every front serves.
type operation int

const (
	list  operation = iota // needs read:orders
	stats                  // needs read:orders, and the role of a clerk
	live                   // needs what LiveRules say
)

// A target is where an operation is at a front.
type target struct{ path, body string }

// A front is one adapter of a replica.
type front struct {
	name    string
	method  string
	url     string
	targets map[operation]target
	checked bool // it asks Redis about revocation
	// hidden says that a gateway stands in front, so that the Guard sees no client certificate.
	hidden bool

	send func(f front, c call) answer
	open func(ctx context.Context, c call) (*stream, error) // nil where there are no streams
}

// patience is how long a caller waits for an answer.
const patience = 20 * time.Second

// saying is what each front answers an accepted caller with.
func saying(subject string) string { return "orders of [" + subject + "]" }

var said = regexp.MustCompile(`orders of \[([^\]]*)\]`)

// heard returns the subject that an answer names.
func heard(text string) string {
	if found := said.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return ""
}

func done(w http.ResponseWriter, r *http.Request) {
	caller, _ := auth.PrincipalFrom(r.Context())
	_, _ = fmt.Fprintln(w, saying(caller.Subject()))
}

// pages are the targets of fronts of HTTP.
var pages = map[operation]target{list: {path: "/orders"}, stats: {path: "/stats"}, live: {path: "/live"}}

// rules are those of the operations.
func (w *world) rules() map[operation]auth.Requirement {
	return map[operation]auth.Requirement{
		list:  auth.Scopes("read:orders"),
		stats: auth.AllOf(auth.Scopes("read:orders"), auth.Role("clerk")),
		live:  w.live.Rules()["GET /live"],
	}
}

// addHTTP adds a front of HTTP.
func (r *replica) addHTTP(f front) {
	if f.method == "" {
		f.method = http.MethodGet
	}
	f.send = r.sendHTTP
	r.fronts = append(r.fronts, f)
}

func (r *replica) serveNetHTTP(w *world, ca *authtest.CA, guard *auth.Guard) {
	mux := httpauth.NewMux(guard)
	for what, rule := range w.rules() {
		mux.HandleFunc("GET "+pages[what].path, rule, done)
	}
	r.addHTTP(front{name: "net/http", url: r.listen(ca, mux), targets: pages, checked: true})
}

func (r *replica) serveChi(w *world, ca *authtest.CA, guard *auth.Guard) {
	plain := chi.NewRouter()
	router := chiauth.NewRouter(guard, plain)
	for what, rule := range w.rules() {
		router.Get(pages[what].path, rule, done)
	}
	r.addHTTP(front{name: "chi", url: r.listen(ca, plain), targets: pages})
}

func (r *replica) serveEcho(w *world, ca *authtest.CA, guard *auth.Guard) {
	e := echo.New()
	router := echoauth.NewRouter(guard, e)
	for what, rule := range w.rules() {
		router.GET(pages[what].path, rule, echo.WrapHandler(http.HandlerFunc(done)))
	}
	r.addHTTP(front{name: "Echo", url: r.listen(ca, e), targets: pages, checked: true})
}

func (r *replica) serveGin(w *world, ca *authtest.CA, guard *auth.Guard) {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	router := ginauth.NewRouter(guard, engine)
	for what, rule := range w.rules() {
		router.GET(pages[what].path, rule, gin.WrapF(done))
	}
	if err := ginauth.Check(engine); err != nil {
		w.t.Fatal(err)
	}
	r.addHTTP(front{name: "gin", url: r.listen(ca, engine), targets: pages})
}

// sendHTTP makes a call of HTTP.
func (r *replica) sendHTTP(f front, c call) answer {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	to := f.targets[c.what]
	req, err := http.NewRequestWithContext(ctx, f.method, f.url+to.path, strings.NewReader(to.body))
	if err != nil {
		return answer{status: -1, text: err.Error()}
	}
	if to.body != "" {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
	}
	c.into(req.Header)
	resp, err := r.client(c).Do(req)
	if err != nil {
		return answer{status: -1, text: err.Error()}
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := io.Copy(&body, resp.Body); err != nil {
		return answer{status: -1, text: err.Error()}
	}
	return answer{resp.StatusCode, heard(body.String()), body.String()}
}

// client is the one that c is sent by.
func (r *replica) client(c call) *http.Client {
	if c.shown {
		return r.shown
	}
	return r.plain
}
