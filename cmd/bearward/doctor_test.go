package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/bearward/bearward/internal/issuer"
	auth "github.com/bearward/bearward/middleware"
)

// startIssuer serves an issuer, changed so.
func startIssuer(t *testing.T, change func(w http.ResponseWriter, r *http.Request) bool) string {
	t.Helper()
	var is *issuer.Issuer
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !change(w, r) {
			is.ServeHTTP(w, r)
		}
	}))
	var err error
	if is, err = issuer.New(issuer.Options{URL: "http://" + server.Listener.Addr().String(), Algorithm: auth.ES256}); err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
	return is.URL()
}

func healthy(http.ResponseWriter, *http.Request) bool { return false }

// noStore has the key set not cached, which is worth a note.
func noStore(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != "/jwks.json" {
		return false
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain") // which is worth a warning
	w.Header().Set("ETag", `"1"`)
	_, _ = w.Write([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	return true
}

func answers(code int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(code)
		return true
	}
}

func TestDoctorExitCodes(t *testing.T) {
	good, warned := startIssuer(t, healthy), startIssuer(t, noStore)
	missing, failing := startIssuer(t, answers(404)), startIssuer(t, answers(503))
	for name, tt := range map[string]struct {
		args []string
		want int
	}{
		"healthy":            {[]string{good}, exitGood},
		"healthy, strict":    {[]string{"-strict", good}, exitGood},
		"flags come after":   {[]string{good, "-strict"}, exitGood},
		"a warning":          {[]string{warned}, exitGood},
		"a warning, strict":  {[]string{"-strict", warned}, exitBad},
		"a fault":            {[]string{missing}, exitBad},
		"what is not told":   {[]string{failing}, exitOpen},
		"the same, strict":   {[]string{"-strict", failing}, exitOpen},
		"help":               {[]string{"-h"}, exitGood},
		"no argument":        {nil, exitUsage},
		"two issuers":        {[]string{good, good}, exitUsage},
		"no URL":             {[]string{"issuer"}, exitUsage},
		"an unknown flag":    {[]string{"-x", good}, exitUsage},
		"a time of no sense": {[]string{"-timeout", "1h", good}, exitUsage},
		"no API for MCP":     {[]string{"-api-operation", "/x", good}, exitUsage},
	} {
		out, err, code := bearward(t, "", append([]string{"doctor"}, tt.args...)...)
		if code != tt.want {
			t.Errorf("%s: exit code %d, want %d\n%s%s", name, code, tt.want, out, err)
		}
		if isError := code == exitUsage; isError == (err == "") || isError != (out == "") {
			t.Errorf("%s: exit code %d, %q, %q", name, code, out, err)
		}
	}
}

func TestDoctorWritesForPeople(t *testing.T) {
	issuer := startIssuer(t, noStore)
	want := `metadata         ISSUER/.well-known/oauth-authorization-server
endpoints        authorization, token
key set          ISSUER/jwks.json: 114 bytes
caching          Cache-Control "no-store", ETag
keys             1 used, 0 left out: "k" EdDSA
replicas         8 new connections, to 1 address

! warning  CONTENT_TYPE  ISSUER/jwks.json
   It is sent as "text/plain".
   This module reads it all the same. Other software does not.
   → issuer: Send application/json, or application/jwk-set+json for a key set
     (RFC 8414 §3.2, RFC 7517 §8.5, RFC 9728 §3.2).

· note     NOT_CACHEABLE  ISSUER/jwks.json
   Cache-Control is "no-store".
   Each API asks again after about a minute, in place of ten.
   → issuer: Send Cache-Control: max-age=600 or more, unless keys change that
     often.

1 warning, 1 note
`
	out, _, _ := bearward(t, "", "doctor", issuer)
	if got := strings.ReplaceAll(out, issuer, "ISSUER"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if out, _, _ := bearward(t, "", "doctor", startIssuer(t, healthy)); !strings.HasSuffix(out, "\n✓ nothing found\n") {
		t.Errorf("got\n%s", out)
	}

	var colours strings.Builder
	run(t.Context(), terminal{out: &colours, err: t.Output(), colour: true}, []string{"doctor", issuer})
	text := colours.String()
	for _, s := range []string{"\x1b[33m! warning  CONTENT_TYPE\x1b[0m", "\x1b[2m· note     NOT_CACHEABLE\x1b[0m"} {
		if !strings.Contains(text, s) {
			t.Errorf("%q is not in %q", s, text)
		}
	}
	for _, code := range []string{"\x1b[33m", "\x1b[2m", "\x1b[0m"} {
		text = strings.ReplaceAll(text, code, "")
	}
	if text != out {
		t.Errorf("colours change the text:\n%s", text)
	}
}

func TestDoctorWritesJSON(t *testing.T) {
	issuer := startIssuer(t, noStore)
	out, _, _ := bearward(t, "", "doctor", "-json", issuer)
	var report map[string]any
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	if keys := names(report); !slices.Equal(keys, []string{"facts", "findings", "issuers", "version"}) || report["version"] != 1.0 {
		t.Errorf("got %q, version %v", keys, report["version"])
	}
	first := report["findings"].([]any)[0].(map[string]any)
	if keys := names(first); !slices.Equal(keys, []string{"do", "id", "means", "severity", "side", "what", "where"}) {
		t.Errorf("got %q", keys)
	}
	if first["id"] != "CONTENT_TYPE" || first["severity"] != "warning" || first["where"] != issuer+"/jwks.json" || first["side"] != "issuer" {
		t.Errorf("got %v", first)
	}
	healthy, _, _ := bearward(t, "", "doctor", "-json", startIssuer(t, healthy))
	if !strings.Contains(healthy, `"findings": []`) { // not null
		t.Errorf("got %s", healthy)
	}
}

func names(m map[string]any) (all []string) {
	for name := range m {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func TestDoctorIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	issuer := startIssuer(t, func(http.ResponseWriter, *http.Request) bool {
		cancel()
		return false
	})
	var out, err strings.Builder
	if code := run(ctx, terminal{out: &out, err: &err}, []string{"doctor", issuer}); code != exitOpen || out.Len() > 0 {
		t.Errorf("exit code %d, %s%s", code, &out, &err)
	}
}
