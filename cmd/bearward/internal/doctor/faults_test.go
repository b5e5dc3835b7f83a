package doctor_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/bearward/bearward/cmd/bearward/internal/doctor"
)

// A faulty case is one thing that is wrong, and every finding that comes of it: nothing else is
// found.
type faulty struct {
	name string
	want []string // sorted
	lab  func(l *lab)
}

// at answers at one path of the issuer.
func at(path string, answer http.HandlerFunc) func(*lab) {
	return func(l *lab) {
		l.answer = func(w http.ResponseWriter, r *http.Request) bool {
			if path != "" && !strings.HasSuffix(r.URL.Path, path) {
				return false
			}
			answer(w, r)
			return true
		}
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, http.StatusText(code), code) }
}

func body(contentType, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("ETag", `"1"`)
		_, _ = w.Write([]byte(text))
	}
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
}

// member changes one member of the metadata; nil takes it away.
func member(name string, value any) func(*lab) {
	return func(l *lab) {
		l.metadata = func(_ string, m map[string]any) {
			if m[name] = value; value == nil {
				delete(m, name)
			}
		}
	}
}

// key adds a key to the set.
func key(members map[string]any) func(*lab) {
	return func(l *lab) {
		l.keys = func(keys []map[string]any) []map[string]any { return append(keys, members) }
	}
}

// first changes the first key of the set.
func first(change func(k map[string]any)) func(*lab) {
	return func(l *lab) {
		l.keys = func(keys []map[string]any) []map[string]any {
			change(keys[0])
			return keys
		}
	}
}

func header(name, value string) func(*lab) {
	return func(l *lab) {
		l.header = func(h http.Header) {
			if h[name] = []string{value}; value == "" {
				h[name] = nil
			}
		}
	}
}

// mcp makes the issuer what clients of MCP need, changed so.
func mcp(change func(m map[string]any)) func(*lab) {
	return func(l *lab) {
		l.metadata = func(_ string, m map[string]any) {
			m["code_challenge_methods_supported"] = []string{"S256"}
			m["registration_endpoint"] = m["token_endpoint"]
			m["token_endpoint_auth_methods_supported"] = []string{"none"}
			change(m)
		}
		l.options = func(o *doctor.Options) { o.MCP = true }
	}
}

// api answers at one path of the API.
func api(path string, answer func(w http.ResponseWriter, r *http.Request) bool) func(*lab) {
	return func(l *lab) {
		l.api = func(w http.ResponseWriter, r *http.Request) bool { return r.URL.Path == path && answer(w, r) }
	}
}

func always(h http.HandlerFunc) func(w http.ResponseWriter, r *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		h(w, r)
		return true
	}
}

func challenge(field string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if field != "" {
			w.Header().Set("WWW-Authenticate", field)
		}
		w.WriteHeader(http.StatusUnauthorized)
	}
}

const documentPath = "/.well-known/oauth-protected-resource"

// document serves an API's document, changed so.
func document(format, contentType string, cors bool) func(*lab) {
	return func(l *lab) {
		l.api = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != documentPath {
				return false
			}
			if cors {
				w.Header().Set("Access-Control-Allow-Origin", "*")
			}
			w.Header().Set("Content-Type", contentType)
			text := strings.NewReplacer("API", "https://"+l.apiServer.Listener.Addr().String(), "ISSUER", l.is.URL()).Replace(format)
			_, _ = w.Write([]byte(text))
			return true
		}
	}
}

const goodDocument = `{"resource":"API","authorization_servers":["ISSUER"]}`

var b64 = base64.RawURLEncoding.EncodeToString

// modulus is a number of so many bits that is odd.
func modulus(bits uint) string {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	return b64(n.SetBit(n, 0, 1).Bytes())
}

var faults = []faulty{
	{"connections are closed", []string{"ISSUER_UNREACHABLE"}, at("", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })},
	{"the key set's connections are closed", []string{"ISSUER_UNREACHABLE"}, at("/jwks.json", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })},
	{"503 everywhere", []string{"ISSUER_FAILING"}, at("", status(503))},
	{"429 at the key set", []string{"ISSUER_FAILING"}, at("/jwks.json", status(429))},
	{"an unknown authority", []string{"CERTIFICATE_REFUSED"}, func(l *lab) {
		l.options = func(o *doctor.Options) { o.Transport = &http.Transport{} }
	}},
	{"the certificate ends tomorrow", []string{"CERTIFICATE_ENDS_SOON"}, func(l *lab) {
		l.options = func(o *doctor.Options) {
			certificate, pool := certificateUntil(time.Now().Add(24 * time.Hour))
			l.issuer.TLS.Certificates = []tls.Certificate{certificate}
			o.Transport.TLSClientConfig.RootCAs = pool
		}
	}},
	{"plain http beyond loopback", []string{"HTTP_WITHOUT_TLS"}, func(l *lab) {
		l.plain = true
		l.metadata = func(_ string, m map[string]any) {
			m["issuer"], m["jwks_uri"] = "http://issuer.example.com", "http://issuer.example.com/jwks.json"
			delete(m, "authorization_endpoint")
			delete(m, "token_endpoint")
		}
		l.options = func(o *doctor.Options) { o.Issuer, o.AllowHTTP = "http://issuer.example.com", true }
	}},
	{"the clock is behind", []string{"CLOCK_APART"}, func(l *lab) {
		l.header = func(h http.Header) { h.Set("Date", time.Now().Add(-2*time.Minute).UTC().Format(http.TimeFormat)) }
	}},
	{"the clock is ahead", []string{"CLOCK_APART"}, func(l *lab) {
		l.header = func(h http.Header) { h.Set("Date", time.Now().Add(2*time.Minute).UTC().Format(http.TimeFormat)) }
	}},

	{"404 everywhere", []string{"METADATA_MISSING"}, at("", status(404))},
	{"a web application answers everything", []string{"METADATA_MISSING", "METADATA_NOT_JSON"}, at("", body("text/html", "<!doctype html>"))},
	{"a web application answers the first form", []string{"METADATA_NOT_JSON"}, at("/oauth-authorization-server", body("text/html", "<!doctype html>"))},
	{"a trailing slash", []string{"ISSUER_MISMATCH"}, func(l *lab) {
		l.metadata = func(_ string, m map[string]any) { m["issuer"] = l.is.URL() + "/" }
	}},
	{"another issuer", []string{"ISSUER_MISMATCH"}, member("issuer", "https://other.example")},
	{"a key set over http", []string{"KEY_SET_URL_REFUSED"}, member("jwks_uri", "http://issuer.example/jwks.json")},
	{"a key set in a file", []string{"KEY_SET_URL_REFUSED"}, member("jwks_uri", "file:///etc/passwd")},
	{"no key set", []string{"KEY_SET_URL_REFUSED"}, member("jwks_uri", nil)},
	{"one form names another issuer", []string{"FORMS_DISAGREE"}, func(l *lab) {
		l.metadata = func(path string, m map[string]any) {
			if strings.HasSuffix(path, "/openid-configuration") {
				m["issuer"] = "https://other.example"
			}
		}
	}},
	{"one form names another key set", []string{"FORMS_DISAGREE"}, func(l *lab) {
		l.metadata = func(path string, m map[string]any) {
			if strings.HasSuffix(path, "/openid-configuration") {
				m["jwks_uri"] = l.is.URL() + "/old.json"
			}
		}
	}},
	{"an endpoint over http", []string{"ENDPOINT_REFUSED"}, member("token_endpoint", "http://issuer.example/token")},
	{"HMAC alone", []string{"ALGORITHMS_UNKNOWN"}, member("id_token_signing_alg_values_supported", []string{"HS256", "none"})},
	{"a form redirects on its host", []string{"REDIRECTED"}, at("/oauth-authorization-server", redirect("/.well-known/openid-configuration"))},
	{"a form redirects to a login page elsewhere", []string{"REDIRECTED"}, at("/oauth-authorization-server", redirect("https://login.example/"))},
	{"all redirects to http", []string{"METADATA_MISSING", "REDIRECT_TO_HTTP"}, at("", redirect("http://issuer.example/"))},
	{"the key set redirects to another host", []string{"KEY_SET_NOT_SERVED", "REDIRECT_LEAVES_HOST"}, at("/jwks.json", redirect("https://keys.example.com/"))},
	{"the key set redirects to a file", []string{"KEY_SET_NOT_SERVED", "REDIRECT_LEAVES_HOST"}, at("/jwks.json", redirect("file:///etc/passwd"))},
	{"the key set redirects to itself", []string{"KEY_SET_NOT_SERVED", "REDIRECT_CHAIN"}, at("/jwks.json", redirect("/jwks.json"))},

	{"the key set asks for a password", []string{"KEY_SET_NOT_SERVED"}, at("/jwks.json", status(401))},
	{"the key set is HTML", []string{"CONTENT_TYPE", "KEY_SET_UNREADABLE"}, at("/jwks.json", body("text/html", "<html>"))},
	{"the key set has no keys", []string{"KEY_SET_UNREADABLE"}, at("/jwks.json", body("application/json", "{}"))},
	{"a huge key set", []string{"DOCUMENT_TOO_LARGE"}, at("/jwks.json", body("application/json", `{"keys":[],"x":"`+strings.Repeat("x", 600<<10)+`"}`))},
	{"a huge document of metadata", []string{"DOCUMENT_TOO_LARGE"}, at("", body("application/json", `{"x":"`+strings.Repeat("x", 600<<10)+`"}`))},
	{"1,001 keys", []string{"TOO_MANY_KEYS"}, at("/jwks.json", body("application/json", `{"keys":[{}`+strings.Repeat(",{}", 1000)+`]}`))},
	{"no key for signatures", []string{"KEY_TYPE", "NO_USABLE_KEY"}, at("/jwks.json", body("application/json", `{"keys":[{"kty":"AKP","kid":"new"}]}`))},
	{"an empty set", []string{"NO_USABLE_KEY"}, at("/jwks.json", body("application/json", `{"keys":[]}`))},
	{"the cache alone gets no keys", []string{"KEYS_NOT_FETCHED"}, func(l *lab) {
		l.answer = func(w http.ResponseWriter, r *http.Request) bool { // the cache asks first
			bad := strings.HasSuffix(r.URL.Path, "/jwks.json") && l.sets.Load() == 1
			if bad {
				w.WriteHeader(http.StatusTeapot)
			}
			return bad
		}
	}},
	{"a private key", []string{"PRIVATE_KEY_PUBLISHED"}, first(func(k map[string]any) { k["d"] = "c2VjcmV0IHNlY3JldCBzZWNyZXQ" })},
	{"a secret", []string{"SYMMETRIC_KEY_PUBLISHED"}, key(map[string]any{"kty": "oct", "kid": "hmac", "k": "c2VjcmV0IHNlY3JldCBzZWNyZXQ"})},
	{"a key of the Infineon library", []string{"KEY_WEAK"}, key(map[string]any{
		"kty": "RSA", "kid": "roca", "e": "AQAB", "n": b64(new(big.Int).Exp(big.NewInt(65537), big.NewInt(129), nil).Bytes()),
	})},
	{"an RSA key of 1024 bits", []string{"KEY_SIZE"}, key(map[string]any{"kty": "RSA", "kid": "short", "e": "AQAB", "n": modulus(1024)})},
	{"an RSA key without a modulus", []string{"KEY_MALFORMED"}, key(map[string]any{"kty": "RSA", "kid": "none", "e": "AQAB"})},
	{"a key of another curve", []string{"KEY_TYPE"}, key(map[string]any{"kty": "EC", "kid": "k", "crv": "secp256k1", "x": "AA", "y": "AA"})},
	{"a key for another algorithm", []string{"KEY_ALGORITHM"}, key(map[string]any{"kty": "RSA", "kid": "k", "alg": "ES256", "e": "AQAB", "n": modulus(2048)})},
	{"a key for encryption", []string{"KEY_NOT_FOR_SIGNATURES"}, key(map[string]any{"kty": "RSA", "kid": "enc", "use": "enc", "e": "AQAB", "n": modulus(2048)})},
	{"a key twice", []string{"KEY_REPEATED"}, func(l *lab) {
		l.keys = func(keys []map[string]any) []map[string]any { return append(keys, keys[0]) }
	}},
	{"two keys of one ID", []string{"KEY_ID_SHARED"}, func(l *lab) {
		l.keys = func(keys []map[string]any) []map[string]any {
			keys[1]["kid"] = keys[0]["kid"]
			return keys
		}
	}},
	{"a key without an ID", []string{"KEY_WITHOUT_ID"}, first(func(k map[string]any) { delete(k, "kid") })},
	{"an RSA key without an algorithm", []string{"KEY_WITHOUT_ALGORITHM"}, key(map[string]any{"kty": "RSA", "kid": "rsa", "e": "AQAB", "n": modulus(2048)})},
	{"the key set is on another host", []string{"KEY_SET_ELSEWHERE"}, member("jwks_uri", "https://example.com/jwks.json")},

	{"documents are plain text", []string{"CONTENT_TYPE"}, header("Content-Type", "text/plain")},
	{"documents have no type", []string{"CONTENT_TYPE"}, header("Content-Type", "")},
	{"no-store", []string{"NOT_CACHEABLE"}, header("Cache-Control", "no-store")},
	{"max-age of a month", []string{"CACHED_LONG"}, header("Cache-Control", "max-age=2592000")},
	{"a copy of an hour ago", []string{"SERVED_OLD"}, func(l *lab) {
		l.header = func(h http.Header) {
			h.Set("Age", "3600")
			h.Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		}
	}},
	{"a copy that is past its life", []string{"SERVED_STALE"}, func(l *lab) {
		l.header = func(h http.Header) {
			h.Set("Age", "7200")
			h.Set("Cache-Control", "max-age=3600")
			h.Set("Date", time.Now().Add(-2*time.Hour).UTC().Format(http.TimeFormat))
		}
	}},
	{"a large set without an ETag", []string{"NO_ETAG"}, func(l *lab) {
		header("Etag", "")(l)
		first(func(k map[string]any) { k["x5c"] = []string{strings.Repeat("x", 40<<10)} })(l)
	}},
	{"replicas have their own keys", []string{"REPLICAS_DIFFER"}, func(l *lab) {
		l.keys = func(keys []map[string]any) []map[string]any { return keys[l.sets.Load()%2:] }
	}},
	{"some replicas serve no keys", []string{"REPLICAS_DIFFER"}, func(l *lab) {
		l.answer = func(w http.ResponseWriter, r *http.Request) bool {
			bad := strings.HasSuffix(r.URL.Path, "/jwks.json") && l.sets.Load() == 4
			if bad {
				body("application/json", "{}")(w, r)
			}
			return bad
		}
	}},
	{"replicas have their own metadata", []string{"METADATA_DIFFERS"}, func(l *lab) {
		l.metadata = func(_ string, m map[string]any) { m["version"] = l.metas.Load() }
	}},
	{"some replicas have no metadata", []string{"METADATA_DIFFERS"}, func(l *lab) {
		l.answer = func(w http.ResponseWriter, r *http.Request) bool {
			bad := l.metas.Load() == 5 // 2 forms, the cache's one, the first try, this one
			if bad {
				body("application/json", "[]")(w, r)
			}
			return bad
		}
	}},
	{"some replicas fail", []string{"REPLICA_FAILS"}, func(l *lab) {
		l.answer = func(w http.ResponseWriter, r *http.Request) bool {
			bad := strings.HasSuffix(r.URL.Path, "/jwks.json") && l.sets.Load() == 4
			if bad {
				status(503)(w, r)
			}
			return bad
		}
	}},

	{"metadata where clients of MCP do not look", []string{"MCP_METADATA_NOT_FOUND"}, func(l *lab) {
		mcp(func(map[string]any) {})(l)
		l.path = "/tenant"
		l.answer = func(w http.ResponseWriter, r *http.Request) bool {
			switch r.URL.Path {
			case "/tenant/jwks.json":
				return false
			case "/tenant/.well-known/oauth-authorization-server":
				r.URL.Path = "/tenant/.well-known/openid-configuration" // which the embedded issuer has
				return false
			}
			http.NotFound(w, r)
			return true
		}
	}},
	{"no token endpoint", []string{"MCP_NO_ENDPOINTS"}, mcp(func(m map[string]any) { delete(m, "token_endpoint") })},
	{"the implicit flow alone", []string{"MCP_NO_CODE_FLOW"}, mcp(func(m map[string]any) { m["response_types_supported"] = []string{"token"} })},
	{"client credentials alone", []string{"MCP_NO_CODE_FLOW"}, mcp(func(m map[string]any) { m["grant_types_supported"] = []string{"client_credentials"} })},
	{"plain PKCE", []string{"MCP_NO_PKCE"}, mcp(func(m map[string]any) { m["code_challenge_methods_supported"] = []string{"plain"} })},
	{"no registration", []string{"MCP_NO_REGISTRATION"}, mcp(func(m map[string]any) { delete(m, "registration_endpoint") })},
	{"clients with secrets alone", []string{"MCP_NO_PUBLIC_CLIENTS"}, mcp(func(m map[string]any) {
		m["token_endpoint_auth_methods_supported"] = []string{"client_secret_basic"}
	})},

	{"the API closes connections", []string{"API_UNREACHABLE"}, api("/orders", func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })},
	{"the API fails", []string{"API_FAILING"}, api("/orders", always(status(502)))},
	{"an open operation", []string{"API_OPEN"}, api("/orders", always(body("application/json", "[]")))},
	{"an open operation with a long answer", []string{"API_OPEN"}, api("/orders", always(body("text/csv", strings.Repeat("order,", 200<<10))))},
	{"an open stream", []string{"API_OPEN"}, api("/orders", func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = w.Write([]byte("data: order\n\n"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})},
	{"signatures are not verified", []string{"API_TAKES_FORGED_TOKENS"}, api("/orders", func(w http.ResponseWriter, r *http.Request) bool {
		return strings.Count(r.Header.Get("Authorization"), ".") == 2 && !strings.HasSuffix(r.Header.Get("Authorization"), ".")
	})},
	{"unsigned tokens are taken", []string{"API_TAKES_FORGED_TOKENS"}, api("/orders", func(w http.ResponseWriter, r *http.Request) bool {
		return strings.HasSuffix(r.Header.Get("Authorization"), ".")
	})},
	{"the API fails on tokens", []string{"API_FAILS_ON_TOKENS"}, api("/orders", func(w http.ResponseWriter, r *http.Request) bool {
		bad := r.Header.Get("Authorization") != ""
		if bad {
			status(503)(w, r)
		}
		return bad
	})},
	{"tokens come back in the body", []string{"API_REPEATS_TOKENS"}, api("/orders", func(w http.ResponseWriter, r *http.Request) bool {
		token := r.Header.Get("Authorization")
		if token != "" {
			challenge(`Bearer error="invalid_token"`)(w, r)
			fmt.Fprintf(w, "bad: %s", token)
		}
		return token != ""
	})},
	{"tokens come back in a field", []string{"API_REPEATS_TOKENS"}, api("/orders", func(w http.ResponseWriter, r *http.Request) bool {
		token := r.Header.Get("Authorization")
		if token != "" {
			challenge(fmt.Sprintf(`Bearer error_description="%s"`, token))(w, r)
		}
		return token != ""
	})},
	{"no such operation", []string{"API_OPERATION_UNKNOWN"}, api("/orders", always(status(404)))},
	{"no operation is named", []string{"API_OPERATION_UNKNOWN"}, func(l *lab) {
		api("", always(status(200)))(l)
		l.options = func(o *doctor.Options) { o.Operation = "" }
	}},
	{"a login page", []string{"API_REDIRECTS"}, api("/orders", always(redirect("https://login.example/")))},
	{"a login page for bad tokens", []string{"API_REDIRECTS"}, api("/orders", func(w http.ResponseWriter, r *http.Request) bool {
		bad := r.Header.Get("Authorization") != ""
		if bad {
			redirect("https://login.example/")(w, r)
		}
		return bad
	})},
	{"403 without a token", []string{"API_STATUS"}, api("/orders", always(status(403)))},
	{"403 for a bad token", []string{"API_STATUS"}, api("/orders", func(w http.ResponseWriter, r *http.Request) bool {
		bad := r.Header.Get("Authorization") != ""
		if bad {
			status(403)(w, r)
		}
		return bad
	})},
	{"a page of HTML", []string{"API_HTML", "API_NO_CHALLENGE"}, api("/orders", always(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		challenge("")(w, r)
	}))},
	{"no challenge", []string{"API_NO_CHALLENGE"}, api("/orders", always(challenge("")))},
	{"a challenge of another scheme", []string{"API_NO_CHALLENGE"}, api("/orders", always(challenge(`Basic realm="Bearer, please"`)))},
	{"an error without a token", []string{"API_CHALLENGE_ERROR", "API_CHALLENGE_METADATA"}, api("/orders", always(challenge(`Bearer realm="a, b", error="invalid_token"`)))},
	{"no resource_metadata", []string{"API_CHALLENGE_METADATA"}, api("/orders", always(challenge("Bearer")))},
	{"another resource_metadata", []string{"API_CHALLENGE_ELSEWHERE"}, api("/orders", always(challenge(`DPoP algs="ES256", resource_metadata="https://other.example/"`)))},
	{"no document", []string{"API_METADATA_MISSING"}, api(documentPath, always(status(404)))},
	{"the document asks for a token", []string{"API_METADATA_MISSING"}, api(documentPath, always(challenge("Bearer")))},
	{"the document redirects", []string{"API_METADATA_MISSING"}, api(documentPath, always(redirect("/other")))},
	{"another resource", []string{"API_METADATA_RESOURCE"}, document(`{"resource":"API/","authorization_servers":["ISSUER"]}`, "application/json", true)},
	{"the document names another issuer", []string{"API_METADATA_ISSUER"}, document(`{"resource":"API","authorization_servers":["ISSUER/"]}`, "application/json", true)},
	{"the document names no issuer", []string{"API_METADATA_ISSUER"}, document(`{"resource":"API"}`, "application/json", true)},
	{"the document is for no browser", []string{"API_METADATA_CORS"}, document(goodDocument, "application/json", false)},
	{"the document is plain text", []string{"CONTENT_TYPE"}, document(goodDocument, "text/plain", true)},
}

// certificateUntil returns a certificate of a server on loopback that was made a year ago, and a
// pool that trusts it.
func certificateUntil(end time.Time) (tls.Certificate, *x509.CertPool) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: end.AddDate(-1, 0, 0), NotAfter: end,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"example.com", "*.example.com"}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, pool
}
