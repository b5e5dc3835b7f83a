package orders

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	auth "github.com/bearward/bearward/middleware"
)

// Answer is what every operation answers in JSON: who the API takes the caller
// for, and what was asked for.
type Answer struct {
	Operation string  `json:"operation"`
	Sub       *string `json:"sub"`   // null for an anonymous caller
	Scope     string  `json:"scope"` // of the token, space-delimited
	Status    string  `json:"status,omitempty"`
	Orders    []Order `json:"orders,omitempty"`
	Stats     *Stats  `json:"stats,omitempty"`
}

// Stats are the figures that only an administrator sees.
type Stats struct {
	Orders int `json:"orders"`
	Pieces int `json:"pieces"`
}

// Operation is one operation of the API, whatever router it hangs on: it gets
// the request's context and body, and returns a status and an answer.
type Operation func(ctx context.Context, body io.Reader) (status int, answer Answer)

// ServeHTTP makes an Operation an http.Handler.
func (op Operation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, answer := op(r.Context(), r.Body)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the caller may be gone
}

// API is the operations on one Book.
type API struct {
	Book  *Book
	Ready func() error // nil when tokens can be verified
}

// answer begins an Answer with who is calling.
func answer(ctx context.Context, operation string) Answer {
	a := Answer{Operation: operation}
	if p, ok := auth.PrincipalFrom(ctx); ok {
		sub := p.Subject()
		a.Sub, a.Scope = &sub, strings.Join(p.Scopes(), " ")
	}
	return a
}

// List answers with all orders.
func (api *API) List(ctx context.Context, _ io.Reader) (int, Answer) {
	a := answer(ctx, "list orders")
	a.Orders = api.Book.List()
	return http.StatusOK, a
}

// maxBody bounds the body of an order, in bytes.
const maxBody = 4 << 10

// Place places one order for the caller: {"item": "tea", "quantity": 1}, and
// that one when the body is empty.
func (api *API) Place(ctx context.Context, body io.Reader) (int, Answer) {
	a := answer(ctx, "place an order")
	var wanted struct {
		Item     string `json:"item"`
		Quantity int    `json:"quantity"`
	}
	if err := json.NewDecoder(io.LimitReader(body, maxBody)).Decode(&wanted); err != nil && !errors.Is(err, io.EOF) {
		a.Status = "the body is no order"
		return http.StatusBadRequest, a
	}
	order, err := api.Book.Place(caller(a), wanted.Item, wanted.Quantity)
	if err != nil {
		a.Status = err.Error()
		return http.StatusBadRequest, a
	}
	a.Orders = []Order{order}
	return http.StatusOK, a
}

func caller(a Answer) string {
	if a.Sub == nil {
		return ""
	}
	return *a.Sub
}

// Stats answers with the figures of the book.
func (api *API) Stats(ctx context.Context, _ io.Reader) (int, Answer) {
	a := answer(ctx, "stats")
	a.Stats = new(Stats)
	for _, order := range api.Book.List() {
		a.Stats.Orders++
		a.Stats.Pieces += order.Quantity
	}
	return http.StatusOK, a
}

// Vault answers with what only a caller sees who was authenticated well, and just now.
func (api *API) Vault(ctx context.Context, _ io.Reader) (int, Answer) {
	a := answer(ctx, "open the vault")
	a.Status = "open"
	return http.StatusOK, a
}

// Pay takes note of a payment that the caller may initiate.
func (api *API) Pay(ctx context.Context, _ io.Reader) (int, Answer) {
	a := answer(ctx, "pay")
	a.Status = "initiated"
	return http.StatusOK, a
}

// Me answers with the caller alone.
func (api *API) Me(ctx context.Context, _ io.Reader) (int, Answer) {
	return http.StatusOK, answer(ctx, "me")
}

// Greet greets the caller, by name when there is one.
func (api *API) Greet(ctx context.Context, _ io.Reader) (int, Answer) {
	a := answer(ctx, "greet")
	a.Status = "hello, stranger"
	if a.Sub != nil {
		a.Status = "hello, " + *a.Sub
	}
	return http.StatusOK, a
}

// Ping answers that the server is there.
func (api *API) Ping(ctx context.Context, _ io.Reader) (int, Answer) {
	a := answer(ctx, "ping")
	a.Status = "pong"
	return http.StatusOK, a
}

// Healthz answers that the process is alive.
func (api *API) Healthz(ctx context.Context, _ io.Reader) (int, Answer) {
	a := answer(ctx, "health")
	a.Status = "ok"
	return http.StatusOK, a
}

// Readyz answers whether tokens can be verified: 503 until there are keys.
func (api *API) Readyz(ctx context.Context, _ io.Reader) (int, Answer) {
	a := answer(ctx, "readiness")
	if err := api.Ready(); err != nil {
		a.Status = "the issuer's keys are not held"
		return http.StatusServiceUnavailable, a
	}
	a.Status = "ok"
	return http.StatusOK, a
}
