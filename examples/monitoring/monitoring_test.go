package monitoring

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearward/bearward/examples/internal/api"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/introspect"
)

// A scene is an API that is measured, and its issuer.
type scene struct {
	t        *testing.T
	issuer   *authtest.Issuer
	endpoint *endpoint
	api      *api.Server
	good     string
}

// An endpoint is the issuer's, for opaque tokens. It knows one.
type endpoint struct {
	*httptest.Server
	status atomic.Int32 // of every answer, when it is not 0
}

const opaque = "an-opaque-token"

func startEndpoint(t *testing.T, audience string) *endpoint {
	e := &endpoint{}
	e.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := e.status.Load(); status != 0 {
			w.WriteHeader(int(status))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if r.PostFormValue("token") != opaque {
			fmt.Fprint(w, `{"active":false}`)
			return
		}
		fmt.Fprintf(w, `{"active":true,"aud":%q,"sub":"alice","client_id":"app","scope":"read:orders"}`, audience)
	}))
	e.Start()
	t.Cleanup(e.Close)
	return e
}

// startScene starts the API of examples/resourceserver before a real issuer.
func startScene(t *testing.T) *scene {
	t.Helper()
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	asked := startEndpoint(t, issuer.Audience)
	server, err := api.Start(api.Config{
		Adapter: "chi", Addr: "127.0.0.1:0", Metrics: "127.0.0.1:0", Issuer: issuer.URL, Audience: issuer.Audience,
		Refresh: time.Second, MaxStale: time.Hour, Cooldown: time.Second,
		Introspection: api.Introspection{Endpoint: asked.URL, Client: introspect.NoClientAuth(), TTL: 10 * time.Minute},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return &scene{t, issuer, asked, server, issuer.Token("read:orders")}
}

// call returns the status of one request.
func (s *scene) call(path, token string) int {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.api.Addr()+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// traffic sends requests of every kind but those that are not judged.
func (s *scene) traffic() {
	s.t.Helper()
	fresh := s.issuer.Token("read:orders")
	for _, c := range []struct {
		path, token string
		want        int
	}{
		{"/orders", s.good, 200},
		{"/orders", s.good, 200},
		{"/orders", fresh, 200},
		{"/me", s.good, 200},
		{"/optional", "", 200},
		{"/admin/stats", s.good, 403},
		{"/orders", "", 401},
		{"/orders", s.issuer.Token("read:orders", authtest.BadSignature), 401},
		{"/orders", s.issuer.Token("read:orders", authtest.Expired), 401},
		{"/me", s.issuer.Token("read:orders", authtest.WrongAudience), 401},
		{"/me", s.issuer.Token("read:orders", authtest.AlgNoneSigned), 401},
		{"/me", s.issuer.Token("", authtest.NumericKid), 401},
	} {
		if got := s.call(c.path, c.token); got != c.want {
			s.t.Errorf("GET %s: status %d, want %d", c.path, got, c.want)
		}
	}
	if got := s.call("/me", s.issuer.Token("", authtest.Header{"kid": "forged"})); got != 401 && got != 503 {
		s.t.Errorf("an unknown key: status %d", got) // 503 while the fetch that would tell fails, or is backed off
	}
}

// opaqueTraffic sends opaque tokens, and has the endpoint fail, and refuse the API, in between.
func (s *scene) opaqueTraffic() {
	s.t.Helper()
	s.until(func() error { // it may be down from the time before
		if got := s.call("/orders", opaque); got != 200 {
			return fmt.Errorf("an opaque token: status %d", got)
		}
		return nil
	})
	for _, fault := range []struct {
		endpoint int32
		want     int
	}{{0, 401}, {500, 503}, {401, 500}} {
		s.endpoint.status.Store(fault.endpoint)
		s.until(func() error {
			if got := s.call("/orders", "opaque-"+rand.Text()); got != fault.want {
				return fmt.Errorf("the endpoint answers %d: status %d, want %d", fault.endpoint, got, fault.want)
			}
			return nil
		})
	}
	s.endpoint.status.Store(0)
}

// outage makes a request that is not judged: under a key that the API does not
// hold, while the issuer is away.
func (s *scene) outage() {
	s.t.Helper()
	s.issuer.Fail(503)
	defer s.issuer.Recover()
	s.until(func() error {
		if got := s.call("/orders", s.issuer.Token("read:orders", authtest.Header{"kid": "new"})); got != 503 {
			return fmt.Errorf("a request during an outage: status %d, want 503", got)
		}
		return nil
	})
}

// until polls ask until it returns nil, for 30 s at most.
func (s *scene) until(ask func() error) {
	s.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// queries returns every query of the dashboard, as Grafana would send it.
func queries(t *testing.T) (all []string) {
	t.Helper()
	fill := strings.NewReplacer("$__rate_interval", "1m", "$job", ".*", "$instance", ".*", "$issuer", ".*")
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			all = append(all, fill.Replace(target.Expr))
		}
	}
	if len(all) < 20 {
		t.Errorf("the dashboard has %d queries", len(all))
	}
	return all
}

func TestEveryQueryReturnsData(t *testing.T) {
	program(t, "prometheus")
	s := startScene(t)
	s.until(s.api.Ready)
	prometheus := startPrometheus(t, s.api.MetricsAddr())

	left := queries(t)
	rules := alertsRead(s, prometheus)
	for _, r := range rules {
		both := sides(r.Query)
		if both == nil {
			t.Errorf("%s compares nothing: %s", r.Name, r.Query)
		}
		left = append(left, both...)
	}
	// What must have happened, or data would be zeros.
	for _, happened := range []string{
		`outcome="accepted"`, `outcome="not_judged",reason="UNAVAILABLE"`, `reason="INSUFFICIENT_SCOPE"`, `reason="CREDENTIALS_MISSING"`,
		`reason="SIGNATURE_INVALID"`, `reason="TOKEN_EXPIRED"`, `reason="AUDIENCE_MISMATCH"`, `reason="ALGORITHM_NOT_ALLOWED"`,
		`reason="TOKEN_MALFORMED"`, `reason="KEY_UNKNOWN"`, `operation="GET /admin/stats"`,
	} {
		left = append(left, "bearward_decisions_total{"+happened+"} > 0")
	}
	for _, verification := range []string{"none", "full", "remembered"} {
		left = append(left, `bearward_decision_duration_seconds_count{verification="`+verification+`"} > 0`)
	}
	for _, outcome := range introspect.Outcomes() {
		left = append(left, fmt.Sprintf(`bearward_introspection_calls_total{outcome=%q} > 0`, outcome))
	}
	left = append(left, `bearward_jwks_fetches_total{trigger="clock",result="not_modified"} > 0`,
		`sum(bearward_jwks_fetches_total{result="failed"}) > 0`, `bearward_jwks_waits_total > 0`)

	s.opaqueTraffic()
	s.until(func() error {
		s.traffic()
		s.outage()
		s.call("/orders", "opaque-"+rand.Text()) // 401, or 503 while the endpoint is probed
		var missing []string
		var errs []error
		for _, query := range left {
			if err := prometheus.hasData(query); err != nil {
				missing, errs = append(missing, query), append(errs, err)
			}
		}
		left = missing
		return errors.Join(errs...)
	})

	for _, v := range readDashboard(t).Templating.List[1:] {
		m := labelValues.FindStringSubmatch(v.Definition)
		if m == nil {
			t.Errorf("$%s is not made of label_values: %s", v.Name, v.Definition)
			continue
		}
		var values []string
		selector := strings.NewReplacer("$job", ".*", "$instance", ".*").Replace(m[1])
		if err := prometheus.ask("label/"+m[2]+"/values", url.Values{"match[]": {selector}}, &values); err != nil || len(values) != 1 {
			t.Errorf("$%s: %v, %v", v.Name, values, err)
		}
	}
	fires(s, prometheus)
	shoot(s, prometheus)
}

// labelValues is what Grafana makes a variable of.
var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

// alertsRead returns the alerts when Prometheus has read them all.
func alertsRead(s *scene, prometheus *server) (rules []rule) {
	s.t.Helper()
	want := len(alerts(s.t))
	s.until(func() (err error) {
		if rules, err = prometheus.rules(); err == nil && len(rules) != want {
			err = fmt.Errorf("Prometheus has %d rules of %d", len(rules), want)
		}
		return err
	})
	return rules
}

// fires publishes a private key, and waits for the alert.
func fires(s *scene, prometheus *server) {
	s.t.Helper()
	s.issuer.Garbage(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",` +
		`"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}`) // of RFC 8037 §A.1
	defer s.issuer.Recover()
	s.until(func() error {
		rules, err := prometheus.rules()
		for _, r := range rules {
			if r.Name == "BearwardPrivateKeyExposed" && r.State == "firing" {
				return nil
			}
		}
		return errors.Join(err, errors.New("BearwardPrivateKeyExposed does not fire"))
	})
}

// picture names the environment variable with the file for a screenshot of
// Prometheus's own page; without it none is taken.
const picture = "MONITORING_SCREENSHOT"

// shoot keeps a picture of the refusals of two minutes.
func shoot(s *scene, prometheus *server) {
	s.t.Helper()
	file := os.Getenv(picture)
	if file == "" {
		return
	}
	for n, end := 0, time.Now().Add(2*time.Minute); time.Now().Before(end); n++ {
		s.traffic()
		for range n % 80 / 4 {
			s.call("/orders", s.issuer.Token("read:orders", authtest.BadSignature))
		}
		time.Sleep(200 * time.Millisecond)
	}
	page := prometheus.url + "/graph?" + url.Values{
		"g0.expr": {`sum by (reason) (rate(bearward_decisions_total{outcome="refused"}[15s])) > 0`}, "g0.tab": {"0"}, "g0.range_input": {"2m"}, "g0.stacked": {"1"},
	}.Encode()
	chromium := exec.CommandContext(s.t.Context(), "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1220,980",
		"--virtual-time-budget=15000", "--screenshot="+file, page)
	if out, err := chromium.CombinedOutput(); err != nil {
		s.t.Fatalf("chromium: %v\n%s", err, out)
	}
}
