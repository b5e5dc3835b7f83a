package dev

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/bearward/bearward/internal/fetch"
)

// What a Server serves beside the issuer's documents.
const (
	tokenPath  = "/dev/token"  // POST of a Token
	rotatePath = "/dev/rotate" // POST of {}
)

// aboutDev tells people, and programs that expect an authorization server, what this is. It has the
// characters that RFC 6749 §5.2 allows.
const aboutDev = "this is bearward dev, an issuer without logins and clients: run 'bearward dev token' for a token"

// maxRequestBytes bounds the body of a request.
const maxRequestBytes = 64 << 10

// An answer is what a Server answers.
type answer struct {
	Token string `json:"token,omitempty"`
	KeyID string `json:"key_id,omitempty"`
}

// ServeHTTP answers programs of this machine. A page in a browser of this machine is refused: by
// its Origin, by the type of its body, which asks for a preflight that nothing here answers, and by
// its host, when its name was made to resolve to this machine.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !isLocal(r.Host) { // check: dev-host
		http.Error(w, "this issuer answers under a loopback address alone", http.StatusMisdirectedRequest)
		return
	}
	switch strings.TrimPrefix(s.Base()+r.URL.Path, strings.TrimSuffix(s.URL(), "/")) {
	case "", "/":
		http.Error(w, aboutDev, http.StatusNotFound)
		return
	case "/authorize", "/token":
		s.refuseLogin(w)
		return
	}
	if r.URL.Path != tokenPath && r.URL.Path != rotatePath {
		s.issuer.ServeHTTP(w, r)
		return
	}
	if r.Method != http.MethodPost { // check: dev-method
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "only POST", http.StatusMethodNotAllowed)
		return
	}
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" { // check: dev-origin
		http.Error(w, "tokens are for programs, not for pages", http.StatusForbidden)
		return
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" { // check: dev-content-type
		http.Error(w, "the body must be application/json", http.StatusUnsupportedMediaType)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	s.answer(w, http.MaxBytesReader(w, r.Body, maxRequestBytes), r.URL.Path) // check: dev-body-bound
}

// refuseLogin answers at the endpoints that the metadata must name (RFC 8414 §2): nobody logs in
// here, and no client is registered. The form is that of RFC 6749 §5.2.
func (s *Server) refuseLogin(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": "unsupported_grant_type", "error_description": aboutDev})
}

func (s *Server) answer(w http.ResponseWriter, body io.Reader, path string) {
	var t Token
	dec := json.NewDecoder(body)
	dec.DisallowUnknownFields()
	err := dec.Decode(&t)
	var a answer
	switch {
	case err != nil:
	case path == rotatePath:
		a.KeyID, err = s.rotate()
	default:
		a.Token, err = s.Issue(t)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(a)
}

// isLocal reports whether a Host header names this machine.
func isLocal(host string) bool {
	u, err := url.Parse("http://" + host)
	return err == nil && u.Host == host && fetch.IsLoopback(u.Hostname())
}
