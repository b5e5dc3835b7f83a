package tokens_test

import (
	"encoding/json"
	"testing"

	"github.com/bearward/bearward/bench/tokens"
)

func TestTheTokenIsTheOneThatFiguresSpeakOf(t *testing.T) {
	var claims map[string]any
	if err := json.Unmarshal([]byte(tokens.Claims()), &claims); err != nil {
		t.Fatal(err)
	}
	if len(claims) != 22 {
		t.Errorf("got %d claims, want 22", len(claims))
	}
	key, err := tokens.NewKey("RS256", tokens.KeyID)
	if err != nil {
		t.Fatal(err)
	}
	token, err := key.Sign(tokens.Claims())
	if err != nil {
		t.Fatal(err)
	}
	if len(token) < 1500 || len(token) > 1700 {
		t.Errorf("got a token of %d bytes, want about 1.6 kB", len(token))
	}
}
