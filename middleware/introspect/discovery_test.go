package introspect_test

import (
	"fmt"
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

// A metadataSite answers GETs with documents by their path, and POSTs as an endpoint does. It is
// safe for concurrent use once it serves.
type metadataSite struct {
	*endpoint
	mu        sync.Mutex
	documents map[string]string
	hang      bool // what has no document does not answer
	gets      atomic.Int32
	endpoints map[string]int // POSTs by host and path
}

func newMetadataSite(documents map[string]string) *metadataSite {
	return &metadataSite{endpoint: newEndpoint(), documents: documents, endpoints: map[string]int{}}
}

func (s *metadataSite) change(documents map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.documents = documents
}

func (s *metadataSite) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost {
		s.mu.Lock()
		s.endpoints[r.URL.Host+r.URL.Path]++
		s.mu.Unlock()
		return s.endpoint.RoundTrip(r)
	}
	s.gets.Add(1)
	s.mu.Lock()
	doc, ok := s.documents[r.URL.Path]
	s.mu.Unlock()
	w := httptest.NewRecorder()
	switch {
	case ok:
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, doc)
	case s.hang:
		<-r.Context().Done()
		return nil, r.Context().Err()
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	return w.Result(), nil
}

func (s *metadataSite) posts() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint(s.endpoints)
}

// discovering is an Introspector whose endpoint is found by the metadata of issuer.
func discovering(t *testing.T, s *metadataSite, issuer string) *introspect.Introspector {
	t.Helper()
	i, err := introspect.New(introspect.FromMetadata, basic, introspect.Config{
		Claims: auth.Config{Issuer: issuer, Audiences: []string{audience}},
		Client: &http.Client{Transport: s}, Logger: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

const (
	oauthMetadata  = "/.well-known/oauth-authorization-server"
	openidMetadata = "/.well-known/openid-configuration"
)

func document(issuer, endpoint string) string {
	return `{"issuer":"` + issuer + `","token_endpoint":"https://issuer.example/token","introspection_endpoint":"` + endpoint + `"}`
}

func TestTheEndpointOfTheMetadata(t *testing.T) {
	const realm = issuerURL + "/realm"
	for name, tt := range map[string]struct {
		issuer, path, document string
		want                   string // the POSTs; empty: none, and the token is not judged
	}{
		"OAuth":                {issuerURL, oauthMetadata, document(issuerURL, issuerURL+"/ask"), "map[issuer.example/ask:1]"},
		"OpenID Connect":       {issuerURL, openidMetadata, document(issuerURL, issuerURL+"/ask"), "map[issuer.example/ask:1]"},
		"a path, inserted":     {realm, oauthMetadata + "/realm", document(realm, issuerURL+"/ask"), "map[issuer.example/ask:1]"},
		"a path, appended":     {realm, "/realm" + openidMetadata, document(realm, issuerURL+"/ask"), "map[issuer.example/ask:1]"},
		"on another host":      {issuerURL, oauthMetadata, document(issuerURL, "https://ask.example/"), "map[ask.example/:1]"},
		"another issuer":       {issuerURL, oauthMetadata, document("https://other.example", issuerURL+"/ask"), ""},
		"no issuer":            {issuerURL, oauthMetadata, `{"introspection_endpoint":"https://issuer.example/ask"}`, ""},
		"no endpoint":          {issuerURL, oauthMetadata, `{"issuer":"https://issuer.example"}`, ""},
		"the endpoint twice":   {issuerURL, oauthMetadata, `{"issuer":"https://issuer.example","introspection_endpoint":"https://issuer.example/a","introspection_endpoint":"https://issuer.example/b"}`, ""},
		"in clear":             {issuerURL, oauthMetadata, document(issuerURL, "http://127.0.0.1/ask"), ""},
		"with a password":      {issuerURL, oauthMetadata, document(issuerURL, "https://a:b@issuer.example/ask"), ""},
		"http leads elsewhere": {"http://127.0.0.1", oauthMetadata, document("http://127.0.0.1", "https://issuer.example/ask"), ""},
		"HTML":                 {issuerURL, oauthMetadata, "<html>", ""},
		"too long":             {issuerURL, oauthMetadata, strings.TrimSuffix(document(issuerURL, issuerURL+"/ask"), "}") + `,"x":"` + strings.Repeat("x", 300<<10) + `"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newMetadataSite(map[string]string{tt.path: tt.document})
			s.give(opaque, map[string]any{"iss": tt.issuer})
			i := discovering(t, s, tt.issuer)
			reason := auth.Reason("")
			if tt.want == "" {
				reason, tt.want = auth.ReasonUnavailable, "map[]"
			}
			want(t, i, opaque, reason)
			if got := s.posts(); got != tt.want {
				t.Errorf("asked %s, want %s", got, tt.want)
			}
			if (i.Ready() == nil) != (reason == "") {
				t.Errorf("ready: %v", i.Ready())
			}
		})
	}
}

func TestOneCallerLooksTheEndpointUp(t *testing.T) {
	simulated(t, func(t *testing.T) {
		s := newMetadataSite(map[string]string{oauthMetadata: document(issuerURL, issuerURL+"/ask")})
		i := discovering(t, s, issuerURL)
		var wait sync.WaitGroup
		for n := range 40 {
			wait.Go(func() { want(t, i, fmt.Sprint("token-", n), auth.ReasonTokenInactive) })
		}
		wait.Wait()
		if got := s.gets.Load(); got != 1 {
			t.Errorf("the metadata were read %d times", got)
		}
	})
}

// A form that hangs keeps no other from being asked.
func TestTheEndpointIsFoundBehindAFormThatHangs(t *testing.T) {
	simulated(t, func(t *testing.T) {
		s := newMetadataSite(map[string]string{openidMetadata: document(issuerURL, issuerURL+"/ask")})
		s.hang = true
		s.give(opaque, nil)
		i := discovering(t, s, issuerURL)
		before := time.Now()
		want(t, i, opaque, "")
		if waited := time.Since(before); waited > 2*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestAnEndpointThatMoves(t *testing.T) {
	simulated(t, func(t *testing.T) {
		s := newMetadataSite(map[string]string{oauthMetadata: document(issuerURL, issuerURL+"/old")})
		s.give(opaque, nil)
		i := discovering(t, s, issuerURL)
		want(t, i, opaque, "")
		s.set(func(e *endpoint) { e.answer = status(404, "") })
		want(t, i, "another", auth.ReasonUnavailable)
		s.change(nil) // the metadata cannot be had: the endpoint stays what it was
		time.Sleep(time.Second)
		want(t, i, "another", auth.ReasonUnavailable)
		s.change(map[string]string{oauthMetadata: document(issuerURL, issuerURL+"/new")})
		s.set(func(e *endpoint) { e.answer = nil })
		time.Sleep(time.Second)
		want(t, i, "another", auth.ReasonTokenInactive)
		if got := s.posts(); got != "map[issuer.example/new:1 issuer.example/old:3]" {
			t.Errorf("asked %s", got)
		}
		synctest.Wait()
	})
}

func TestTheIssuerOfMetadataIsAURL(t *testing.T) {
	for _, issuer := range []string{"shop", "http://issuer.example"} {
		_, err := introspect.New(introspect.FromMetadata, basic, introspect.Config{Claims: auth.Config{Issuer: issuer, Audiences: []string{audience}}})
		if err == nil || !strings.Contains(err.Error(), "Issuer") {
			t.Errorf("%s: %v", issuer, err)
		}
	}
}
