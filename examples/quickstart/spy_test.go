package main

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/examples/internal/orders/orderspb"
)

// spy is the application's transport to the issuer and the APIs. It learns the
// secrets that pass there, and keeps what the browser sees.
type spy struct {
	mu      sync.Mutex
	secrets map[string]string // value: what it is
	seen    strings.Builder
	calls   []recorded
}

// recorded is one answer of a server to the application.
type recorded struct {
	host, path string // a gRPC method has its own form: /bearward.orders.v1.Orders/ListOrders
	status     string // "200", or a gRPC code
	at         time.Time
	body       []byte
	orders     []*orderspb.Order // of a gRPC answer
}

// since returns what was recorded after the first n answers.
func (s *spy) since(n int) []recorded {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls[n:])
}

func (s *spy) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

func (s *spy) record(r recorded) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.at = time.Now()
	s.calls = append(s.calls, r)
}

// dial records what the API behind gRPC answers.
func (s *spy) dial() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		sent, _ := metadata.FromOutgoingContext(ctx)
		for _, proof := range sent.Get("dpop") {
			s.learn("proof", proof)
		}
		err := invoke(ctx, method, req, reply, conn, opts...)
		r := recorded{host: conn.Target(), path: method, status: status.Code(err).String()}
		if answer, ok := reply.(*orderspb.Answer); ok && err == nil {
			r.orders = answer.GetOrders()
		}
		s.record(r)
		return err
	})}
}

func newSpy() *spy { return &spy{secrets: make(map[string]string)} }

var secretMember = regexp.MustCompile(`"(registration_access_token|access_token|refresh_token|id_token|client_secret)":\s*"([^"]+)"`)

// over is a transport that the spy watches.
func (s *spy) over(base http.RoundTripper) http.RoundTripper { return watched{s, base} }

type watched struct {
	*spy
	base http.RoundTripper
}

func (s watched) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.GetBody != nil {
		if body, err := req.GetBody(); err == nil {
			raw, _ := io.ReadAll(body)
			if form, err := url.ParseQuery(string(raw)); err == nil {
				s.learn("code verifier", form.Get("code_verifier"))
			}
		}
	}
	s.learn("proof", req.Header.Get("DPoP"))
	resp, err := s.base.RoundTrip(req)
	if err != nil {
		s.record(recorded{host: req.URL.Host, path: req.URL.Path, status: "no answer"})
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	resp.Body = io.NopCloser(strings.NewReader(string(body)))
	s.record(recorded{host: req.URL.Host, path: req.URL.Path, status: strconv.Itoa(resp.StatusCode), body: body})
	for _, match := range secretMember.FindAllStringSubmatch(string(body), -1) {
		s.learn(match[1], match[2])
	}
	return resp, nil
}

func (s *spy) learn(what, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if value != "" {
		s.secrets[value] = what
	}
}

func (s *spy) see(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range texts {
		s.seen.WriteString(text + "\n")
	}
}

// leaks names the secrets that the browser saw, and how many there are.
func (s *spy) leaks() (leaked []string, known int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for value, what := range s.secrets {
		if strings.Contains(s.seen.String(), value) {
			leaked = append(leaked, what)
		}
	}
	return leaked, len(s.secrets)
}
