package forward

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// configOf is the text of a configuration for issuers.
func configOf(more string, issuers ...*authtest.Issuer) string {
	var all []string
	for _, issuer := range issuers {
		all = append(all, fmt.Sprintf(`{"issuer": %q, "audience": %q}`, issuer.URL, issuer.Audience))
	}
	return fmt.Sprintf(`{"listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "for": ["https://api.example.com"], "gateways": ["127.0.0.1"], "rules": "rules.txt",
		%s "issuers": [%s]}`, more, strings.Join(all, ", "))
}

// has reports whether the metrics have a line.
func (r *running) has(line string) bool {
	_, text := r.get("/metrics")
	return strings.Contains(text, line+"\n")
}

// A changed configuration is in use for every request from then on, and no request is refused on
// the way. What was revoked or used stays so.
func TestAChangedConfigurationReplacesTheOneBefore(t *testing.T) {
	first, second := authtest.NewIssuer(t, &authtest.Options{Socket: true}), authtest.NewIssuer(t, &authtest.Options{Socket: true})
	file := files(t, configOf(`"dpop": "allow",`, first), rulesText)
	r := serve(t, Options{File: file, Every: 5 * time.Millisecond})
	prover := authtest.NewProver(t, auth.ES256)
	bound := first.Token("read:orders", prover.Confirmation())
	proof := prover.Proof("GET", "https://api.example.com/orders", bound)
	if got := r.askWith("/orders", "DPoP "+bound, proof); got != 200 {
		t.Fatalf("a proof: got %d", got)
	}
	revoked := first.Token("read:orders", authtest.Claims{"jti": "gone"})
	if code, text := r.post("/revocations", fmt.Sprintf(`{"issuer": %q, "token_id": "gone", "until": %q}`, first.URL, time.Now().Add(time.Hour).Format(time.RFC3339)), nil); code != 204 {
		t.Fatalf("got %d %s", code, text)
	}
	ended := make(chan struct{})
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				if got := r.ask("/orders", first.Token("read:orders")); got != 200 {
					t.Errorf("got %d while the configuration changed", got)
					return
				}
			}
		})
	}
	token := second.Token("read:orders")
	for range 5 {
		write(t, file, configOf(`"dpop": "allow",`, first, second))
		r.until("the second issuer", func() bool { return r.ask("/orders", token) == 200 })
		write(t, file, configOf(`"dpop": "allow",`, first))
		r.until("one issuer", func() bool { return r.ask("/orders", token) == 401 })
	}
	close(ended)
	asking.Wait()
	if got := r.askWith("/orders", "DPoP "+bound, proof); got != 401 {
		t.Errorf("a used proof: got %d", got)
	}
	if got := r.ask("/orders", revoked); got != 401 {
		t.Errorf("a revoked token: got %d", got)
	}
	r.until("the metrics tell of 10 changes", func() bool {
		return r.has(`bearward_forward_config_reloads_total{result="good"} 10`) && r.has("bearward_forward_config_failing 0")
	})
	write(t, filepath.Join(filepath.Dir(file), "rules.txt"), "GET /stats = read:orders\n")
	r.until("rules of the configuration that is in use", func() bool { return r.ask("/stats", first.Token("read:orders")) == 200 })
}

// A configuration with a fault changes nothing. The fault is told once.
func TestAConfigurationWithAFaultChangesNothing(t *testing.T) {
	first, down := authtest.NewIssuer(t, &authtest.Options{Socket: true}), authtest.NewIssuer(t, &authtest.Options{Socket: true})
	down.Fail(503)
	good := configOf("", first)
	file := files(t, good, rulesText)
	logged := new(records)
	r := serve(t, Options{File: file, Every: 5 * time.Millisecond, ReadyTimeout: 3 * time.Second, Log: slog.New(slog.NewJSONHandler(logged, nil))})
	bad := 0
	for want, text := range map[string]string{
		":1:2: there is no setting /gateway":            `{"gateway": [], ` + good[1:],
		"no \\\"rules\\\"":                              strings.Replace(good, `"rules": "rules.txt",`, "", 1),
		"other.txt":                                     strings.Replace(good, "rules.txt", "other.txt", 1),
		"others need another":                           strings.Replace(good, "127.0.0.1:0", "127.0.0.1:1", 1),
		"every caller would be heard":                   strings.Replace(good, `["127.0.0.1"]`, `["0.0.0.0/0"]`, 1),
		"no keys of the issuer " + down.URL + " after ": configOf("", first, down),
	} {
		bad++
		write(t, file, text)
		r.until(want, func() bool { return strings.Contains(logged.String(), want) })
		r.until("it fails", func() bool { return r.has("bearward_forward_config_failing 1") })
		if got := r.ask("/orders", first.Token("read:orders")); got != 200 {
			t.Errorf("%s: got %d", want, got)
		}
		write(t, file, good)
		r.until("it is well", func() bool { return r.has("bearward_forward_config_failing 0") })
		if n := strings.Count(logged.String(), want); n != 1 {
			t.Errorf("%s was told %d times", want, n)
		}
		if !r.has(fmt.Sprintf(`bearward_forward_config_reloads_total{result="bad"} %d`, bad)) {
			t.Errorf("%s was not counted once", want)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	r.until("it is not there", func() bool { return r.has("bearward_forward_config_failing 1") })
	write(t, file, configOf("", first, down))
	r.until("an issuer without keys", func() bool { return strings.Count(logged.String(), "no keys of the issuer") > 1 })
	down.Recover()
	r.until("its keys", func() bool { return r.ask("/orders", down.Token("read:orders")) == 200 })
}

// manual is a Server that reads its files when the test says, and what it logged.
func manual(t *testing.T, rules string) (s *Server, r *running, issuer *authtest.Issuer, file string, logged *records) {
	t.Helper()
	issuer = authtest.NewIssuer(t, &authtest.Options{Socket: true})
	file = files(t, configOf("", issuer), rules)
	logged = new(records)
	s, err := NewServer(Options{File: file, Log: slog.New(slog.NewJSONHandler(logged, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	r = answering(t, s)
	r.until("the keys", func() bool { return r.ask("/orders", issuer.Token("admin")) == 200 })
	return s, r, issuer, file, logged
}

// counts reports whether the metrics have a line.
func counts(s *Server, line string) bool {
	w := httptest.NewRecorder()
	s.metrics.write(w, true, 0)
	return strings.Contains(w.Body.String(), line+"\n")
}

// Rules that changed together with a configuration are those of that configuration.
func TestRulesWaitForTheConfigurationBesideThem(t *testing.T) {
	s, r, issuer, file, logged := manual(t, "GET /orders = admin\n")
	rules := filepath.Join(filepath.Dir(file), "rules.txt")
	plain := issuer.Token("")
	look := func(whole bool, want, told int) {
		t.Helper()
		for range 4 {
			s.reload(t.Context(), whole)
			if got := r.ask("/orders", plain); got != want {
				t.Errorf("got %d, want %d", got, want)
			}
		}
		if got := strings.Count(logged.String(), "the configuration was not read"); got != told {
			t.Errorf("told %d times, want %d:\n%s", got, told, logged)
		}
	}
	look(false, 403, 0)
	// Every token is to be bound from now on, so the rules ask for no more; but a word is
	// misspelled.
	write(t, file, configOf(`"dpop": "requires",`, issuer))
	write(t, rules, "GET /orders = any token\n")
	look(false, 403, 1)
	look(true, 403, 1)
	write(t, rules, "GET /orders = optional\n")
	look(false, 403, 2) // that these wait, too
	write(t, file, "{")
	write(t, rules, "GET /orders = \n")
	look(false, 403, 3)
	if got := logged.String(); !strings.Contains(got, "rules.txt: auth: ParseRules") {
		t.Errorf("the fault of the rules is not told beside the other one:\n%s", got)
	}
	write(t, rules, "GET /orders = any token\n")
	look(false, 403, 4)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	look(false, 403, 5)
	write(t, rules, "GET /orders = any token\n")
	write(t, file, configOf(`"dpop": "require",`, issuer))
	s.reload(t.Context(), false)
	s.reload(t.Context(), false)
	look(false, 401, 5)
	write(t, file, configOf("", issuer))
	s.reload(t.Context(), false)
	s.reload(t.Context(), false)
	look(false, 200, 5)
	if !counts(s, "bearward_forward_rules_failing 0") || !counts(s, "bearward_forward_config_failing 0") {
		t.Error("the metrics tell of a fault")
	}
}

// What was read once before the configuration differed was not read twice alike.
func TestHalfWrittenRulesBesideAConfiguration(t *testing.T) {
	const half = "GET /orders = admin\nGET /files/ = any token\n"
	const whole = half + "GET /files/secret = admin\n"
	s, r, issuer, file, _ := manual(t, whole)
	good, rules := configOf("", issuer), filepath.Join(filepath.Dir(file), "rules.txt")
	for i, step := range []struct{ config, rules string }{{good, half}, {"{", whole}, {"{", whole}, {"{", whole}, {good, half}} {
		write(t, file, step.config)
		write(t, rules, step.rules)
		s.reload(t.Context(), false)
		if got := r.ask("/files/secret", issuer.Token("")); got != 403 {
			t.Errorf("look %d: got %d", i, got)
		}
	}
}

// A fault that a signal found is not found again by the next looks.
func TestAFaultThatASignalFindsIsToldOnce(t *testing.T) {
	s, _, issuer, file, logged := manual(t, "GET /orders = admin\n")
	write(t, file, configOf(`"dpop": "requires",`, issuer))
	s.reload(t.Context(), true)
	for range 4 {
		s.reload(t.Context(), false)
	}
	if n := strings.Count(logged.String(), "the configuration was not read"); n != 1 || !counts(s, `bearward_forward_config_reloads_total{result="bad"} 1`) {
		t.Errorf("told %d times:\n%s", n, logged)
	}
}

func TestAnEmptyFileOfRulesIsTold(t *testing.T) {
	s, _, _, file, logged := manual(t, "GET /orders = admin\n")
	write(t, filepath.Join(filepath.Dir(file), "rules.txt"), "")
	s.current.rules = nil // as at a signal
	s.reload(t.Context(), true)
	s.reload(t.Context(), false)
	if !counts(s, "bearward_forward_rules_failing 1") || strings.Count(logged.String(), "no rules") != 1 {
		t.Errorf("an empty file is not told once: %s", logged)
	}
}

// An issuer that is down already holds back no change.
func TestAnIssuerThatWasDownBeforeHoldsNothingBack(t *testing.T) {
	up, down := authtest.NewIssuer(t, &authtest.Options{Socket: true}), authtest.NewIssuer(t, &authtest.Options{Socket: true})
	down.Fail(503)
	file := files(t, configOf("", up, down), rulesText)
	r := start(t, Options{File: file, Every: 5 * time.Millisecond})
	r.until("one issuer", func() bool { return r.ask("/orders", up.Token("read:orders")) == 200 })
	write(t, file, configOf(`"dpop": "require",`, up, down))
	r.until("the change", func() bool { return r.ask("/orders", up.Token("read:orders")) == 401 })
}

// A request is answered by the configuration that it began with.
func TestARequestOutlivesItsConfiguration(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	asked, answer := make(chan struct{}), make(chan struct{})
	var once sync.Once
	e := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		once.Do(func() { close(asked) })
		<-answer
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"active": true, "iss": issuer.URL, "aud": issuer.Audience, "sub": "somebody", "client_id": "app", "scope": "read:orders",
			"jti": "one", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()})
	}))
	t.Cleanup(e.Close)
	file := files(t, strings.Replace(configOf("", issuer), `"}]`, fmt.Sprintf(`", "introspection": {"endpoint": %q}}]`, e.URL), 1), rulesText)
	logged := new(records)
	r := serve(t, Options{File: file, Every: 5 * time.Millisecond, Log: slog.New(slog.NewJSONHandler(logged, nil))})
	got := make(chan int, 1)
	go func() { got <- r.ask("/orders", "opaque") }()
	<-asked
	write(t, file, configOf("", issuer))
	r.until("the change", func() bool { return strings.Contains(logged.String(), "the configuration was replaced") })
	close(answer)
	if code := <-got; code != 200 {
		t.Errorf("got %d", code)
	}
	if code := r.ask("/orders", "opaque"); code != 401 {
		t.Errorf("a request that came later: got %d", code)
	}
}

// A signal has the files read at once, and faults told again.
func TestASignalReadsTheFiles(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	file := files(t, configOf("", issuer), rulesText)
	signals, logged := make(chan os.Signal), new(records)
	r := serve(t, Options{File: file, Every: time.Hour, Reload: signals, Log: slog.New(slog.NewJSONHandler(logged, nil))})
	rules := filepath.Join(filepath.Dir(file), "rules.txt")
	write(t, file, `{"listen": 7}`)
	write(t, rules, "GET /stats = \n")
	for i := range 3 {
		signals <- os.Interrupt // whichever it is
		r.until("both faults", func() bool {
			return strings.Count(logged.String(), "/listen cannot be read here") == i+1 && strings.Count(logged.String(), "rules.txt: auth: ParseRules") == i+1
		})
	}
	write(t, file, configOf(`"dpop": "require",`, issuer))
	write(t, rules, "GET /stats = read:orders\n")
	signals <- os.Interrupt
	r.until("both files", func() bool { return r.ask("/stats", issuer.Token("read:orders")) == 401 })
	r.until("the metrics tell of no fault", func() bool {
		return r.has("bearward_forward_config_failing 0") && r.has("bearward_forward_rules_failing 0")
	})
}
