package jwks_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearward/bearward/jwks"
)

// A key ID is looked up in what is held, and nowhere else: the URL that is fetched is the issuer's,
// whatever a token names.
func TestJ20_AKeyIDIsInNoURL(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		var mu sync.Mutex
		var told strings.Builder
		c := warm(t, i, func(o *jwks.Options) {
			o.OnRefresh = func(e jwks.RefreshEvent) {
				mu.Lock()
				defer mu.Unlock()
				fmt.Fprintf(&told, "%+v %v\n", e, e.LogValue())
			}
		})
		for _, kid := range []string{"../../c4n4ry", "c4n4ry?kid=1", "https://evil.example/c4n4ry", "c4n4ry' OR '1'='1", "c4n4ry\r\nX: 1"} {
			sleep(time.Minute)
			_, err := c.Keys(t.Context(), kid)
			if err == nil || strings.Contains(fmt.Sprint(err, c.Status(), c.Status().LogValue()), "c4n4ry") {
				t.Errorf("%q: %v, %v", kid, err, c.Status())
			}
		}
		if i.count() < 6 {
			t.Errorf("%d requests, want one for each key ID", i.count())
		}
		for _, r := range i.seen() {
			if r.url != keySetURL || strings.Contains(fmt.Sprint(r.etc), "c4n4ry") {
				t.Errorf("asked for %s with %v", r.url, r.etc)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if told.Len() == 0 || strings.Contains(told.String(), "c4n4ry") {
			t.Errorf("told %s", told.String())
		}
	})
}

// The Cache's own transport believes no certificate that the system does not.
func TestS12_CertificatesAreChecked(t *testing.T) {
	server := httptest.NewTLSServer(body(keySet("a")))
	defer server.Close()
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	for name, o := range map[string]*jwks.Options{"its own transport": nil, "a client that trusts the issuer": {Client: server.Client()}} {
		c, err := jwks.New(server.URL, o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		err = c.Refresh(t.Context())
		var untrusted x509.UnknownAuthorityError
		if o == nil && !errors.As(err, &untrusted) || o != nil && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
