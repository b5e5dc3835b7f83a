package jwks

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/bearward/bearward/internal/fetch"
)

// maxSnapshot bounds the file that is read: a thousand 8192-bit keys fit.
const maxSnapshot = 4 << 20

// A snapshot is the content of Options.SnapshotFile. It is written from the keys in use, never from
// the document that was fetched. So a private part that an issuer published by mistake does not
// reach the disk.
type snapshot struct {
	Source    string     `json:"source"`         // the issuer, or the URL, that the keys belong to
	URL       string     `json:"url"`            // of the key set
	FetchedAt time.Time  `json:"fetched"`        // by the wall clock: it outlives the process
	Keys      []material `json:"keys,omitempty"` // public parts
}

// material is the public part of a key as a JWK, and how to use it.
type material struct {
	KeyType   string `json:"kty"`
	KeyID     string `json:"kid,omitempty"`
	Algorithm string `json:"alg,omitempty"`
	Curve     string `json:"crv,omitempty"`
	N         string `json:"n,omitempty"`
	E         string `json:"e,omitempty"`
	X         string `json:"x,omitempty"`
	Y         string `json:"y,omitempty"`
}

// saveSnapshot replaces the file atomically, readable by its owner only.
func saveSnapshot(file string, s snapshot) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("jwks: save snapshot: %w", err)
		}
	}()
	if err := checkFolder(file); err != nil { // or the next start would not use it
		return err
	}
	content, err := json.Marshal(s)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".jwks-*") // made with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(content); err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// loadSnapshot reads the file and tells how old its keys are. It refuses a file that is of another
// source, malformed, older than maxStale, or open to others' hands.
func (f *fetcher) loadSnapshot(file string, maxStale time.Duration) (document, time.Duration, error) {
	content, err := readOwned(file)
	if err != nil {
		return document{}, 0, fmt.Errorf("jwks: load snapshot: %w", err)
	}
	var s snapshot
	if err := json.Unmarshal(content, &s); err != nil {
		return document{}, 0, fmt.Errorf("jwks: load snapshot %s: %w", file, err)
	}
	age := time.Since(s.FetchedAt)
	if err := f.checkSnapshot(s, age, maxStale); err != nil {
		return document{}, 0, fmt.Errorf("jwks: load snapshot %s: %w", file, err)
	}
	d, err := parse(content, f.maxKeys) // under the same policy as a fetched set
	if err != nil {
		return document{}, 0, fmt.Errorf("jwks: load snapshot %s: %w", file, err)
	}
	f.url = s.URL
	return d, max(0, age), nil
}

// checkSnapshot tells why s is not to be used.
func (f *fetcher) checkSnapshot(s snapshot, age, maxStale time.Duration) error {
	switch {
	case s.Source != f.name: // check: snapshot-source
		return fmt.Errorf("it belongs to %q, not %q", truncate(fetch.RedactURL(s.Source)), fetch.RedactURL(f.name))
	case age < -time.Minute: // check: snapshot-future
		return errors.New("it is from the future") // by more than the schedule of two machines may differ
	case age >= maxStale: // check: snapshot-age
		return fmt.Errorf("it is %v old", age.Round(time.Second))
	case f.issuer == nil && s.URL != f.url: // check: snapshot-url
		return fmt.Errorf("its keys are from %q", truncate(fetch.RedactURL(s.URL)))
	case f.issuer != nil:
		// check: snapshot-key-set-url
		return fetch.CheckNamedURL(s.URL, f.issuer, f.allowHTTP)
	}
	return nil
}

// readOwned reads a file that nobody else can have written, nor put there.
func readOwned(file string) ([]byte, error) {
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() { // opening a pipe would wait for a writer
		return nil, fmt.Errorf("%s is not a file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", file)
	}
	if err := checkOwner(info); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := checkFolder(file); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, maxSnapshot)) // what is cut is malformed
}

// checkFolder tells why others could put a file of theirs in the place of this one.
func checkFolder(file string) error {
	folder := filepath.Dir(file)
	info, err := os.Stat(folder)
	if err != nil {
		return err
	}
	if err := checkOwner(info); err != nil { // check: snapshot-folder
		return fmt.Errorf("folder %s: %w: give the file a folder of its own with mode 0700", folder, err)
	}
	return nil
}

// toJWKs turns keys back into JWKs.
func toJWKs(keys []*Key) ([]material, error) {
	encode := base64.RawURLEncoding.EncodeToString
	all := make([]material, 0, len(keys))
	for _, k := range keys {
		m := material{KeyID: k.ID, Algorithm: k.Algorithm}
		switch public := k.Public.(type) {
		case *rsa.PublicKey:
			m.KeyType, m.N, m.E = "RSA", encode(public.N.Bytes()), encode(big.NewInt(int64(public.E)).Bytes())
		case *ecdsa.PublicKey:
			point, err := public.Bytes() // 4, then x and y in full length
			if err != nil {
				return nil, err
			}
			half := len(point) / 2
			m.KeyType, m.Curve = "EC", public.Curve.Params().Name
			m.X, m.Y = encode(point[1:1+half]), encode(point[1+half:])
		case ed25519.PublicKey:
			m.KeyType, m.Curve, m.X = "OKP", "Ed25519", encode(public)
		default:
			return nil, errors.New("key of an unknown type")
		}
		all = append(all, m)
	}
	return all, nil
}
