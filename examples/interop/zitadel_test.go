package interop_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/oauth2"
)

// zitadelStore is the example's storage with keys that rotate, and clients whose access tokens are
// JWTs.
type zitadelStore struct {
	*storage.Storage
	mu   sync.Mutex
	keys []*zitadelKey // the first signs
}

type zitadelKey struct {
	id  string
	key *rsa.PrivateKey
}

func (k *zitadelKey) ID() string                                  { return k.id }
func (k *zitadelKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k *zitadelKey) Key() any                                    { return k.key }

// published is the public half of a key.
type published struct{ *zitadelKey }

func (p published) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (p published) Use() string                        { return "sig" }
func (p published) Key() any                           { return &p.key.PublicKey }

func (s *zitadelStore) SigningKey(context.Context) (op.SigningKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[0], nil
}

func (s *zitadelStore) KeySet(context.Context) ([]op.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []op.Key
	for _, k := range s.keys {
		all = append(all, published{k})
	}
	return all, nil
}

// rotate puts a new key in front, and keeps so many of the others.
func (s *zitadelStore) rotate(t *testing.T, keep int) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := &zitadelKey{fmt.Sprintf("key-%p", key), key}
	s.keys = append([]*zitadelKey{next}, s.keys[:min(keep, len(s.keys))]...)
}

func (s *zitadelStore) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := s.Storage.GetClientByClientID(ctx, id)
	return jwtClient{c}, err
}

type jwtClient struct{ op.Client }

func (jwtClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

// startZITADEL starts the example provider of zitadel/oidc in this process. Its issuer ends in a
// slash.
func startZITADEL(t *testing.T) (string, *zitadelStore) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	issuer := fmt.Sprintf("http://localhost:%d/", listener.Addr().(*net.TCPAddr).Port)
	clients := map[string]*storage.Client{"web-app": storage.WebClient("web-app", "secret", redirectURI)}
	store := &zitadelStore{Storage: storage.NewStorageWithClients(storage.NewUserStore(issuer), clients)}
	store.rotate(t, 0)
	server := &http.Server{Handler: exampleop.SetupServer(issuer, store, slog.New(slog.DiscardHandler), false)}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return issuer, store
}

func TestZITADEL(t *testing.T) {
	issuer, store := startZITADEL(t)
	doors := startDoors(t, issuer, "web-app", "zitadel")
	config := &oauth2.Config{
		ClientID: "web-app", ClientSecret: "secret", RedirectURL: redirectURI, Scopes: []string{"openid", "offline_access"},
		Endpoint: oauth2.Endpoint{AuthURL: issuer + "auth", TokenURL: issuer + "oauth/token", AuthStyle: oauth2.AuthStyleInHeader},
	}
	first := walk(t, config, "", func(login *url.URL) []url.Values {
		return []url.Values{{"username": {"test-user@localhost"}, "password": {"verysecure"}, "id": {login.Query().Get("authRequestID")}}}
	})
	logForm(t, first.AccessToken)
	doors.all(t, first.AccessToken, scopeless) // its tokens carry no scopes
	doors.all(t, "", refused)
	if id, ok := first.Extra("id_token").(string); !ok {
		t.Error("no ID token")
	} else {
		doors.all(t, id, refused)
	}

	store.rotate(t, 1)
	second := refresh(t, config, first, "")
	if keyID(t, second.AccessToken) == keyID(t, first.AccessToken) {
		t.Fatal("the same key still signs")
	}
	doors.all(t, second.AccessToken, scopeless)
	doors.all(t, first.AccessToken, scopeless)

	store.rotate(t, 1) // the first key is withdrawn
	third := refresh(t, config, second, "")
	doors.forget(t, first.AccessToken, third.AccessToken)
	doors.all(t, second.AccessToken, scopeless)
}
