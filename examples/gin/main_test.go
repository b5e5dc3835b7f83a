package main

import (
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/bearward/bearward/adapters/ginauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestGuarded(t *testing.T) {
	gin.SetMode(gin.TestMode)
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true}) // the program is given a URL
	engine, guard := newEngine(issuer.URL, issuer.Audience)
	defer guard.Close()
	if err := ginauth.Check(engine); err != nil {
		t.Error(err)
	}
	authtest.AssertGuarded(t, issuer, engine, auth.Rules{"GET /orders": auth.Scopes("read:orders")}, nil)
}
