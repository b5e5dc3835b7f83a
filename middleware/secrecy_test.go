package auth

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/bearward/bearward/internal/tokencache"
	"github.com/bearward/bearward/jwks"
)

// TestS04_ATokenIsKeptNowhere looks at all that a Verifier remembers of a token: it is found by a
// hash under a key of the Verifier's own, and neither the token nor its signature is there, nor
// anything that shares the token's memory and would keep it alive.
func TestS04_ATokenIsKeptNowhere(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	claims := fmt.Sprintf(`{"iss":"https://issuer.example","sub":"alice","aud":"a","exp":%d,"iat":1,"jti":"1","client_id":"app","scope":"read:orders"}`, time.Now().Unix()+60)
	input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","typ":"at+jwt","kid":"k"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	signature := base64.RawURLEncoding.EncodeToString(ed25519.Sign(private, []byte(input)))
	raw := input + "." + signature
	var tags []tokencache.Tag
	for range 2 {
		v, err := NewVerifier(jwks.Static{{ID: "k", Algorithm: "EdDSA", Public: public}}, Config{Issuer: "https://issuer.example", Audiences: []string{"a"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.VerifyToken(t.Context(), raw); err != nil {
			t.Fatal(err)
		}
		tag := v.tokens.Tag(raw)
		tags = append(tags, tag)
		known := v.tokens.Find(tag)
		if known == nil {
			t.Fatal("the token is not remembered")
		}
		checkForgotten(t, "token", reflect.ValueOf(known), raw, signature)
		headers := v.headers.known.Load()
		if headers == nil || len(*headers) != 1 {
			t.Fatalf("headers %v are remembered, want one", headers)
		}
		checkForgotten(t, "headers", reflect.ValueOf(*headers), raw, signature)
	}
	if tags[0] == tags[1] {
		t.Error("two Verifiers know a token by one tag")
	}
}

// checkForgotten walks over all that v holds.
func checkForgotten(t *testing.T, where string, v reflect.Value, raw, signature string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			checkForgotten(t, where, v.Elem(), raw, signature)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			checkForgotten(t, where+"."+v.Type().Field(i).Name, v.Field(i), raw, signature)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			checkForgotten(t, fmt.Sprint(where, "[", i, "]"), v.Index(i), raw, signature)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			checkForgotten(t, where+" key", key, raw, signature)
			checkForgotten(t, where+" value", v.MapIndex(key), raw, signature)
		}
	case reflect.String:
		s := v.String()
		from, at := uintptr(unsafe.Pointer(unsafe.StringData(raw))), uintptr(unsafe.Pointer(unsafe.StringData(s)))
		if s != "" && from <= at && at < from+uintptr(len(raw)) {
			t.Errorf("%s shares the token's memory: %q", where, s)
		}
		if strings.Contains(s, signature) || strings.Contains(s, raw) {
			t.Errorf("%s holds the token", where)
		}
	}
}
