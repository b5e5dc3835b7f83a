package dev

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/bearward/bearward/internal/issuer"
)

// A Token says what is in a token. What is absent is as Options.Token says, or else as in every
// good token: of user "alice" by client "client", for an hour.
type Token struct {
	Scopes      []string       `json:"scopes,omitzero"` // empty, but not nil: none
	Roles       []string       `json:"roles,omitzero"`
	Groups      []string       `json:"groups,omitzero"`
	Permissions []string       `json:"permissions,omitzero"`
	Subject     string         `json:"sub,omitempty"`
	Client      string         `json:"client,omitempty"`
	Audience    string         `json:"aud,omitempty"`
	Lifetime    Duration       `json:"ttl,omitempty"`    // below 0: it has expired
	Claims      map[string]any `json:"claims,omitempty"` // in place of what stands there
}

// A Duration is a time in JSON as in Go: "5m".
type Duration time.Duration

// MarshalText writes d as time.ParseDuration reads it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads d.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// MaxLifetime bounds how long a token is good, and how long ago it expired.
const MaxLifetime = 30 * 24 * time.Hour

// Issue makes a token.
func (s *Server) Issue(t Token) (string, error) {
	t = t.or(s.opts.Token)
	ttl := time.Duration(t.Lifetime)
	if ttl.Abs() > MaxLifetime {
		return "", fmt.Errorf("-ttl %v is above %v", ttl, MaxLifetime)
	}
	config := s.issuer.Config()
	return s.issuer.Token(strings.Join(t.Scopes, " "), issuer.Change{At: issuer.OnMembers, Apply: func(d *issuer.Draft) error {
		c := d.Claims
		if t.Subject != "" {
			c["sub"] = t.Subject
		}
		if t.Client != "" {
			name := "client_id"
			if len(config.ClientIDClaims) > 0 {
				name = config.ClientIDClaims[0]
			}
			c[name] = t.Client
		}
		if t.Audience != "" {
			c["aud"] = t.Audience
		}
		if ttl != 0 {
			now := time.Now()
			c["exp"], c["iat"] = now.Add(ttl).Unix(), now.Add(min(0, 2*ttl)).Unix()
		}
		for _, list := range []struct {
			name        string
			path, names []string
		}{
			{"roles", config.RolesClaim, t.Roles}, {"groups", config.GroupsClaim, t.Groups}, {"permissions", config.PermissionsClaim, t.Permissions},
		} {
			if len(list.path) == 0 {
				list.path = []string{list.name}
			}
			if len(list.names) > 0 {
				issuer.SetList(c, list.path, list.names)
			}
		}
		maps.Copy(c, t.Claims)
		return nil
	}})
}

// or fills in what t does not say.
func (t Token) or(otherwise Token) Token {
	for _, list := range []struct{ to, from *[]string }{
		{&t.Scopes, &otherwise.Scopes}, {&t.Roles, &otherwise.Roles}, {&t.Groups, &otherwise.Groups}, {&t.Permissions, &otherwise.Permissions},
	} {
		if *list.to == nil {
			*list.to = *list.from
		}
	}
	for _, text := range []struct{ to, from *string }{
		{&t.Subject, &otherwise.Subject}, {&t.Client, &otherwise.Client}, {&t.Audience, &otherwise.Audience},
	} {
		if *text.to == "" {
			*text.to = *text.from
		}
	}
	if t.Lifetime == 0 {
		t.Lifetime = otherwise.Lifetime
	}
	claims := maps.Clone(otherwise.Claims)
	if claims == nil {
		claims = map[string]any{}
	}
	maps.Copy(claims, t.Claims)
	t.Claims = claims
	return t
}
