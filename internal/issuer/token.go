package issuer

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bearward/bearward/internal/jose"
)

// A Stage is the point of a token's making at which a Change is applied.
type Stage uint8

const (
	OnMembers Stage = iota // the members of header and claims
	OnJSON                 // their JSON text
	OnEncoded              // the base64url of that
	OnSigned               // after the signature is made
	OnToken                // the finished text
	stages
)

// A Change makes a token another than the good one.
type Change struct {
	At    Stage
	Apply func(*Draft) error
}

// A Draft is a token in the making. What a later stage fills is empty before it.
type Draft struct {
	Issuer    *Issuer
	Key       *Key   // signs
	Algorithm string // of the signature, whatever the header says

	Header, Claims               map[string]any
	HeaderJSON, ClaimsJSON       []byte
	EncodedHeader, EncodedClaims string
	Signature                    []byte // made unless a Change at OnEncoded has made it
	Token                        string
}

// Token returns a good access token with the space-delimited scopes, changed as changes say: each
// at its stage, in the order given. It is of client "client" for user "alice", issued now and good
// for an hour, or as long as Form allows.
func (is *Issuer) Token(scope string, changes ...Change) (string, error) {
	key := is.keys.current()
	d := &Draft{Issuer: is, Key: key, Algorithm: is.keys.alg.String()}
	d.Header, d.Claims = is.goodToken(key, scope)
	maps.Copy(d.Claims, is.claims)
	return d.Finish(changes...)
}

// Finish makes the token of a Draft that has a Key, an Algorithm, a Header and Claims, changed as
// changes say: each at its stage, in the order given.
func (d *Draft) Finish(changes ...Change) (string, error) {
	for at := range stages {
		for _, c := range changes {
			if c.At != at {
				continue
			}
			if err := c.Apply(d); err != nil {
				return "", err
			}
		}
		if err := d.finish(at); err != nil {
			return "", err
		}
	}
	return d.Token, nil
}

// finish does what comes after the changes of a stage.
func (d *Draft) finish(at Stage) (err error) {
	switch at {
	case OnMembers:
		if d.HeaderJSON, err = json.Marshal(d.Header); err != nil {
			return fmt.Errorf("header: %w", err)
		}
		if d.ClaimsJSON, err = json.Marshal(d.Claims); err != nil {
			return fmt.Errorf("claims: %w", err)
		}
	case OnJSON:
		d.EncodedHeader, d.EncodedClaims = Encode(d.HeaderJSON), Encode(d.ClaimsJSON)
	case OnEncoded:
		if d.Signature == nil {
			d.Signature, err = jose.Sign(d.Algorithm, d.Key.Private, []byte(d.Input()))
		}
		return err
	case OnSigned:
		d.Token = d.Input() + "." + Encode(d.Signature)
	}
	return nil
}

// Input returns what is signed (RFC 7515 §5.1).
func (d *Draft) Input() string { return d.EncodedHeader + "." + d.EncodedClaims }

// Encode returns the base64url of b without padding (RFC 7515 §2).
func Encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// StandardClaims returns the claims of a good access token (RFC 9068 §2.2).
func StandardClaims(issuer, audience, scope, id string) map[string]any {
	now := time.Now()
	c := map[string]any{
		"iss": issuer, "sub": "alice", "aud": audience, "client_id": "client", "jti": id,
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	if scope != "" {
		c["scope"] = scope
	}
	return c
}

// goodToken returns the header and the claims of a good token in the issuer's form.
func (is *Issuer) goodToken(key *Key, scope string) (header, claims map[string]any) {
	header = map[string]any{"typ": "at+jwt", "alg": is.keys.alg.String(), "kid": key.ID}
	claims = StandardClaims(is.url, is.audience, scope, fmt.Sprintf("token-%d", is.issued.Add(1)))
	if is.audience == "" {
		delete(claims, "aud") // Config.Clients stand for it
	}
	if is.form == nil {
		return header, claims
	}
	c := is.form
	if len(c.Types) > 0 {
		if header["typ"] = c.Types[0]; c.Types[0] == "" {
			delete(header, "typ")
		}
	}
	client := "client"
	if len(c.Clients) > 0 {
		client = c.Clients[0]
	}
	rename(claims, "client_id", first(c.ClientIDClaims, "client_id"), client)
	if scope != "" {
		rename(claims, "scope", first([]string{c.ScopeClaim}, "scope"), scopesAs(c.ScopeArray, scope))
	}
	if iat := claims["iat"].(int64); c.MaxLifetime > 0 {
		claims["exp"] = min(claims["exp"].(int64), iat+int64(c.MaxLifetime/time.Second))
	}
	for name, value := range c.FixedClaims {
		claims[name] = value
	}
	for _, name := range c.RequiredClaims {
		if claims[name] == nil && name != "client_id" {
			claims[name] = "test" // its value is for a check of the user's own
		}
	}
	return header, claims
}

// rename puts value under name, in place of what stood under old.
func rename(claims map[string]any, old, name string, value any) {
	delete(claims, old)
	claims[name] = value
}

// SetList sets the claim that path leads to, through objects that are made where they are missing,
// to names behind those that stand there.
func SetList(claims map[string]any, path, names []string) {
	for _, name := range path[:len(path)-1] {
		inner, ok := claims[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			claims[name] = inner
		}
		claims = inner
	}
	last := path[len(path)-1]
	before, _ := claims[last].([]string)
	claims[last] = append(slices.Clone(before), names...)
}

// first returns the first of names that is not empty, or otherwise the default.
func first(names []string, otherwise string) string {
	for _, name := range names {
		if name != "" {
			return name
		}
	}
	return otherwise
}

// scopesAs returns scopes as an array, or as one string.
func scopesAs(array bool, scope string) any {
	if array {
		return strings.Fields(scope)
	}
	return scope
}
