package jwks_test

import (
	"crypto/elliptic"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/jwks"
)

// kept opens a Cache with a snapshot file.
func kept(t *testing.T, i *issuer, file string, set ...func(*jwks.Options)) *jwks.Cache {
	return open(t, i, append(set, func(o *jwks.Options) { o.SnapshotFile = file })...)
}

// privateFolder is a folder of the test's own, whatever the umask.
func privateFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	return folder
}

// give gives a file or folder to another user, or skips the test.
func give(t *testing.T, file string) {
	t.Helper()
	if runtime.GOOS == "windows" || os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	if err := os.Chown(file, 12345, -1); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, file string, mode os.FileMode) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("no modes here")
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}

// saved returns a snapshot file of a cache that was closed after a good fetch.
func saved(t *testing.T, doc string) string {
	file := filepath.Join(privateFolder(t), "keys.json")
	i := newIssuer()
	i.answer(body(doc))
	c := kept(t, i, file)
	if err := c.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Close()
	return file
}

func TestK32_RestartDuringAnOutageServes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		file := saved(t, set(
			edJWK("ed", 0), with(rsaJWK("rsa", 2048), map[string]any{"alg": "PS256"}), rsaJWK("bare", 4096), with(edJWK("x", 7), map[string]any{"kid": nil}),
			ecJWK(t, "p256", elliptic.P256()), ecJWK(t, "p384", elliptic.P384()), ecJWK(t, "p521", elliptic.P521()),
		))
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, want 0600", info.Mode())
		}
		if left, _ := os.ReadDir(filepath.Dir(file)); len(left) != 1 {
			t.Errorf("%d files in the folder, want the snapshot alone", len(left))
		}

		sleep(time.Hour)
		i := newIssuer()
		i.answer(hang)
		c := kept(t, i, file)
		began := time.Now()
		for _, kid := range []string{"ed", "rsa", "bare", "p256", "p384", "p521"} {
			check(t, c, kid, "served")
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v, want none", took)
		}
		s := c.Status()
		if s.State != jwks.StateStale || s.Age != time.Hour || len(s.Keys) != 7 || s.Keys[1].Algorithm != "PS256" || s.Keys[2].Algorithm != "" {
			t.Errorf("status %+v", s)
		}
		sleep(23*time.Hour - time.Second)
		check(t, c, "ed", "served")
		sleep(time.Second)
		check(t, c, "ed", "not judged")
	})
}

// A fetch that a token caused reads no metadata, and so lets keys live no longer: nor after a
// restart.
func TestK32_AFetchThatATokenCausedMakesNoSnapshotYounger(t *testing.T) {
	bubble(t, func(t *testing.T) {
		file := filepath.Join(privateFolder(t), "keys.json")
		rare := func(o *jwks.Options) { o.RefreshEvery, o.MaxStale, o.SnapshotFile = 24*time.Hour, 24*time.Hour, file }
		i := newIssuer()
		i.answer(site{oauthForm: metadata(pathIssuer, keySetURL), keySetURL: body(keySet("a"))}.serve)
		c := opened(t, jwks.FromIssuer, pathIssuer, i, rare)
		if err := c.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		sleep(15 * time.Hour)
		i.answer(site{keySetURL: body(keySet("a", "b"))}.serve)
		check(t, c, "b", "served")
		synctest.Wait()
		before := c.Status().Age
		c.Close()
		i.answer(hang)
		again := opened(t, jwks.FromIssuer, pathIssuer, i, rare)
		check(t, again, "b", "served")
		if got := again.Status().Age; before != 15*time.Hour || got != before {
			t.Errorf("the keys are %v old after a restart, and %v before", got, before)
		}
		sleep(9 * time.Hour)
		check(t, again, "b", "not judged")
	})
}

func TestK32_FirstFetchReplacesTheSnapshot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		file := saved(t, keySet("a", "b"))
		i := newIssuer("a", "c")
		c := kept(t, i, file)
		if err := c.Refresh(t.Context()); err != nil { // waits for the fetch, not for the file
			t.Fatal(err)
		}
		check(t, c, "c", "served")
		check(t, c, "b", "refused")
		synctest.Wait()
		i.answer(hang)
		sleep(time.Hour)
		c.Close()
		check(t, kept(t, i, file), "c", "served")
	})
}

func TestK32_FilesThatAreRefused(t *testing.T) {
	edit := func(old, new string) func(*testing.T, string) {
		return func(t *testing.T, file string) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), old) {
				t.Fatalf("no %q in %s", old, text)
			}
			if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), old, new)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, change := range map[string]func(*testing.T, string){
		"past max-stale":          func(*testing.T, string) { sleep(24 * time.Hour) },
		"of another issuer":       edit(`"source":"`+keySetURL, `"source":"https://evil.example`),
		"of another URL":          edit(`"url":"`+keySetURL, `"url":"https://evil.example/keys`),
		"from the future":         edit(`"fetched":"2000-01-01`, `"fetched":"2000-01-03`),
		"truncated":               edit(`]}`, ``),
		"without keys":            edit(`"kid"`, `"kid":1,"kid"`),
		"of another program":      edit(`"source"`, `"sauce"`),
		"longer than allowed":     edit(`"source"`, strings.Repeat(" ", 5<<20)+`"source"`),
		"writable by its group":   func(t *testing.T, file string) { chmod(t, file, 0o620) },
		"writable by all":         func(t *testing.T, file string) { chmod(t, file, 0o602) },
		"of another user":         func(t *testing.T, file string) { give(t, file) },
		"in another user's place": func(t *testing.T, file string) { give(t, filepath.Dir(file)) },
		"in a place of a group":   func(t *testing.T, file string) { chmod(t, filepath.Dir(file), 0o770) },
		"in a place for all":      func(t *testing.T, file string) { chmod(t, filepath.Dir(file), os.ModeSticky|0o777) },
		"a link to another user's": func(t *testing.T, file string) {
			theirs := filepath.Join(privateFolder(t), "theirs")
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(theirs, text, 0o600); err != nil {
				t.Fatal(err)
			}
			give(t, theirs)
			os.Remove(file)
			if err := os.Symlink(theirs, file); err != nil {
				t.Fatal(err)
			}
		},
		"a folder": func(t *testing.T, file string) {
			os.Remove(file)
			if err := os.Mkdir(file, 0o700); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				file := saved(t, keySet("a"))
				change(t, file)
				i := newIssuer()
				i.answer(status(500))
				events := make(chan jwks.RefreshEvent, 10)
				c := kept(t, i, file, func(o *jwks.Options) { o.OnRefresh = func(e jwks.RefreshEvent) { events <- e } })
				check(t, c, "a", "not judged")
				synctest.Wait()
				if e := <-events; e.SnapshotErr == nil || e.Trigger != jwks.TriggerSnapshot {
					t.Errorf("event %+v, want why the file is refused", e)
				}
			})
		})
	}
}

func TestSnapshotOfAnIssuerNeedsNoDiscovery(t *testing.T) {
	bubble(t, func(t *testing.T) {
		file := filepath.Join(privateFolder(t), "keys.json")
		use := func(o *jwks.Options) { o.SnapshotFile = file }
		c, _ := discover(t, site{oauthForm: metadata(pathIssuer, keySetURL), keySetURL: body(keySet("a"))}, use)
		if err := c.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Close()
		c, _ = discover(t, site{oauthForm: status(500), keySetURL: body(keySet("a", "b"))}, use)
		check(t, c, "b", "served")
	})
}

// The URL in a file is held to what an issuer's metadata is: it is where keys are fetched from
// next.
func TestK32_AnIssuersSnapshotLeadsNowhereElse(t *testing.T) {
	for _, url := range []string{"http://issuer.example/keys", "ftp://issuer.example/keys", "https://user:pw@issuer.example/keys", ""} {
		bubble(t, func(t *testing.T) {
			file := filepath.Join(privateFolder(t), "keys.json")
			use := func(o *jwks.Options) { o.SnapshotFile = file }
			c, _ := discover(t, site{oauthForm: metadata(pathIssuer, keySetURL), keySetURL: body(keySet("a"))}, use)
			if err := c.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.Close()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), `"url":"`+keySetURL, `"url":"`+url)), 0o600); err != nil {
				t.Fatal(err)
			}
			c, i := discover(t, site{oauthForm: status(500)}, use)
			check(t, c, "a", "not judged")
			for _, asked := range i.urls() {
				if !strings.HasPrefix(asked, issuerURL+"/") || !strings.Contains(asked, "/.well-known/") {
					t.Errorf("%q: asked for %s", url, asked)
				}
			}
		})
	}
}

func TestSnapshotHoldsNoPrivatePart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		secret := b64([]byte("the private part of the key, 32b"))
		file := saved(t, set(with(edJWK("a", 0), map[string]any{"d": secret})))
		text, err := os.ReadFile(file)
		if err != nil || strings.Contains(string(text), secret) || strings.Contains(string(text), `"d"`) {
			t.Errorf("the file says %s, %v", text, err)
		}
	})
}

func TestSnapshotThatCannotBeWrittenIsReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		events := make(chan jwks.RefreshEvent, 10)
		c := kept(t, i, filepath.Join(privateFolder(t), "missing", "keys.json"), func(o *jwks.Options) { o.OnRefresh = func(e jwks.RefreshEvent) { events <- e } })
		check(t, c, "a", "served")
		if e := <-events; e.SnapshotErr == nil || e.Err != nil {
			t.Errorf("event %+v, want a snapshot error alone", e)
		}
	})
}

// What the next start would not use is told when it is written.
func TestSnapshotInAPlaceOfOthersIsReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		file := filepath.Join(privateFolder(t), "keys.json")
		chmod(t, filepath.Dir(file), 0o777)
		i := newIssuer("a")
		var told error
		c := kept(t, i, file, func(o *jwks.Options) { o.OnRefresh = func(e jwks.RefreshEvent) { told = e.SnapshotErr } })
		check(t, c, "a", "served")
		synctest.Wait()
		if told == nil || !strings.Contains(told.Error(), "mode 0700") {
			t.Errorf("told %v, want what to do", told)
		}
		if _, err := os.Stat(file); err == nil {
			t.Error("the file was written all the same")
		}
	})
}
