package jwks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearward/bearward/jwks"
)

// An errorCounter counts the lines at level Error.
type errorCounter struct {
	slog.Handler
	n *int
}

func (h errorCounter) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		*h.n++
	}
	return nil
}
func (h errorCounter) Enabled(context.Context, slog.Level) bool { return true }

func countErrors(n *int) *slog.Logger { return slog.New(errorCounter{slog.DiscardHandler, n}) }

// A journal is what was logged, one line an entry, without the time.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) lines() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Split(strings.TrimSuffix(j.b.String(), "\n"), "\n")[:strings.Count(j.b.String(), "\n")]
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// defaultLog makes j the default log until the test ends.
func defaultLog(t *testing.T) *journal {
	j := new(journal)
	before := slog.Default()
	slog.SetDefault(j.logger())
	t.Cleanup(func() { slog.SetDefault(before) })
	return j
}

// N1: without options a newcomer sees why no token is accepted, once, and then every ten minutes.
func TestProblemsAreLoggedByDefault(t *testing.T) {
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"down":                  {status(503), "status 503"},
		"closed":                {closed, "unexpected EOF"},
		"misspelled":            {metadata(pathIssuer+"/", keySetURL), "contradicts the configuration"},
		"no such realm":         {status(404), "status 404"},
		"no usable key":         {site{oauthForm: metadata(pathIssuer, keySetURL), keySetURL: body(`{"keys":[{"kty":"AKP","kid":"pq"}]}`)}.serve, "refresh.skipped"},
		"a different port each": {flaky(), "connection reset"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				j := defaultLog(t)
				i := newIssuer()
				i.answer(tt.answer)
				c := opened(t, jwks.FromIssuer, pathIssuer, i, func(o *jwks.Options) { o.OnRefresh = func(jwks.RefreshEvent) {} })
				sleep(time.Hour)
				got := j.lines()
				if len(got) < 5 || len(got) > 7 {
					t.Errorf("%d lines in an hour, want one in ten minutes:\n%s", len(got), strings.Join(got, "\n"))
				}
				for _, line := range got {
					if !strings.Contains(line, "level=ERROR") || !strings.Contains(line, tt.want) || !strings.Contains(line, "none are cached") {
						t.Errorf("got %s", line)
					}
					if strings.Count(line, tt.want) > 1 && !strings.Contains(tt.want, "reset") {
						t.Errorf("what is the same everywhere is said once: %s", line)
					}
				}
				i.answer(site{oauthForm: metadata(pathIssuer, keySetURL), keySetURL: body(keySet("a"))}.serve)
				sleep(2 * time.Minute)
				if again := j.lines()[len(got):]; len(again) != 1 || !strings.Contains(again[0], "level=INFO msg=\"keys fetched again\"") {
					t.Errorf("when all is well again: %q", again)
				}
				sleep(time.Hour)
				i.answer(status(500))
				sleep(9 * time.Minute)
				if last := j.lines()[len(got)+1:]; len(last) != 1 || !strings.Contains(last[0], "those cached stay in use") {
					t.Errorf("a new outage: %q", last)
				}
				c.Close()
			})
		})
	}
}

// flaky fails with another text each time, as network errors with ports in them do.
func flaky() http.HandlerFunc {
	n := 40000
	return func(w http.ResponseWriter, _ *http.Request) {
		n++
		w.(*recorder).fault = fmt.Errorf("read tcp 127.0.0.1:%d->127.0.0.1:443: connection reset by peer", n)
	}
}

func TestWhatIsWellIsNotLoggedByDefault(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := defaultLog(t)
		i := newIssuer("a")
		i.answer(body(set(edJWK("a", 0), map[string]any{"kty": "AKP", "kid": "pq"})))
		c := warm(t, i)
		i.answer(nil)
		i.setKeys("a", "b")
		sleep(time.Hour)
		i.answer(hang)
		go answerOf(c, "x")
		sleep(time.Second)
		c.Close() // in the middle of a fetch: no problem of the issuer's (N6)
		sleep(time.Minute)
		if got := j.lines(); len(got) != 0 {
			t.Errorf("logged %q", got)
		}
	})
}

func TestLoggerTakesTheDefaultsPlace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		def, own := defaultLog(t), new(journal)
		for _, logger := range []*slog.Logger{own.logger(), slog.New(slog.DiscardHandler)} {
			i := newIssuer()
			i.answer(status(500))
			open(t, i, func(o *jwks.Options) { o.Logger = logger })
			sleep(time.Minute)
		}
		if got := def.lines(); len(got) != 0 {
			t.Errorf("the default log has %q", got)
		}
		if got := own.lines(); len(got) != 1 {
			t.Errorf("the Logger has %q, want one line", got)
		}
	})
}

// The private part of a key and a snapshot file that cannot be used are told as well.
func TestOtherProblemsAreLoggedByDefault(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := defaultLog(t)
		i := newIssuer()
		i.answer(body(set(with(edJWK("a", 0), map[string]any{"d": "AA"}))))
		warm(t, i, func(o *jwks.Options) { o.SnapshotFile = "/nowhere/keys" })
		sleep(time.Second)
		if got := strings.Join(j.lines(), "\n"); !strings.Contains(got, "private part") || !strings.Contains(got, "snapshot_error") {
			t.Errorf("logged %s", got)
		}
	})
}

// T9: when no key of a set is usable, each is told with its reason.
func TestASetWithoutAUsableKeyIsExplained(t *testing.T) {
	short := rsaJWK("a", 1024)
	for name, tt := range map[string]struct {
		key  any
		want jwks.SkipReason
	}{
		"too short":      {short, jwks.SkipRSASize},
		"for encryption": {with(rsaJWK("a", 2048), map[string]any{"use": "enc", "alg": "RSA-OAEP"}), jwks.SkipUse},
		"symmetric":      {map[string]any{"kty": "oct", "kid": "a", "k": "c2VjcmV0"}, jwks.SkipSymmetric},
		"post-quantum":   {map[string]any{"kty": "AKP", "kid": "a", "pub": "AA"}, jwks.SkipKeyType},
		"key agreement":  {with(edJWK("a", 0), map[string]any{"crv": "X25519", "alg": nil}), jwks.SkipCurve},
	} {
		t.Run(name, func(t *testing.T) {
			for _, cached := range []bool{false, true} {
				bubble(t, func(t *testing.T) {
					var told []jwks.Skip
					var log bytes.Buffer
					i := newIssuer("good")
					hooks := func(o *jwks.Options) {
						o.OnRefresh = jwks.LogRefreshes(slog.New(slog.NewTextHandler(&log, nil)))
						o.OnKeySkipped = func(s jwks.Skip) { told = append(told, s) }
					}
					var c *jwks.Cache
					if cached {
						c = warm(t, i, hooks)
					}
					i.answer(body(set(tt.key)))
					if !cached {
						c = open(t, i, hooks)
					}
					err := c.Refresh(t.Context())
					sleep(20 * time.Minute)
					want := jwks.Skip{KeyID: "a", Reason: tt.want}
					if err == nil || len(told) != 1 || told[0] != want {
						t.Errorf("got %v, told %v; want it told once", err, told)
					}
					if s := c.Status(); len(s.Skipped) != 1 || s.Skipped[0] != want {
						t.Errorf("status tells %v", s.Skipped)
					}
					if got := log.String(); !strings.Contains(got, "level=ERROR") || !strings.Contains(got, fmt.Sprintf("reason:%s", tt.want)) && !strings.Contains(got, string(tt.want)) {
						t.Errorf("logged %s", got)
					}
					check(t, c, "good", map[bool]string{true: "served", false: "not judged"}[cached])
					c.Close()
				})
			}
		})
	}
}

func TestErrorsOfClosedCachesAreNotLogged(t *testing.T) {
	j := new(journal)
	jwks.LogRefreshes(j.logger())(jwks.RefreshEvent{Err: errors.New("x")})
	if got := j.lines(); len(got) != 1 {
		t.Errorf("logged %q", got)
	}
}
