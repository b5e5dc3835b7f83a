package connectauth_test

import (
	"net/http"
	"strings"
	"testing"

	_ "google.golang.org/grpc/health/grpc_health_v1" // registers the descriptor of a service

	"github.com/bearward/bearward/adapters/connectauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

const health = "/grpc.health.v1.Health/"

func TestCheck(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	read := auth.Scopes("read")
	for name, q := range map[string]struct {
		rules    auth.Rules
		services []string
		want     []string
	}{
		"all by one rule":   {auth.Rules{health + "*": read}, []string{health}, nil},
		"each by its own":   {auth.Rules{health + "Check": read, health + "List": read, health + "Watch": read}, []string{health}, nil},
		"one has no rule":   {auth.Rules{health + "Check": read, health + "List": read}, []string{health}, []string{"no rule for procedure " + health + "Watch: every call is denied"}},
		"none has a rule":   {auth.Rules{"/a.B/*": read}, []string{health, "/a.B/"}, []string{"no rule for procedure " + health + "Check: every call is denied", "no rule for procedure " + health + "List: every call is denied", "no rule for procedure " + health + "Watch: every call is denied"}},
		"a misspelled rule": {auth.Rules{health + "*": read, health + "check": read}, []string{health}, []string{`no procedure uses rule "` + health + `check"`}},
		"a rule too many": {auth.Rules{health + "*": read, health + "Check": read, health + "List": read, health + "Watch": read}, []string{health},
			[]string{`no procedure uses rule "` + health + `*"`}},
		"no such service":                     {auth.Rules{health + "*": read, "/a.C/*": read}, []string{health}, []string{`no procedure uses rule "/a.C/*"`}},
		"unknown procedures":                  {auth.Rules{"/a.B/Read": read}, []string{"/a.B/"}, nil},
		"unknown procedures without any rule": {auth.Rules{"/a.BC/Read": read}, []string{"/a.B/", "/a.BC/"}, []string{"no rule for service /a.B/: every call is denied"}},
		"a message of that name":              {auth.Rules{"/google.protobuf.StringValue/*": read}, []string{"/google.protobuf.StringValue/"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := connectauth.NewMux(guard, q.rules)
			for _, path := range q.services {
				connectauth.Handle(m, at(path, http.NotFoundHandler()), 1)
			}
			got := ""
			if err := m.Check(); err != nil {
				got = err.Error()
			}
			want := ""
			if len(q.want) > 0 {
				want = "connectauth: " + strings.Join(q.want, "\nconnectauth: ")
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if differ := m.Rules().Diff(q.rules); len(differ) > 0 {
				t.Errorf("Rules differ in %q", differ)
			}
		})
	}
}

func TestWhatIsNotThereIs404(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	mux := newMux(issuer, readAll, new(talk))
	for _, target := range []string{"/", "/" + talkName, "/" + talkName + "/", "/other.Service/Unary", "//" + talkName + "/Unary", unary + "/", unary + "/more", "*"} {
		if w := ask(mux, "POST", target, "application/json", `""`, ""); w.Code != http.StatusNotFound {
			t.Errorf("%s: got %d", target, w.Code)
		}
	}
	if w := ask(mux, "POST", "/"+talkName+"/None", "application/json", `""`, issuer.Token("read")); w.Code != http.StatusNotFound {
		t.Errorf("a procedure that the service does not have: got %d", w.Code)
	}
}

func TestHealthAndReflectionNeedARule(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	const reflection = "/grpc.reflection.v1.ServerReflection/"
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux := connectauth.NewMux(issuer.Guard(nil), auth.Rules{health + "Check": auth.Public(), unary: auth.Public()})
	for _, path := range []string{health, reflection} {
		connectauth.Handle(mux, at(path, ok), 1)
	}
	for procedure, want := range map[string]int{health + "Check": 200, health + "Watch": 403, reflection + "ServerReflectionInfo": 403} {
		if w := ask(mux, "POST", procedure, "application/json", "{}", issuer.Token("read")); w.Code != want {
			t.Errorf("%s: got %d, want %d", procedure, w.Code, want)
		}
	}
}
