package main

import (
	"testing"

	"github.com/gin-gonic/gin"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestGuarded(t *testing.T) {
	gin.SetMode(gin.TestMode)
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true}) // the program is given a URL
	handler, guard := newHandler(issuer.URL, issuer.Audience)
	defer guard.Close()
	authtest.AssertGuarded(t, issuer, handler, auth.Rules{"GET /orders": auth.Scopes("read:orders")}, nil)
}

// A requirement that nobody wrote is a mistake of the program.
func TestTheZeroRequirementPanics(t *testing.T) {
	gin.SetMode(gin.TestMode)
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	defer func() {
		if recover() == nil {
			t.Error("want a panic")
		}
	}()
	enforce(guard, auth.Requirement{})
}
