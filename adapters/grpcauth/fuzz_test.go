package grpcauth

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// FuzzMetadata puts any authorization values, and any method, to the interceptors. Values are
// separated by line breaks, which metadata cannot hold.
func FuzzMetadata(f *testing.F) {
	for _, seed := range []string{"", "Bearer", "Bearer x", "Bearer a b", "bearer\tx", "Basic eDp5", "Bearer x\nBearer y", "Bearer é", "Bearer eyJhbGciOiJub25lIn0.e30.c2ln"} {
		f.Add(seed, "/pkg.Svc/Method")
		f.Add(seed, "pkg.Svc/Method")
		f.Add(seed, "/pkg.svc/method")
	}
	const canary = "c4n4ry-of-a-fuzzed-call"
	issuer := authtest.NewIssuer(f, nil)
	issuer.Fail(503)
	rules, err := newTable(auth.Rules{"/pkg.Svc/*": auth.AnyToken(), "/pkg.Svc/Public": auth.Public()})
	if err != nil {
		f.Fatal(err)
	}
	d := newInterceptors(issuer.Guard(nil), rules, Options{})
	f.Fuzz(func(t *testing.T, values, method string) {
		md := metadata.MD{"x-request-id": {canary}}
		if values != "" {
			md["authorization"] = strings.Split(values, "\n")
		}
		ctx := metadata.NewIncomingContext(t.Context(), md)
		reached := false
		_, err := d.unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: method}, func(context.Context, any) (any, error) {
			reached = true
			return nil, nil
		})
		public := rules.find(method).requirement.IsPublic()
		if reached != public || reached != (err == nil) {
			t.Fatalf("%q of %q: reached %t, %v", values, method, reached, err)
		}
		if err == nil {
			return
		}
		st := status.Convert(err)
		switch st.Code() {
		case codes.InvalidArgument, codes.Unauthenticated, codes.PermissionDenied, codes.Unavailable:
		default:
			t.Errorf("%q of %q: %v", values, method, st)
		}
		info, ok := st.Details()[0].(*errdetails.ErrorInfo)
		if !ok || info.Domain != Domain || !isReason(info.Reason) {
			t.Errorf("%q: details %v", values, st.Details())
		}
		if strings.Contains(st.String()+info.String(), canary) {
			t.Errorf("the status tells back what was sent: %v", st)
		}
	})
}

// isReason reports whether s has the form of AIP-193.
func isReason(s string) bool {
	return len(s) > 2 && len(s) <= 63 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" && s[0] >= 'A' && s[len(s)-1] != '_'
}
