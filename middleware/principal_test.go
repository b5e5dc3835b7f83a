package auth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// printed is a fmt.State that keeps what is written.
type printed struct{ strings.Builder }

func (*printed) Width() (int, bool)     { return 0, false }
func (*printed) Precision() (int, bool) { return 0, false }
func (*printed) Flag(int) bool          { return false }

// TestANilPrincipalAnswersEmpty calls every method that *Principal has, today and later.
func TestANilPrincipalAnswersEmpty(t *testing.T) {
	var nobody *auth.Principal
	var claims map[string]any
	args := map[reflect.Type]any{
		reflect.TypeFor[string]():          "read:orders",
		reflect.TypeFor[any]():             &claims,
		reflect.TypeFor[rune]():            'v',
		reflect.TypeFor[fmt.State]():       new(printed),
		reflect.TypeFor[context.Context](): t.Context(),
	}
	for m := range reflect.TypeOf(nobody).Methods() {
		t.Run(m.Name, func(t *testing.T) {
			in := []reflect.Value{reflect.ValueOf(nobody)}
			for i := 1; i < m.Type.NumIn(); i++ {
				arg, ok := args[m.Type.In(i)]
				if !ok {
					t.Fatalf("the test has no argument of type %v", m.Type.In(i))
				}
				in = append(in, reflect.ValueOf(arg))
			}
			for _, out := range m.Func.Call(in) {
				switch {
				case m.Name == "Claims":
					if out.IsNil() {
						t.Error("no error: claims of nobody could be taken for empty ones of somebody")
					}
				case m.Name == "String":
					if out.String() != "no Principal" {
						t.Errorf("%q", out)
					}
				case !out.IsZero() && (out.Kind() != reflect.Slice || out.Len() > 0):
					t.Errorf("%v, want nothing", out)
				}
			}
		})
	}
	if claims != nil {
		t.Errorf("claims %v", claims)
	}
	if got, err := auth.ClaimsOf[struct{ Sub string }](nobody); err == nil || got.Sub != "" {
		t.Errorf("ClaimsOf: %v, %v", got, err)
	}
	if err := auth.CheckClaims(func(*struct{}) error { return nil })(nobody); err == nil {
		t.Error("a check of the claims of nobody passes")
	}
}

// A handler may use PrincipalFrom's first result without its second, on every kind of route.
func TestAnAnonymousCallerIsSafeToAsk(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	for name, need := range map[string]auth.Requirement{"optional": auth.Optional(), "public": auth.Public()} {
		h := guard.Enforce(need)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			caller, _ := auth.PrincipalFrom(r.Context())
			fmt.Fprintf(w, "%q %v %v", caller.Subject(), caller.HasScope("read:orders"), caller)
		}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/orders", nil))
		if want := `"" false no Principal`; w.Body.String() != want {
			t.Errorf("%s: %s, want %s", name, w.Body, want)
		}
	}
}
