module github.com/bearward/bearward/examples

go 1.26.0

replace github.com/bearward/bearward => ..

require (
	github.com/luikyv/go-oidc v0.23.0
	golang.org/x/net v0.62.0
	golang.org/x/oauth2 v0.37.0
)

require (
	github.com/go-jose/go-jose/v4 v4.1.4 // indirect
	github.com/google/uuid v1.6.0 // indirect
)
