package introspect_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/debug"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
)

// forgetful answers that every token is active, and keeps nothing.
type forgetful struct{}

func (forgetful) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.WriteString(`{"active":true,"aud":"` + audience + `"}`)
	return w.Result(), nil
}

// flipped returns the text whose bytes are those of s, but for their lowest bit: so that the test
// itself does not hold the token.
func flipped(s []byte) []byte {
	out := bytes.Clone(s)
	for i := range out {
		out[i] ^= 1
	}
	return out
}

// TestNoTokenIsKept looks for a remembered token in all of the process's memory (row I-06).
func TestNoTokenIsKept(t *testing.T) {
	secret := flipped([]byte("a-token-that-is-in-no-cache-0123456789"))
	i, err := introspect.New("https://issuer.example/introspect", basic, introspect.Config{
		Claims: auth.Config{Issuer: issuerURL, Audiences: []string{audience}}, Client: &http.Client{Transport: forgetful{}}, Logger: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	calls := func() {
		if _, err := i.VerifyToken(t.Context(), string(flipped(secret))); err != nil {
			t.Error(err)
		}
	}
	calls()
	kept := string(flipped(secret)) // what the test must be able to find
	if !inMemory(t, secret) {
		t.Fatal("the search does not find what is there")
	}
	runtime.KeepAlive(kept)
	if inMemory(t, secret) {
		t.Error("the token is still in memory")
	}
	calls()
}

// inMemory reports whether the text that secret is flipped from is in a live object.
func inMemory(t *testing.T, secret []byte) bool {
	runtime.GC()
	runtime.GC() // pools lose what they hold at the second
	f, err := os.Create(t.TempDir() + "/heap")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	debug.WriteHeapDump(f.Fd())
	heap, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	for i := range heap {
		heap[i] ^= 1
	}
	return bytes.Contains(heap, secret)
}
