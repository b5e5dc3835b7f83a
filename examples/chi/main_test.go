package main

import (
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestGuarded(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true}) // the program is given a URL
	handler, guard := newHandler(issuer.URL, issuer.Audience)
	defer guard.Close()
	authtest.AssertGuarded(t, issuer, handler, auth.Rules{"GET /orders": auth.Scopes("read:orders")}, nil)
}
