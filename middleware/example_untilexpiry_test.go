package auth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	auth "github.com/bearward/bearward/middleware"
)

// A handler of server-sent events returns when its context ends, here with the token.
func ExampleUntilExpiry() {
	events := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		fmt.Println(context.Cause(r.Context()))
	})
	p, err := auth.NewPrincipal(fmt.Appendf(nil, `{"sub":"alice","exp":%d}`, time.Now().Add(-time.Second).Unix()))
	if err != nil {
		fmt.Println(err)
	}
	r := httptest.NewRequest("GET", "/events", nil)
	auth.UntilExpiry(events).ServeHTTP(httptest.NewRecorder(), r.WithContext(auth.WithPrincipal(r.Context(), p)))
	// Output: auth: request refused: TOKEN_EXPIRED
}
