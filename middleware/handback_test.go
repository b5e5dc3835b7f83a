package auth_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// upload sends a form whose file does not fit in the memory that the handlers below allow.
func upload(t *testing.T, s *httptest.Server, token string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("file", "upload.bin")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = file.Write(make([]byte, 12<<20))
	_ = form.Close()
	r, err := http.NewRequest("POST", s.URL+"/orders", &body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := s.Client().Do(r)
	if err != nil {
		return // the handler panicked
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

func TestUploadsLeaveNoFiles(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(nil)
	for name, then := range map[string]func(){"returns": func() {}, "panics": func() { panic(http.ErrAbortHandler) }} {
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := r.ParseMultipartForm(1 << 10); err != nil {
				t.Error(err)
			}
			if entries, _ := os.ReadDir(os.TempDir()); len(entries) == 0 {
				t.Error("the form fits in memory: nothing is tested")
			}
			then()
		})
		mux := http.NewServeMux()
		mux.Handle("POST /orders", handler)
		for kind, h := range map[string]http.Handler{
			"at the route": guard.Require("write")(handler), "in front of a ServeMux": guard.Require("write")(mux),
			"twice": guard.Require("write")(guard.Enforce(auth.AnyToken())(mux)), "with UntilExpiry": guard.Require("write")(auth.UntilExpiry(handler)),
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				dir := t.TempDir()
				t.Setenv("TMPDIR", dir)
				s := httptest.NewUnstartedServer(h)
				s.EnableHTTP2 = true // HTTP/1 removes nothing after a panic, HTTP/2 does
				s.StartTLS()
				upload(t, s, issuer.Token("write"))
				s.Close() // waits for the handlers
				if entries, _ := os.ReadDir(dir); len(entries) != 0 {
					t.Errorf("%d temporary files are left", len(entries))
				}
			})
		}
	}
}

func TestThePatternIsSeenInFront(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(_ http.ResponseWriter, r *http.Request) { _ = r.ParseForm() })
	h := issuer.Guard(nil).Require("read")(mux)
	r := httptest.NewRequest("GET", "/orders/7?page=2", nil)
	r.Header.Set("Authorization", "Bearer "+issuer.Token("read"))
	h.ServeHTTP(httptest.NewRecorder(), r)
	if r.Pattern != "GET /orders/{id}" || r.Form.Get("page") != "2" {
		t.Errorf("in front of the guard: pattern %q, form %v", r.Pattern, r.Form)
	}
	if _, ok := auth.PrincipalFrom(r.Context()); ok {
		t.Error("the request in front carries the Principal")
	}
}

func TestW10_UntilExpiryEndsWithTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		guard := issuer.Guard(nil)
		for name, ends := range map[string]bool{"a token": true, "no token": false} {
			ended := false
			h := guard.Enforce(auth.Optional())(auth.UntilExpiry(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				begin := time.Now()
				select {
				case <-r.Context().Done():
					var e *auth.Error
					if took := time.Since(begin); took != 90*time.Second || !errors.As(context.Cause(r.Context()), &e) || e.Reason != auth.ReasonTokenExpired {
						t.Errorf("%s: ended after %v with %v, want at the expiry and the leeway", name, took, context.Cause(r.Context()))
					}
					ended = true
				case <-time.After(time.Hour):
				}
			})))
			r := httptest.NewRequest("GET", "/", nil)
			if ends {
				r.Header.Set("Authorization", "Bearer "+issuer.Token("read", authtest.Claims{"exp": time.Now().Add(time.Minute).Unix()}))
			}
			h.ServeHTTP(httptest.NewRecorder(), r)
			if ended != ends {
				t.Errorf("%s: ended %v", name, ended)
			}
		}
	})
}
