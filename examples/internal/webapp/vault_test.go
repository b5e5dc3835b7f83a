package webapp

import (
	"bytes"
	"testing"
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
