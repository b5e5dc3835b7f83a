package webapp

import (
	"bytes"
	"testing"

	"golang.org/x/oauth2"
)

func TestVaultOpensForItsOwnerAndKeyAlone(t *testing.T) {
	v, err := newVault(NewKey())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := v.seal("alice", tokens{Access: "a-token-in-clear"})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("a-token-in-clear")) {
		t.Error("the token is stored in clear")
	}
	var got tokens
	if err := v.open("alice", sealed, &got); err != nil || got.Access != "a-token-in-clear" {
		t.Errorf("open: %v, %v", got, err)
	}
	other, err := newVault(NewKey())
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(sealed)
	flipped[len(flipped)-1] ^= 1
	for name, open := range map[string]func() error{
		"another owner": func() error { return v.open("bob", sealed, &got) },
		"another key":   func() error { return other.open("alice", sealed, &got) },
		"a flipped bit": func() error { return v.open("alice", flipped, &got) },
		"nothing":       func() error { return v.open("alice", nil, &got) },
	} {
		if open() == nil {
			t.Errorf("%s opens it", name)
		}
	}
}

// The SDK's client is given its token for one request at a time.
func TestTheTokenForToolsIsSealed(t *testing.T) {
	v, err := newVault(NewKey())
	if err != nil {
		t.Fatal(err)
	}
	c := &toolClient{vault: v, owner: "alice"}
	if got := c.token(); got != "" {
		t.Errorf("before there is one: %q", got)
	}
	source, err := c.keep(t.Context(), nil, (&oauth2.Token{AccessToken: "a-token-in-clear", TokenType: "Bearer"}).WithExtra(map[string]any{"scope": "read:orders"}))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(c.sealed, []byte("a-token-in-clear")) {
		t.Error("the token is stored in clear")
	}
	tok, err := source.Token()
	if err != nil || tok.AccessToken != "a-token-in-clear" || tok.Extra("scope") != "read:orders" || c.token() != tok.AccessToken {
		t.Errorf("Token() = %+v, %v", tok, err)
	}
}
