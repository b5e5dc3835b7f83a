package promise_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/bearward/bearward/examples/internal/promise"
)

func TestPromiseNoticesEachDifference(t *testing.T) {
	good := promise.Outcome{
		Status: 403, Challenge: `Bearer realm="api", error="insufficient_scope", scope="write:orders"`,
	}
	if fault := promise.Needs("write:orders").Broken(good); fault != "" {
		t.Errorf("good: %s", fault)
	}
	if fault := promise.OKAs("alice").Or(promise.Needs("write:orders")).Broken(good); fault != "" {
		t.Errorf("the second of two: %s", fault)
	}
	if fault := promise.OKAs("alice").Or(promise.Needs("write:orders")).Or(promise.Unavailable()).Broken(good); fault != "" {
		t.Errorf("the second of three: %s", fault)
	}
	anonymous := promise.Outcome{Status: 401, Challenge: `Bearer realm="api", resource_metadata="https://a.example/md", scope="read"`}
	if fault := promise.LogIn("https://a.example/md", "read").Broken(anonymous); fault != "" {
		t.Errorf("where to log in: %s", fault)
	}
	for name, c := range map[string]struct {
		p   promise.Promise
		out promise.Outcome
	}{
		"nothing promised":         {promise.Promise{}, promise.Outcome{}},
		"another scope":            {promise.Needs("admin:all"), good},
		"another status":           {promise.BadToken(), good},
		"neither of two":           {promise.OKAs("alice").Or(promise.Unavailable()), good},
		"a challenge at a 200":     {promise.OKAnonymous(), promise.Outcome{Status: 200, Challenge: "Bearer"}},
		"another caller":           {promise.OKAs("alice"), promise.Outcome{Status: 200, Sub: "bob"}},
		"a caller where none is":   {promise.OKAnonymous(), promise.Outcome{Status: 200, Sub: "bob"}},
		"an error without a token": {promise.NoToken(), promise.Outcome{Status: 401, Challenge: `Bearer realm="api", error="invalid_token"`}},
		"no metadata":              {promise.LogIn("https://a.example/md", "read"), promise.Outcome{Status: 401, Challenge: `Bearer realm="api", scope="read"`}},
		"another scope at a 401":   {promise.LogIn("https://a.example/md", "read"), promise.Outcome{Status: 401, Challenge: `Bearer realm="api", resource_metadata="https://a.example/md", scope="read write"`}},
		"no Retry-After":           {promise.Unavailable(), promise.Outcome{Status: 503}},
		"a challenge at a 503":     {promise.Unavailable(), promise.Outcome{Status: 503, RetryAfter: 1, Challenge: "Bearer"}},
	} {
		if c.p.Broken(c.out) == "" {
			t.Errorf("%s was not noticed", name)
		}
	}
}

func TestCodesThatAGuardDoesNotUseSayNothing(t *testing.T) {
	for code, want := range map[codes.Code]int{
		codes.OK: 200, codes.Unauthenticated: 401, codes.PermissionDenied: 403, codes.Unavailable: 503,
		codes.InvalidArgument: 400, codes.Internal: 0, codes.Unimplemented: 0,
	} {
		if got := promise.HTTPStatus(code); got != want {
			t.Errorf("%s = %d, want %d", code, got, want)
		}
	}
}
