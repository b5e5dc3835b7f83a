package moving

import (
	"context"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	grpcmw "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/adapters/grpcauth"
	auth "github.com/bearward/bearward/middleware"
)

func grpcBefore(ctx context.Context, keySetURL, issuer, audience string) (*grpc.Server, error) {
	// region: before
	keys, err := keyfunc.NewDefaultCtx(ctx, []string{keySetURL})
	if err != nil {
		return nil, err
	}
	check := func(ctx context.Context) (context.Context, error) {
		raw, err := grpcmw.AuthFromMD(ctx, "bearer")
		if err != nil {
			return nil, err
		}
		claims := jwt.MapClaims{}
		_, err = jwt.ParseWithClaims(raw, claims, keys.Keyfunc, jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired())
		if err != nil {
			return nil, status.Error(codes.Unauthenticated, "invalid token")
		}
		if scope, _ := claims["scope"].(string); !hasScope(scope, "read:orders") {
			return nil, status.Error(codes.PermissionDenied, "forbidden")
		}
		return ctx, nil
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(grpcmw.UnaryServerInterceptor(check)), grpc.StreamInterceptor(grpcmw.StreamServerInterceptor(check)))
	// endregion
	return server, nil
}

func grpcAfter(guard *auth.Guard) *grpc.Server {
	// region: after
	rules := auth.Rules{"/grpc.health.v1.Health/Check": auth.Scopes("read:orders")}
	server := grpc.NewServer(grpcauth.ServerOptions(guard, rules)...)
	// endregion
	return server
}
