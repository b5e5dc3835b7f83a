//go:build unix

package redisauth_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/bearward/bearward/adapters/redisauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/revocation"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

const ttl = 3 * time.Second

func TestNewNamesWhatIsInvalid(t *testing.T) {
	one := []string{"127.0.0.1:1"}
	for want, c := range map[string]struct {
		client rueidis.ClientOption
		opts   redisauth.Options
	}{
		"InitAddress is required": {},
		"several servers":         {client: rueidis.ClientOption{InitAddress: []string{"a:1", "b:1"}}},
		"sends to replicas":       {client: rueidis.ClientOption{InitAddress: one, ReplicaOnly: true}},
		"Options.Prefix":          {rueidis.ClientOption{InitAddress: one}, redisauth.Options{Prefix: strings.Repeat("x", 65)}},
		"Options.MaxRevocations":  {rueidis.ClientOption{InitAddress: one}, redisauth.Options{MaxRevocations: -1}},
	} {
		if _, err := redisauth.New(c.client, &c.opts); err == nil || !contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestServersThatCouldForgetAreRefused(t *testing.T) {
	primary := startRedis(t)
	_, port, _ := strings.Cut(primary.addr, ":")
	for want, args := range map[string][]string{
		"is a replica":    {"--replicaof", "127.0.0.1 " + port},
		"may evict":       {"--maxmemory-policy", "volatile-ttl"},
		"is of a cluster": {"--cluster-enabled", "yes"},
	} {
		t.Run(want, func(t *testing.T) {
			s := newStore(t, startRedis(t, args...).addr, nil)
			looked(t, s)
			_, err := s.First(bounded(t), "o", "1", ttl)
			if err == nil || !contains(err.Error(), want) {
				t.Errorf("First: %v, want %q", err, want)
			}
			if _, err := s.Revoked(bounded(t), principal(t, "1")); err == nil || !contains(err.Error(), want) {
				t.Errorf("Revoked: %v, want %q", err, want)
			}
			if err := s.Check(bounded(t)); err == nil || !contains(err.Error(), want) {
				t.Errorf("Check: %v, want %q", err, want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	r := startRedis(t)
	s := newStore(t, r.addr, nil)
	looked(t, s)
	if err := s.Check(bounded(t)); err == nil || !contains(err.Error(), "append-only") {
		t.Errorf("without AOF: %v", err)
	}
	r.cli("CONFIG", "SET", "appendonly", "yes")
	if err := s.Check(bounded(t)); err != nil {
		t.Errorf("with AOF: %v", err)
	}
	r.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	if err := s.Check(bounded(t)); err == nil || !contains(err.Error(), "may evict") {
		t.Errorf("evicting: %v", err)
	}
	if _, err := s.First(bounded(t), "o", "1", ttl); err == nil {
		t.Error("an evicting server answers")
	}
	r.cli("CONFIG", "SET", "maxmemory-policy", "noeviction")
	ready(t, s)
}

func TestOneOwnerFillsAtMostAQuarter(t *testing.T) {
	const maxmemory = 4 << 20
	s := newStore(t, startRedis(t, "--maxmemory", fmt.Sprint(maxmemory)).addr, nil)
	kept := 0
	for i := range maxmemory / 200 {
		first, err := s.First(bounded(t), "greedy", fmt.Sprint(i), time.Minute)
		if errors.Is(err, dpop.ErrOwnerFull) {
			break
		}
		if err != nil || !first {
			t.Fatal(i, first, err)
		}
		kept++
	}
	if kept < 500 || kept > maxmemory/200/4 {
		t.Errorf("one owner holds %d", kept)
	}
	if first, err := s.First(bounded(t), "greedy", "0", ttl); first || err != nil {
		t.Errorf("a proof that is known: %v %v", first, err)
	}
	if first, err := s.First(bounded(t), "modest", "x", ttl); !first || err != nil {
		t.Errorf("another owner: %v %v", first, err)
	}
}

func principal(t *testing.T, jti string) *auth.Principal {
	t.Helper()
	p, err := auth.NewPrincipal(fmt.Appendf(nil, `{"iss":"i","sub":"alice","client_id":"app","jti":%q,"iat":1000}`, jti))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRevocationsAreSharedByReplicas(t *testing.T) {
	r := startRedis(t)
	a, b := newStore(t, r.addr, nil), newStore(t, r.addr, nil)
	until := time.Now().Add(time.Hour)
	at := time.Unix(1000, 0)
	for name, c := range map[string]struct {
		entry revocation.Entry
		want  bool
	}{
		"a token":                 {revocation.Entry{Issuer: "i", TokenID: "1"}, true},
		"another token":           {revocation.Entry{Issuer: "i", TokenID: "2"}, false},
		"another issuer's":        {revocation.Entry{Issuer: "j", TokenID: "1"}, false},
		"a subject":               {revocation.Entry{Issuer: "i", Subject: "alice", IssuedBefore: at}, true},
		"a subject, issued later": {revocation.Entry{Issuer: "i", Subject: "alice", IssuedBefore: at.Add(-time.Second)}, false},
		"a client":                {revocation.Entry{Issuer: "i", ClientID: "app", IssuedBefore: at.Add(time.Millisecond)}, true},
		"a client of a subject":   {revocation.Entry{Issuer: "i", ClientID: "alice", IssuedBefore: until}, false},
	} {
		r.cli("FLUSHALL")
		c.entry.Until = until
		if err := a.Revoke(bounded(t), c.entry); err != nil {
			t.Fatal(name, err)
		}
		if got, err := b.Revoked(bounded(t), principal(t, "1")); got != c.want || err != nil {
			t.Errorf("%s: %v %v", name, got, err)
		}
		a, b = newStore(t, r.addr, nil), newStore(t, r.addr, nil)
	}
	if err := a.Revoke(bounded(t), revocation.Entry{TokenID: "1", Until: until}); err == nil || !contains(err.Error(), "Issuer") {
		t.Error(err)
	}
	small := newStore(t, r.addr, &redisauth.Options{MaxRevocations: 1})
	for i, want := range []error{nil, revocation.ErrFull} {
		if err := small.Revoke(bounded(t), revocation.Entry{Issuer: "i", TokenID: fmt.Sprint(i), Until: until}); !errors.Is(err, want) {
			t.Errorf("entry %d: %v", i, err)
		}
	}
	if got, err := a.Revoked(bounded(t), nil); got || err != nil {
		t.Errorf("nobody is revoked: %v %v", got, err)
	}
	noIat, _ := auth.NewPrincipal([]byte(`{"iss":"i","sub":"bob"}`))
	if err := a.Revoke(bounded(t), revocation.Entry{Issuer: "i", Subject: "bob", IssuedBefore: at, Until: until}); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Revoked(bounded(t), noIat); !got || err != nil {
		t.Errorf("without iat: %v %v", got, err)
	}
}

// A second entry never narrows the first.
func TestRevokeWidens(t *testing.T) {
	r := startRedis(t)
	s := newStore(t, r.addr, nil)
	at, until := time.Unix(1000, 0), time.Now().Add(time.Hour)
	for _, e := range []revocation.Entry{
		{IssuedBefore: at, Until: until},
		{IssuedBefore: at.Add(-time.Hour), Until: until.Add(-30 * time.Minute)},
	} {
		e.Issuer, e.Subject = "i", "alice"
		if err := newStore(t, r.addr, nil).Revoke(bounded(t), e); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Revoked(bounded(t), principal(t, "1")); !got || err != nil {
		t.Errorf("%v %v", got, err)
	}
	if left := r.cli("EVAL", "return redis.call('PTTL', redis.call('KEYS', 'bw:r*')[1])", "0"); len(strings.TrimSpace(left)) < 7 || left < "36" {
		t.Errorf("the entry lasts for %s ms", left)
	}
}

// Who lost its data gets this process's revocations again, and an operator is told.
func TestRevocationsAreWrittenAgain(t *testing.T) {
	var logged safeBuffer
	r := startRedis(t)
	s := newStore(t, r.addr, &redisauth.Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	if err := s.Revoke(bounded(t), revocation.Entry{Issuer: "i", TokenID: "1", Until: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	r.kill()
	r.start()
	eventually(t, "the store answers", func() bool { _, err := s.Revoked(briefly(t), principal(t, "1")); return err == nil })
	if got, err := s.Revoked(bounded(t), principal(t, "1")); !got || err != nil {
		t.Errorf("after a restart that came back empty: %v %v", got, err)
	}
	if !contains(logged.String(), "level=ERROR msg=\"Redis has lost its data") {
		t.Errorf("logged %s", logged.String())
	}
	r.cli("FLUSHALL")
	if got, err := s.Revoked(bounded(t), principal(t, "1")); !got || err != nil {
		t.Errorf("after FLUSHALL: %v %v", got, err)
	}
}

// A hung Redis does not hang its callers, however many they are, and Close ends everything.
func TestAHungRedisHangsNobody(t *testing.T) {
	before := runtime.NumGoroutine()
	r := startRedis(t)
	s := newStore(t, r.addr, nil)
	ready(t, s)
	r.signal(syscall.SIGSTOP)
	var all sync.WaitGroup
	for i := range 3000 {
		all.Go(func() {
			if first, err := s.First(briefly(t), "o", fmt.Sprint(i), ttl); first || err == nil {
				t.Error("a stopped server answered")
			}
		})
	}
	all.Wait()
	s.Close()
	r.signal(syscall.SIGCONT)
	if _, err := s.First(bounded(t), "o", "x", ttl); err == nil {
		t.Error("a closed Store answers")
	}
	s.Close()
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before+1 })
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
