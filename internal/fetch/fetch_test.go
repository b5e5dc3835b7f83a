package fetch_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/internal/fetch"
)

// server answers with h on loopback until the test ends.
func server(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func client(t *testing.T, o fetch.Options) *fetch.Client {
	o.DialTimeout = 5 * time.Second
	c := fetch.New(o)
	t.Cleanup(c.Close)
	return c
}

func TestPostSendsItsFormAndReadsTheStatusesItAskedFor(t *testing.T) {
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != "POST" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		w.Write(append([]byte("got "), body...))
	})
	r := fetch.Request{
		Method: "POST", URL: url, Body: []byte("token=x"), MaxBytes: 100,
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
	}
	c := client(t, fetch.Options{})
	var status *fetch.StatusError
	if _, err := c.Do(t.Context(), r); !errors.As(err, &status) || status.Code != 400 {
		t.Errorf("got %v, want the status as an error: nobody asked for 400", err)
	}
	r.Statuses = []int{400}
	if a, err := c.Do(t.Context(), r); err != nil || a.Status != 400 || string(a.Body) != "got token=x" {
		t.Errorf("got %d %q, %v", a.Status, a.Body, err)
	}
	r.MaxBytes = 5
	if _, err := c.Do(t.Context(), r); !errors.Is(err, fetch.ErrTooLong) {
		t.Errorf("got %v, want an answer of another status bounded too", err)
	}
}

// Partial is for answers of which the beginning tells enough.
func TestPartialTakesWhatWasRead(t *testing.T) {
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "0123456789")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	c := client(t, fetch.Options{})
	for most, want := range map[int]string{5: "01234", 100: "0123456789"} {
		a, err := c.Do(t.Context(), fetch.Request{URL: url, MaxBytes: most, Partial: true})
		if err != nil || a.Status != 200 || string(a.Body) != want {
			t.Errorf("%d bytes: got %d %q, %v", most, a.Status, a.Body, err)
		}
		if _, err := c.Do(t.Context(), fetch.Request{URL: url, MaxBytes: most}); err == nil {
			t.Errorf("%d bytes: no error without Partial", most)
		}
	}
}

// Credentials that are posted are for one URL alone, although a redirect with 307 would send them
// again.
func TestPostFollowsNoRedirect(t *testing.T) {
	asked := 0
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	c := client(t, fetch.Options{SameHostRedirects: true})
	_, err := c.Do(t.Context(), fetch.Request{Method: "POST", URL: url, Body: []byte("secret"), MaxBytes: 100})
	var status *fetch.StatusError
	if !errors.As(err, &status) || status.Code != 307 || asked != 1 {
		t.Errorf("got %v after %d requests, want the redirect as it is", err, asked)
	}
}

func TestNoErrorRepeatsTheURL(t *testing.T) {
	c := client(t, fetch.Options{})
	for _, url := range []string{"http://127.0.0.1:1/?key=sesame", "http://bob:sesame@127.0.0.1:1/", "http://[::1]:1/sesame", "http://sesame\n/"} {
		if _, err := c.Do(t.Context(), fetch.Request{URL: url, MaxBytes: 1}); err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%q: %v", url, err)
		}
	}
}
