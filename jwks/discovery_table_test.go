package jwks_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/jwks"
)

// closed is a connection that ends before there is an answer, and cutOff one that ends within it.
func closed(w http.ResponseWriter, _ *http.Request) { w.(*recorder).fault = io.ErrUnexpectedEOF }

func cutOff(w http.ResponseWriter, _ *http.Request) {
	w.(*recorder).body = io.MultiReader(strings.NewReader(`{"issuer":`), broken{})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
}

// badAnswers is everything that a form without good metadata was seen to answer, and what it means:
// an outage, a contradiction, or that there is none.
var badAnswers = map[string]struct {
	answer http.HandlerFunc
	means  string
}{
	"400":                    {status(400), "none"},
	"401":                    {status(401), "none"},
	"403":                    {status(403), "none"},
	"404":                    {status(404), "none"},
	"405":                    {status(405), "none"},
	"410":                    {status(410), "none"},
	"204":                    {status(204), "none"},
	"304 unasked":            {status(304), "none"},
	"429":                    {status(429), "outage"},
	"500":                    {status(500), "outage"},
	"501":                    {status(501), "outage"},
	"502":                    {status(502), "outage"},
	"503":                    {status(503), "outage"},
	"504":                    {status(504), "outage"},
	"closed":                 {closed, "outage"},
	"cut off":                {cutOff, "outage"},
	"hangs":                  {hang, "outage"},
	"too slow":               {after(6*time.Second, metadata(pathIssuer, keySetURL)), "outage"},
	"drips":                  {func(w http.ResponseWriter, r *http.Request) { w.(*recorder).body = drip{r} }, "outage"},
	"huge":                   {body(strings.Repeat(" ", 600<<10) + "{}"), "none"},
	"endless":                {func(w http.ResponseWriter, _ *http.Request) { w.(*recorder).body = endless{} }, "none"},
	"empty":                  {body(""), "none"},
	"HTML":                   {body("<html>"), "none"},
	"an array":               {body("[]"), "none"},
	"a string":               {body(`"not found"`), "none"},
	"null":                   {body("null"), "none"},
	"cut short":              {body(`{"issuer":`), "none"},
	"two documents":          {body("{}{}"), "none"},
	"UTF-16":                 {body("\xff\xfe{\x00}\x00"), "none"},
	"an empty object":        {body("{}"), "none"},
	"an error":               {body(`{"error":"not_found","error_description":"no such realm"}`), "none"},
	"another object":         {body(`{"status":"ok"}`), "none"},
	"issuer twice":           {body(`{"issuer":"https://evil.example","issuer":"` + pathIssuer + `","jwks_uri":"` + keySetURL + `"}`), "none"},
	"jwks_uri twice":         {body(`{"issuer":"` + pathIssuer + `","jwks_uri":"` + keySetURL + `","jwks_uri":"https://evil.example/"}`), "none"},
	"another issuer":         {metadata("https://evil.example", keySetURL), "contrary"},
	"the root's":             {metadata(issuerURL, issuerURL+"/root-keys"), "contrary"},
	"a slash too many":       {metadata(pathIssuer+"/", keySetURL), "contrary"},
	"no issuer":              {body(`{"jwks_uri":"` + keySetURL + `"}`), "contrary"},
	"an issuer of null":      {body(`{"issuer":null,"jwks_uri":"` + keySetURL + `"}`), "contrary"},
	"no jwks_uri":            {body(`{"issuer":"` + pathIssuer + `"}`), "contrary"},
	"an empty jwks_uri":      {metadata(pathIssuer, ""), "contrary"},
	"jwks_uri over http":     {metadata(pathIssuer, "http://issuer.example/keys"), "contrary"},
	"jwks_uri is no text":    {body(`{"issuer":"` + pathIssuer + `","jwks_uri":["` + keySetURL + `"]}`), "contrary"},
	"redirect to a login":    {redirect("https://login.example/?return=x"), "none"},
	"redirect in a circle":   {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.String(), http.StatusFound) }, "none"},
	"redirect to http":       {redirect("http://issuer.example/metadata"), "none"},
	"redirect to another IP": {redirect("https://169.254.169.254/latest"), "none"},
}

// AS-08: every form is asked, whatever the others answer, with and without redirects.
func TestAS08_EveryAnswerAtEveryForm(t *testing.T) {
	for name, bad := range badAnswers {
		for at, good := range forms {
			for _, follow := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, form %d good, redirects %v", name, at+1, follow), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						s := site{keySetURL: body(keySet("a"))}
						for _, form := range forms {
							s[form] = bad.answer
						}
						s[good] = metadata(pathIssuer, keySetURL)
						c, i := discover(t, s, func(o *jwks.Options) { o.SameHostRedirects = follow })
						if err := c.Refresh(t.Context()); err != nil {
							t.Fatal(err)
						}
						check(t, c, "a", "served")
						for _, url := range i.urls() {
							if url != keySetURL && !slices.Contains(forms, url) {
								t.Errorf("asked for %s", url)
							}
						}
						// The form that worked is asked first the next time, and nothing else.
						sleep(time.Second)
						before := i.count()
						if err := c.Refresh(t.Context()); err != nil {
							t.Fatal(err)
						}
						if got, want := i.urls()[before:], []string{good, keySetURL}; !slices.Equal(got, want) {
							t.Errorf("the next time asked for %q, want %q", got, want)
						}
					})
				})
			}
		}
	}
}

// AS-08: an outage, or what contradicts the configuration, is what is left when no form is good.
func TestAS08_WhatIsLeftWhenNoFormIsGood(t *testing.T) {
	for name, bad := range badAnswers {
		for _, other := range []string{"404", "503", "another issuer"} {
			t.Run(name+" and "+other, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c, i := discover(t, site{oauthForm: bad.answer, insertForm: badAnswers[other].answer})
					began := time.Now()
					err := c.Refresh(t.Context())
					if took := time.Since(began); took > jwks.FetchTimeout {
						t.Errorf("took %v, want the one slow request at most", took)
					}
					means := []string{bad.means, badAnswers[other].means}
					want := slices.Contains(means, "contrary") && !slices.Contains(means, "outage")
					if err == nil || errors.Is(err, jwks.ErrMisconfigured) != want {
						t.Errorf("got %v, want ErrMisconfigured: %v", err, want)
					}
					for _, form := range forms {
						if !slices.Contains(i.urls(), form) || !strings.Contains(fmt.Sprint(err), form+": ") {
							t.Errorf("%s was not asked, or is not in %v", form, err)
						}
					}
					check(t, c, "a", "not judged")
				})
			})
		}
	}
}

// A realm's own form decides: what a proxy answers at the others does not hide what it contradicts.
func TestAS07_TheFormThatHadTheMetadataDecides(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := site{oauthForm: status(502), appendForm: metadata(pathIssuer, keySetURL), keySetURL: body(keySet("a"))}
		c, i := discover(t, s)
		check(t, c, "a", "served")
		i.answer(site{oauthForm: status(502), appendForm: metadata("https://evil.example", keySetURL), keySetURL: body(keySet("b"))}.serve)
		if err := c.Refresh(t.Context()); !errors.Is(err, jwks.ErrMisconfigured) {
			t.Errorf("got %v, want ErrMisconfigured", err)
		}
		check(t, c, "a", "served")
		// An outage of it, while others never had any, is an outage: the known key set is still
		// asked.
		i.answer(site{oauthForm: metadata(issuerURL, keySetURL), appendForm: status(502), keySetURL: body(keySet("b"))}.serve)
		sleep(2 * time.Second)
		if err := c.Refresh(t.Context()); err != nil {
			t.Errorf("got %v, want the known key set fetched", err)
		}
		check(t, c, "b", "served")
	})
}

// T4: each request has a budget of its own, so that neither a slow issuer nor a firewall that drops
// one form keeps a Cache from being ready for ever.
func TestAS08_SlowIssuersBecomeReady(t *testing.T) {
	good := func(each time.Duration) http.HandlerFunc { return after(each, metadata(pathIssuer, keySetURL)) }
	for _, each := range []time.Duration{time.Second, 1700 * time.Millisecond, 2400 * time.Millisecond, 4900 * time.Millisecond} {
		for at, form := range forms {
			t.Run(fmt.Sprintf("%v an answer, form %d", each, at+1), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					s := site{keySetURL: after(each, body(keySet("a")))}
					for _, f := range forms {
						s[f] = after(each, status(404))
					}
					s[form] = good(each)
					c, i := discover(t, s)
					if err := c.Refresh(t.Context()); err != nil || i.count() != at+2 {
						t.Errorf("%v after %d requests, want %d", err, i.count(), at+2)
					}
				})
			})
		}
	}
	bubble(t, func(t *testing.T) {
		c, i := discover(t, site{oauthForm: hang, insertForm: hang, appendForm: good(0), keySetURL: body(keySet("a"))})
		began := time.Now()
		if err := c.Refresh(t.Context()); err != nil || time.Since(began) != 2*jwks.FetchTimeout {
			t.Errorf("two forms are dropped: %v after %v", err, time.Since(began))
		}
		sleep(time.Hour)
		if all := i.urls(); slices.Index(all[2:], oauthForm) >= 0 {
			t.Error("the form that is dropped was asked again")
		}
	})
	bubble(t, func(t *testing.T) { // everything hangs: a whole fetch is bounded
		c, _ := discover(t, site{oauthForm: hang, insertForm: hang, appendForm: hang, oauthTail: hang})
		began := time.Now()
		if err := c.Refresh(t.Context()); err == nil || time.Since(began) != 4*jwks.FetchTimeout {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
	})
	bubble(t, func(t *testing.T) { // slower than the default allows
		s := site{oauthForm: good(20 * time.Second), keySetURL: after(20*time.Second, body(keySet("a")))}
		c, _ := discover(t, s, func(o *jwks.Options) { o.Timeout = 30 * time.Second })
		if err := c.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// T6: who reads the error knows where the redirect leads, and what follows it.
func TestARedirectIsExplained(t *testing.T) {
	for name, tt := range map[string]struct {
		to     string
		follow bool
		want   []string
	}{
		"elsewhere":           {"https://login.example/in?key=sesame", false, []string{"to https://login.example/in?...", "Options.SameHostRedirects"}},
		"elsewhere, followed": {"https://login.example/in?key=sesame", true, []string{"to https://login.example/in?...", "leaves the host", "Options.SameHostRedirects"}},
		"here":                {"/moved", false, []string{"to https://issuer.example/moved", "Options.SameHostRedirects"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c, _ := discover(t, site{oauthForm: redirect(tt.to)}, func(o *jwks.Options) { o.SameHostRedirects = tt.follow })
				err := c.Refresh(t.Context())
				for _, want := range tt.want {
					if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sesame") {
						t.Errorf("got %v, want it to say %q", err, want)
					}
				}
			})
		})
	}
	bubble(t, func(t *testing.T) { // and it is followed where it may be
		s := site{oauthForm: redirect(issuerURL + "/moved"), issuerURL + "/moved": metadata(pathIssuer, keySetURL), keySetURL: body(keySet("a"))}
		c, _ := discover(t, s, func(o *jwks.Options) { o.SameHostRedirects = true })
		check(t, c, "a", "served")
	})
}

// T16: what no retry helps is retried seldom, and logged once.
func TestK05_AMisconfigurationBacksOffToTheLongestStep(t *testing.T) {
	for name, wrong := range map[string]http.HandlerFunc{
		"a slash too many": metadata(pathIssuer+"/", keySetURL),
		"no jwks_uri":      body(`{"issuer":"` + pathIssuer + `"}`),
		"over http":        metadata(pathIssuer, "http://issuer.example/keys"),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				lines := 0
				i := newIssuer()
				i.answer(site{oauthForm: wrong}.serve)
				opened(t, jwks.FromIssuer, pathIssuer, i, func(o *jwks.Options) {
					o.OnRefresh = jwks.LogRefreshes(countErrors(&lines))
				})
				sleep(time.Hour)
				if got := i.count(); got > 4*60*3 || got < 4*60 {
					t.Errorf("%d requests in an hour, want some eight a minute", got)
				}
				if lines > 7 {
					t.Errorf("%d lines at level Error in an hour, want one in ten minutes", lines)
				}
			})
		})
	}
}
