package revocation_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/revocation"
)

// tokenOf is the Principal of a token with these claims.
func tokenOf(t *testing.T, claims string, args ...any) *auth.Principal {
	t.Helper()
	p, err := auth.NewPrincipal(fmt.Appendf(nil, claims, args...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func isRevoked(t *testing.T, s *revocation.Memory, p *auth.Principal) bool {
	t.Helper()
	revoked, err := s.Revoked(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return revoked
}

func TestAnEntryMeansNothingElse(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	const iss, sub, client, jti = "https://issuer.example", "alice", "app", "token-1"
	of := func(iss, sub, client, jti string, iat time.Time) *auth.Principal {
		return tokenOf(t, `{"iss":%q,"sub":%q,"client_id":%q,"jti":%q,"iat":%d,"exp":%d}`, iss, sub, client, jti, iat.Unix(), now.Unix()+3600)
	}
	good := of(iss, sub, client, jti, now.Add(-time.Minute))
	for _, tt := range []struct {
		name  string
		entry revocation.Entry
		spare *auth.Principal // what differs in the one thing that counts
	}{
		{"a token", revocation.Entry{TokenID: jti}, of(iss, sub, client, "token-2", now.Add(-time.Minute))},
		{"a token of another issuer", revocation.Entry{TokenID: jti}, of("https://other.example", sub, client, jti, now.Add(-time.Minute))},
		{"a subject", revocation.Entry{Subject: sub, IssuedBefore: now}, of(iss, "bob", client, jti, now.Add(-time.Minute))},
		{"a subject of another issuer", revocation.Entry{Subject: sub, IssuedBefore: now}, of("https://other.example", sub, client, jti, now.Add(-time.Minute))},
		{"a subject that logged in again", revocation.Entry{Subject: sub, IssuedBefore: now}, of(iss, sub, client, jti, now.Add(time.Second))},
		{"a client", revocation.Entry{ClientID: client, IssuedBefore: now}, of(iss, sub, "other", jti, now.Add(-time.Minute))},
		{"a client of another issuer", revocation.Entry{ClientID: client, IssuedBefore: now}, of("https://other.example", sub, client, jti, now.Add(-time.Minute))},
		{"a client that got another token", revocation.Entry{ClientID: client, IssuedBefore: now}, of(iss, sub, client, jti, now.Add(time.Second))},
		{"a subject of a client's name", revocation.Entry{Subject: client, IssuedBefore: now}, good},
		{"a client of a subject's name", revocation.Entry{ClientID: sub, IssuedBefore: now}, good},
		{"a token of a subject's name", revocation.Entry{TokenID: sub}, good},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := revocation.NewMemory(0)
			tt.entry.Issuer, tt.entry.Until = iss, now.Add(time.Hour)
			if err := s.Revoke(t.Context(), tt.entry); err != nil {
				t.Fatal(err)
			}
			if isRevoked(t, s, tt.spare) {
				t.Error("a token that is not meant is revoked")
			}
			if tt.spare != good && !isRevoked(t, s, good) {
				t.Error("the token is not revoked")
			}
			if isRevoked(t, s, nil) || isRevoked(t, s, new(auth.Principal)) {
				t.Error("a Principal of nobody is revoked")
			}
		})
	}
}

// An issuer writes whole seconds: of the second in which all were revoked no token is taken for a
// later one.
func TestATokenOfTheSameSecondIsRevoked(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	for _, at := range []time.Duration{0, time.Millisecond, 999 * time.Millisecond} {
		s := revocation.NewMemory(0)
		err := s.Revoke(t.Context(), revocation.Entry{Issuer: "i", Subject: "alice", IssuedBefore: now.Add(at), Until: now.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		for iat, want := range map[int64]bool{-1: true, 0: true, 1: false} {
			if got := isRevoked(t, s, tokenOf(t, `{"iss":"i","sub":"alice","iat":%d}`, now.Unix()+iat)); got != want {
				t.Errorf("revoked at %v, issued at %d s: %v, want %v", at, iat, got, want)
			}
		}
		if !isRevoked(t, s, tokenOf(t, `{"iss":"i","sub":"alice"}`)) {
			t.Errorf("revoked at %v: a token that does not say when it was issued passes", at)
		}
	}
}

func TestAnEntryThatSaysTooLittleIsRefused(t *testing.T) {
	s := revocation.NewMemory(1)
	now := time.Now()
	full := func(change func(*revocation.Entry)) revocation.Entry {
		r := revocation.Entry{Issuer: "i", Subject: "alice", IssuedBefore: now, Until: now.Add(time.Hour)}
		change(&r)
		return r
	}
	for want, r := range map[string]revocation.Entry{
		"Entry.Issuer is required":                       full(func(r *revocation.Entry) { r.Issuer = "" }),
		"needs one of TokenID, Subject and ClientID":     full(func(r *revocation.Entry) { r.Subject = "" }),
		"Entry needs one of":                             full(func(r *revocation.Entry) { r.ClientID = "app" }),
		"Entry.IssuedBefore is not for":                  full(func(r *revocation.Entry) { r.Subject, r.TokenID = "", "1" }),
		"Entry.IssuedBefore is required":                 full(func(r *revocation.Entry) { r.IssuedBefore = time.Time{} }),
		"Entry.Until is required":                        full(func(r *revocation.Entry) { r.Until = time.Time{} }),
		"Entry.Until is more than 5m0s ago: no token th": full(func(r *revocation.Entry) { r.Until = now.Add(-5 * time.Minute) }),
	} {
		if err := s.Revoke(t.Context(), r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", r, err, want)
		}
	}
	if s.Len() != 0 {
		t.Errorf("%d entries", s.Len())
	}
	defer func() {
		if recover() == nil {
			t.Error("room for -1 entries")
		}
	}()
	revocation.NewMemory(-1)
}

// A token is accepted for the leeway after its end: so long its revocation must last.
func TestAnEntryOutlivesTheLeeway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := revocation.NewMemory(0)
		until := time.Now().Add(time.Hour)
		p := tokenOf(t, `{"iss":"i","jti":"1","exp":%d}`, until.Unix())
		r := revocation.Entry{Issuer: "i", TokenID: "1", Until: until}
		if err := s.Revoke(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour + 5*time.Minute - time.Second)
		if !isRevoked(t, s, p) {
			t.Error("a second before the longest leeway ends, the token is not revoked")
		}
		time.Sleep(time.Second)
		if isRevoked(t, s, p) {
			t.Error("an entry that is over is in force")
		}
	})
}

// There is never room for one entry by dropping another that is in force.
func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 3
		s := revocation.NewMemory(most)
		revoke := func(jti string, d time.Duration) error {
			return s.Revoke(t.Context(), revocation.Entry{Issuer: "i", TokenID: jti, Until: time.Now().Add(d - 5*time.Minute)})
		}
		for i := range most {
			if err := revoke(fmt.Sprint(i), time.Duration(i+1)*time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		if err := revoke("3", time.Hour); !errors.Is(err, revocation.ErrFull) {
			t.Errorf("one too many: %v", err)
		}
		for i := range most {
			if !isRevoked(t, s, tokenOf(t, `{"iss":"i","jti":"%d"}`, i)) {
				t.Errorf("token %d is not revoked any more", i)
			}
		}
		if err := revoke("0", 10*time.Minute); err != nil {
			t.Errorf("a longer end for an entry that is there: %v", err)
		}
		if err := revoke("0", time.Minute); err != nil {
			t.Errorf("a shorter end for an entry that is there: %v", err)
		}
		time.Sleep(time.Minute)
		if err := revoke("3", time.Hour); !errors.Is(err, revocation.ErrFull) {
			t.Errorf("the entry whose end was moved made room: %v", err)
		}
		time.Sleep(time.Minute)
		if err := revoke("3", time.Hour); err != nil {
			t.Errorf("after the end of one: %v", err)
		}
		for jti, want := range map[string]bool{"0": true, "1": false, "2": true, "3": true} {
			if got := isRevoked(t, s, tokenOf(t, `{"iss":"i","jti":%q}`, jti)); got != want {
				t.Errorf("token %s: revoked %v", jti, got)
			}
		}
	})
}

// TestMemoryAgainstAList compares the store with a list of all that was ever revoked, through
// random calls and times. At the end nothing is left.
func TestMemoryAgainstAList(t *testing.T) {
	const seed = 7
	chance := rand.New(rand.NewPCG(seed, seed))
	synctest.Test(t, func(t *testing.T) {
		s := revocation.NewMemory(0)
		var list []made
		for range 3000 {
			time.Sleep(time.Duration(chance.IntN(400)) * time.Second)
			now := time.Now()
			r := revocation.Entry{Issuer: []string{"i", "j"}[chance.IntN(2)], Until: now.Add(time.Duration(chance.IntN(3600)-300) * time.Second)}
			name := []string{"a", "b", "c"}[chance.IntN(3)]
			if kind := chance.IntN(3); kind == 0 {
				r.TokenID = name
			} else {
				r.IssuedBefore = now.Add(-time.Duration(chance.IntN(1800)) * time.Second)
				*[]*string{&r.Subject, &r.ClientID}[kind-1] = name
			}
			if r.Until.Add(5*time.Minute).After(now) != (s.Revoke(t.Context(), r) == nil) {
				t.Fatalf("%+v at %v", r, now)
			}
			list = append(list, made{r, now})
			iss, jti, sub, app := []string{"i", "j"}[chance.IntN(2)], "abc"[chance.IntN(3):][:1], "abc"[chance.IntN(3):][:1], "abc"[chance.IntN(3):][:1]
			iat := now.Add(-time.Duration(chance.IntN(1800)) * time.Second)
			got := isRevoked(t, s, tokenOf(t, `{"iss":%q,"jti":%q,"sub":%q,"client_id":%q,"iat":%d}`, iss, jti, sub, app, iat.Unix()))
			if want := listed(list, now, iss, jti, sub, app, iat.Truncate(time.Second)); got != want {
				t.Fatalf("after %d calls: %v, want %v", len(list), got, want)
			}
		}
		time.Sleep(24 * time.Hour)
		if err := s.Revoke(t.Context(), revocation.Entry{Issuer: "i", TokenID: "last", Until: time.Now()}); err != nil || s.Len() != 1 {
			t.Errorf("%d entries are left when all are over, %v", s.Len(), err)
		}
	})
}

// A made is an Entry, and when it was made.
type made struct {
	revocation.Entry
	at time.Time
}

// listed is Revoked over a list: entries of one name count as one that has the widest of each, as
// long as they overlap.
func listed(list []made, now time.Time, iss, jti, sub, app string, iat time.Time) bool {
	for _, of := range []func(made) bool{
		func(r made) bool { return r.TokenID == jti },
		func(r made) bool { return r.Subject == sub },
		func(r made) bool { return r.ClientID == app },
	} {
		var before, end time.Time
		for _, r := range list {
			if r.Issuer != iss || !of(r) {
				continue
			}
			if !end.After(r.at) {
				before, end = time.Time{}, time.Time{}
			}
			if r.IssuedBefore.After(before) {
				before = r.IssuedBefore
			}
			if r.Until.Add(5 * time.Minute).After(end) {
				end = r.Until.Add(5 * time.Minute)
			}
		}
		if end.After(now) && (before.IsZero() || !iat.After(before)) {
			return true
		}
	}
	return false
}

func TestMemoryServesConcurrently(t *testing.T) {
	s := revocation.NewMemory(0)
	until := time.Now().Add(time.Hour)
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 200 {
				jti := fmt.Sprintf("%d-%d", g, i)
				if err := s.Revoke(t.Context(), revocation.Entry{Issuer: "i", TokenID: jti, Until: until}); err != nil {
					t.Error(err)
				}
				if p := tokenOf(t, `{"iss":"i","jti":%q}`, jti); !isRevoked(t, s, p) {
					t.Errorf("%s is not revoked when Revoke has returned", jti)
				}
			}
		})
	}
	all.Wait()
	if s.Len() != 800 {
		t.Errorf("%d entries", s.Len())
	}
}

func TestRevokedCostsNoAllocation(t *testing.T) {
	s := revocation.NewMemory(0)
	until := time.Now().Add(time.Hour)
	for _, r := range []revocation.Entry{{TokenID: "2"}, {Subject: "bob", IssuedBefore: until}, {ClientID: "other", IssuedBefore: until}} {
		r.Issuer, r.Until = "i", until
		if err := s.Revoke(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	p := tokenOf(t, `{"iss":"i","jti":"1","sub":"alice","client_id":"app"}`)
	if n := testing.AllocsPerRun(100, func() { isRevoked(t, s, p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
