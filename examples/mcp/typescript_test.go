package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/bearward/bearward/examples/internal/nodetest"
)

// The client of the TypeScript SDK walks the same way. It registers once, so its second log-in asks
// for a scope beyond those of its first.
func TestTheTypeScriptSDKsClientStepsUp(t *testing.T) {
	w := newWorld(t, newHandler)
	cmd := nodetest.Command(t, "typescript", "walk.mjs", w.api, callback)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, out := must(cmd.StdinPipe()), must(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s", stderr.Bytes())
		}
	})
	lines := bufio.NewScanner(out)
	person := newPerson()
	call := func(tool string) string {
		if tool != "" {
			fmt.Fprintln(in, tool)
		}
		for lines.Scan() {
			var told struct{ URL, Text, Error string }
			if err := json.Unmarshal(lines.Bytes(), &told); err != nil {
				t.Fatalf("%v: %s", err, lines.Bytes())
			}
			if told.URL == "" {
				return told.Text + told.Error
			}
			w.ask(told.URL)
			result, err := logIn(t.Context(), person, w.issuer, told.URL, "")
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(in, result.Code)
		}
		return fmt.Sprintf("it ended: %v", lines.Err())
	}
	for _, tt := range []struct{ tool, want string }{
		{"", "connected"},
		{"list_orders", "orders of alice"},
		{"cancel_order", "cancelled an order of alice"},
		{"list_orders", "orders of alice"},
	} {
		if got := call(tt.tool); got != tt.want {
			t.Fatalf("%s: %q, asked for %q", tt.tool, got, w.asked)
		}
	}
	if want := []string{"read:orders", "read:orders write:orders"}; !slices.Equal(w.asked, want) {
		t.Errorf("asked for %q, want %q", w.asked, want)
	}
}

// newPerson is a browser that stops at the client's callback.
func newPerson() *http.Client {
	return &http.Client{Jar: must(cookiejar.New(nil)), CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

// ask keeps the scopes that a client asks for.
func (w *world) ask(at string) {
	scopes := strings.Fields(must(url.Parse(at)).Query().Get("scope"))
	slices.Sort(scopes) // the client's order is a map's
	w.asked = append(w.asked, strings.Join(scopes, " "))
}
