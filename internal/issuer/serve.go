package issuer

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// served is what an issuer answers with, and counts.
type served struct {
	mu            sync.Mutex
	fault         Fault
	keySets       int
	metadataReads int
}

// A Fault is what is wrong with an issuer. The zero Fault is a healthy one.
type Fault struct {
	Status  int           // answered in place of every document
	Delay   time.Duration // before every answer
	Hang    bool          // no answer until the caller gives up
	Drop    bool          // the connection is closed without an answer
	Garbage *string       // in place of the key set
	Alias   string        // in place of the issuer's identifier in its metadata
}

// SetFault changes what is wrong with the issuer. Requests that hang already go on hanging.
func (is *Issuer) SetFault(change func(*Fault)) {
	is.served.mu.Lock()
	defer is.served.mu.Unlock()
	change(&is.served.fault)
}

// Fetches returns how often the key set was asked for, whatever came of it.
func (is *Issuer) Fetches() int {
	is.served.mu.Lock()
	defer is.served.mu.Unlock()
	return is.served.keySets
}

// Discoveries returns how often metadata was asked for, at any of its URLs.
func (is *Issuer) Discoveries() int {
	is.served.mu.Lock()
	defer is.served.mu.Unlock()
	return is.served.metadataReads
}

// ServeHTTP answers one request: the fault first, then the document. It panics with
// http.ErrAbortHandler to drop a connection.
func (is *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	document := is.documentAt(r.URL)
	is.served.mu.Lock()
	switch document {
	case documentKeySet:
		is.served.keySets++
	case documentMetadata:
		is.served.metadataReads++
	}
	f := is.served.fault
	is.served.mu.Unlock()
	if !f.pass(r) {
		return
	}
	switch {
	case f.Drop:
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		http.Error(w, http.StatusText(f.Status), f.Status)
	case document == "":
		http.NotFound(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	case document == documentKeySet && f.Garbage != nil:
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write([]byte(*f.Garbage))
	default:
		is.serveDocument(w, r, document, f)
	}
}

// pass waits as f says, and reports whether the caller is still there.
func (f Fault) pass(r *http.Request) bool {
	if f.Hang {
		<-r.Context().Done()
		return false
	}
	if f.Delay <= 0 {
		return true
	}
	timer := time.NewTimer(f.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

const (
	documentKeySet   = "application/jwk-set+json"
	documentMetadata = "application/json"
)

// documentAt returns which document stands at a URL, or "". Metadata stands where RFC 8414 §3.1 and
// OpenID Connect Discovery §4 put it.
func (is *Issuer) documentAt(at *url.URL) string {
	if is.keySet != "" {
		if u, err := url.Parse(is.keySet); err == nil && at.Path == u.Path && (at.Host == "" || at.Host == u.Host) {
			return documentKeySet
		}
		return ""
	}
	base := ""
	if u, err := url.Parse(is.url); err == nil {
		base = strings.TrimSuffix(u.Path, "/")
	}
	switch at.Path {
	case base + "/jwks.json":
		return documentKeySet
	case "/.well-known/oauth-authorization-server" + base,
		"/.well-known/openid-configuration" + base,
		base + "/.well-known/openid-configuration":
		return documentMetadata
	}
	return ""
}

// serveDocument writes a document with what HTTP caches need.
func (is *Issuer) serveDocument(w http.ResponseWriter, r *http.Request, document string, f Fault) {
	body, err := is.keys.document()
	if document == documentMetadata {
		body, err = is.metadata(f.Alias)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	etag := fmt.Sprintf(`"%x"`, sha256.Sum256(body))
	w.Header().Set("ETag", etag)
	w.Header().Set("Cache-Control", "public, max-age=3600")
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", document)
	_, _ = w.Write(body)
}

// metadata returns the issuer's metadata (RFC 8414 §2), in the name of alias when that is not
// empty.
func (is *Issuer) metadata(alias string) ([]byte, error) {
	name := is.url
	if alias != "" {
		name = alias
	}
	return json.Marshal(map[string]any{
		"issuer":                                name,
		"jwks_uri":                              is.KeySetURL(),
		"authorization_endpoint":                is.base() + "/authorize",
		"token_endpoint":                        is.base() + "/token",
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{is.keys.alg.String()},
	})
}
