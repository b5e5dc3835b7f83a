package jwks_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearward/bearward/jwks"
)

// figure prints what a reader wants to see with -v.
func figure(t testing.TB, format string, args ...any) {
	t.Helper()
	t.Logf("figure: "+format, args...)
}

// This test comes first: a lock that is held over a fetch makes the bubbles of later tests stand
// still.
func TestFetchHoldsNoLock(t *testing.T) {
	i := newIssuer("a")
	asked, answer := make(chan bool), make(chan bool)
	i.answer(func(w http.ResponseWriter, r *http.Request) {
		asked <- true
		<-answer
		body(keySet("a"))(w, r)
	})
	c := open(t, i)
	<-asked
	// Nobody but the fetch could hold it.
	if !c.Unlocked() {
		t.Error("the lock is held while a fetch is in the air")
	}
	answer <- true
}

func TestK01_KnownKeyTakesNoLock(t *testing.T) {
	c := warm(t, newIssuer("a"))
	served := make(chan string, 1)
	c.Locked(func() {
		go func() { served <- answerOf(c, "a") }()
		select {
		case got := <-served:
			if got != "served" {
				t.Errorf("got %s", got)
			}
		case <-time.After(20 * time.Second): // passes only when the test fails
			t.Error("a request for a known key waits for the lock")
		}
	})
}

func TestK01_KnownKeyIsServedDuringAFlood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		c := warm(t, i)
		i.answer(hang)
		var flood sync.WaitGroup
		for n := range 1000 {
			flood.Go(func() { check(t, c, fmt.Sprint("forged ", n), "not judged") })
		}
		var longest time.Duration
		for range 100 {
			began := time.Now()
			check(t, c, "a", "served")
			longest = max(longest, time.Since(began))
			sleep(20 * time.Millisecond)
		}
		flood.Wait()
		if longest != 0 {
			t.Errorf("the longest look-up of a known key took %v, want none", longest)
		}
	})
}

func TestKeysOfAHeldKeyDoesNotAllocate(t *testing.T) {
	c := warm(t, newIssuer("a", "b"))
	for _, kid := range []string{"a", ""} {
		if n := testing.AllocsPerRun(1000, func() { c.Keys(t.Context(), kid) }); n != 0 {
			t.Errorf("key %q: %v allocations, want 0", kid, n)
		}
	}
}

func TestKeysWithoutAnIDReturnsAllAndFetchesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a", "b")
		c := warm(t, i)
		before := i.count()
		for range 100 {
			keys, err := c.Keys(t.Context(), "")
			if err != nil || ids(keys) != "a b" {
				t.Fatalf("got %q, %v", ids(keys), err)
			}
		}
		if got := i.count() - before; got != 0 {
			t.Errorf("%d fetches, want none", got)
		}
	})
}

func TestKeysWithoutAnIDWaitsForTheFirstFetch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		i.answer(after(time.Second, body(keySet("a"))))
		check(t, open(t, i), "", "served")
	})
}

func TestOptionsOutOfBoundsAreNamed(t *testing.T) {
	for field, o := range map[string]*jwks.Options{
		"RefreshEvery": {RefreshEvery: time.Millisecond},
		"Cooldown":     {Cooldown: -1},
		"MaxStale":     {RefreshEvery: time.Hour, MaxStale: time.Minute},
		"MaxBytes":     {MaxBytes: 10},
		"MaxKeys":      {MaxKeys: 1001},
	} {
		_, err := jwks.New(keySetURL, o)
		if want := "jwks: Options." + field + " is "; err == nil || len(err.Error()) < len(want) || err.Error()[:len(want)] != want {
			t.Errorf("got %v, want %s...", err, want)
		}
	}
}

// N10, T20, WAVE2 §2: what an option would do beside another is said at start.
func TestOptionsThatContradictEachOther(t *testing.T) {
	theirs := &http.Client{Transport: newIssuer()}
	for name, tt := range map[string]struct {
		url  string
		o    jwks.Options
		want string
	}{
		"http in a container network": {"http://keycloak:8080", jwks.Options{}, "Options.InsecureAllowHTTP"},
		"another scheme":              {"ftp://keycloak", jwks.Options{}, `scheme "ftp"`},
		"a proxy and a transport":     {issuerURL, jwks.Options{ProxyFromEnvironment: true, Client: theirs}, "Options.ProxyFromEnvironment"},
		"public and a transport":      {issuerURL, jwks.Options{PublicOnly: true, Client: theirs}, "Options.PublicOnly"},
		"public and a proxy":          {issuerURL, jwks.Options{PublicOnly: true, ProxyFromEnvironment: true}, "Options.PublicOnly"},
		"too little time":             {issuerURL, jwks.Options{Timeout: time.Millisecond}, "Options.Timeout"},
		"too much time":               {issuerURL, jwks.Options{Timeout: time.Hour}, "Options.Timeout"},
	} {
		for _, construct := range []func(string, *jwks.Options) (*jwks.Cache, error){jwks.New, jwks.FromIssuer} {
			c, err := construct(tt.url, &tt.o)
			if err == nil {
				c.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || name == "another scheme" && strings.Contains(err.Error(), "Insecure") {
				t.Errorf("%s: %v, want %s named", name, err, tt.want)
			}
		}
	}
	loopback := httptest.NewServer(body(keySet("a")))
	defer loopback.Close()
	c, err := jwks.New(loopback.URL, &jwks.Options{PublicOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "not a public address") {
		t.Errorf("PublicOnly, and the issuer is on loopback: %v", err)
	}
}

// T20: the environment is read once a process, so this test asks itself with another one.
func TestAnUnusedProxyIsNamed(t *testing.T) {
	if os.Getenv("JWKS_TEST_PROXY") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestAnUnusedProxyIsNamed$")
		cmd.Env = append(os.Environ(), "JWKS_TEST_PROXY=1", "HTTPS_PROXY=http://127.0.0.1:1", "NO_PROXY=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	for used, want := range map[bool]string{false: "HTTPS_PROXY is set and not used: Options.ProxyFromEnvironment", true: "proxyconnect"} {
		c, err := jwks.New("https://192.0.2.1/keys", &jwks.Options{Timeout: time.Second, ProxyFromEnvironment: used})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with the option %v: %v, want %q", used, err, want)
		}
	}
}
