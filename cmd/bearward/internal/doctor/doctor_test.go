package doctor_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bearward/bearward/cmd/bearward/internal/doctor"
)

func TestEachFaultIsFoundAndNothingElse(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			l := new(lab)
			f.lab(l)
			report := l.examine(t)
			if got := ids(report); !slices.Equal(got, f.want) {
				t.Errorf("got %q, want %q", got, f.want)
				for _, f := range report.Findings {
					t.Logf("%s %s: %s", f.ID, f.Where, f.What)
				}
			}
			text, err := json.Marshal(report)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "c2VjcmV0") {
				t.Errorf("the report has a private key: %s", text)
			}
			if l.apiServer != nil {
				l.apiServer.Close()
			}
			l.issuer.Close()
		})
	}
}

func TestAHealthyIssuerAndAPIHaveNoFinding(t *testing.T) {
	none := func(http.ResponseWriter, *http.Request) bool { return false }
	for name, change := range map[string]func(*lab){
		"the embedded issuer over TLS": func(*lab) {},
		"over http on loopback":        func(l *lab) { l.plain = true },
		"with a path":                  func(l *lab) { l.path = "/tenant" },
		"for clients of MCP":           mcp(func(map[string]any) {}),
		"with client ID metadata documents": mcp(func(m map[string]any) {
			delete(m, "registration_endpoint")
			m["client_id_metadata_document_supported"] = true
		}),
		"with a guarded API": func(l *lab) { l.api = none },
		"the API alone": func(l *lab) {
			l.api = none
			l.options = func(o *doctor.Options) { o.Issuer = "" }
		},
		"the API that names no operation": func(l *lab) {
			l.api = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/" {
					r.URL.Path = "/orders"
				}
				return false
			}
			l.options = func(o *doctor.Options) { o.Operation = "" }
		},
		"redirects that are followed": func(l *lab) {
			at("/oauth-authorization-server", redirect("/.well-known/openid-configuration"))(l)
			l.options = func(o *doctor.Options) { o.SameHostRedirects = true }
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := new(lab)
			change(l)
			report := l.examine(t)
			for _, f := range report.Findings {
				t.Errorf("%s %s: %s", f.ID, f.Where, f.What)
			}
			if len(report.Issuers) != 1 || report.Issuers[0] != l.is.URL() {
				t.Errorf("looked at %q", report.Issuers)
			}
		})
	}
}

func TestEveryKindHasAFaultThatCausesIt(t *testing.T) {
	caused := []string{"SLOW"} // TestASlowIssuer
	for _, f := range faults {
		caused = append(caused, f.want...)
		if !slices.IsSorted(f.want) {
			t.Errorf("%s: not sorted: %q", f.name, f.want)
		}
	}
	seen := map[string]bool{}
	for _, k := range doctor.Kinds() {
		switch {
		case seen[k.ID]:
			t.Errorf("%s stands twice", k.ID)
		case !slices.Contains(caused, k.ID):
			t.Errorf("no test causes %s", k.ID)
		case !slices.Contains(doctor.Severities(), k.Severity) || k.Means == "" || k.Do == "" || k.Side == "":
			t.Errorf("%s says too little: %+v", k.ID, k)
		}
		seen[k.ID] = true
	}
}

// What clients of MCP cannot do without is a fault when it is asked for.
func TestMCPRaisesWhatItsClientsNeed(t *testing.T) {
	l := new(lab)
	mcp(func(map[string]any) {})(l)
	l.api = func(w http.ResponseWriter, r *http.Request) bool {
		bad := r.URL.Path == documentPath
		if bad {
			status(404)(w, r)
		}
		return bad
	}
	report := l.examine(t)
	if len(report.Findings) != 1 || report.Findings[0].ID != "API_METADATA_MISSING" || report.Findings[0].Severity != doctor.Fault {
		t.Errorf("got %+v", report.Findings)
	}
}

func TestNothingIsLeftRunning(t *testing.T) {
	for _, change := range []func(*lab){
		func(l *lab) { l.api = func(http.ResponseWriter, *http.Request) bool { return false } },
		at("", status(503)),
	} {
		l := new(lab)
		change(l)
		t.Run("lab", func(t *testing.T) { l.examine(t) })
		noGoroutines(t)
	}
}

// Forms that say the same wrong thing are one finding.
func TestAFaultOfAllFormsIsToldOnce(t *testing.T) {
	l := &lab{path: "/tenant"} // four forms, of which three have the document
	member("issuer", "https://other.example")(l)
	if report := l.examine(t); len(report.Findings) != 1 {
		t.Errorf("got %+v", report.Findings)
	}
}

// A document can name thousands of endpoints: a report is for people.
func TestFewEndpointsAreLookedAt(t *testing.T) {
	l := new(lab)
	l.metadata = func(_ string, m map[string]any) {
		for i := range 1000 {
			m[fmt.Sprintf("number_%d_endpoint", i)] = "http://issuer.example/"
		}
	}
	if n := len(l.examine(t).Findings); n == 0 || n > 32 {
		t.Errorf("%d findings", n)
	}
}

// The query of a URL may be a secret.
func TestNoQueryIsTold(t *testing.T) {
	const secret = "?code=sesame"
	l := new(lab)
	l.metadata = func(path string, m map[string]any) {
		m["jwks_uri"] = m["jwks_uri"].(string) + secret
		m["token_endpoint"] = "http://issuer.example/" + secret
		if strings.HasSuffix(path, "openid-configuration") {
			m["jwks_uri"] = l.is.URL() + "/other" + secret
		}
	}
	l.keys = func(keys []map[string]any) []map[string]any { return append(keys, keys[0]) }
	l.api = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/orders" {
			challenge(`Bearer resource_metadata="https://other.example/`+secret+`"`)(w, r)
		} else {
			redirect("https://login.example/"+secret)(w, r)
		}
		return true
	}
	l.options = func(o *doctor.Options) { o.Operation += secret }
	report := l.examine(t)
	if want := []string{"API_CHALLENGE_ELSEWHERE", "API_METADATA_MISSING", "ENDPOINT_REFUSED", "FORMS_DISAGREE", "KEY_REPEATED"}; !slices.Equal(ids(report), want) {
		t.Errorf("got %q, want %q", ids(report), want)
	}
	if text, err := json.Marshal(report); err != nil || strings.Contains(string(text), "sesame") {
		t.Errorf("%v: %s", err, text)
	}
}

func TestAlarmsComeFirst(t *testing.T) {
	l := new(lab)
	l.keys = func(keys []map[string]any) []map[string]any {
		keys[0]["d"] = "AAAA"
		return keys
	}
	l.metadata = func(_ string, m map[string]any) { m["token_endpoint"] = "http://issuer.example/token" }
	l.api = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == documentPath {
			w.Header().Set("Access-Control-Allow-Origin", "*")
			body("application/json", `{"resource":"other","authorization_servers":["`+l.is.URL()+`"]}`)(w, r)
			return true
		}
		body("application/json", "[]")(w, r)
		return true
	}
	var got []string
	for _, f := range l.examine(t).Findings {
		got = append(got, f.ID)
	}
	if want := []string{"PRIVATE_KEY_PUBLISHED", "API_OPEN", "API_METADATA_RESOURCE", "ENDPOINT_REFUSED"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What an issuer writes is shown, and moves no cursor.
func TestAReportHasNoControlCharacters(t *testing.T) {
	l := new(lab)
	l.metadata = func(path string, m map[string]any) {
		m["\x1b[2J_endpoint"] = "\x1b]0;x\a"
		m["id_token_signing_alg_values_supported"] = []string{"\x1b[31mHS256\u202e"}
	}
	l.keys = func(keys []map[string]any) []map[string]any {
		keys[0]["kid"] = "\x1b[2J\u202e"
		return append(keys, keys[0])
	}
	report := l.examine(t)
	if len(report.Findings) < 3 {
		t.Errorf("got %q", ids(report))
	}
	for _, f := range report.Findings {
		if strings.ContainsAny(f.What+f.Where, "\x1b\a\u202e") {
			t.Errorf("%s: %q", f.ID, f.What)
		}
	}
	for _, f := range report.Facts {
		if strings.ContainsAny(f.Text, "\x1b\a\u202e") {
			t.Errorf("%s: %q", f.Name, f.Text)
		}
	}
}

// Names of issuers come from the API, and stand in the JSON as they are.
func TestNamesOfIssuersHaveNoControlCharacters(t *testing.T) {
	l := new(lab)
	document(`{"resource":"API","authorization_servers":["https://127.0.0.1:1/\u009b31m\u202e"]}`, "application/json", true)(l)
	l.options = func(o *doctor.Options) { o.Issuer = "" }
	if report := l.examine(t); !slices.Equal(report.Issuers, []string{"https://127.0.0.1:1/?31m?"}) {
		t.Errorf("got %q", report.Issuers)
	}
}

// An API of a stranger has doctor ask no program of the machine that it runs on.
func TestAnAPILeadsToNoIssuerOverHTTP(t *testing.T) {
	for _, tt := range []struct {
		allow bool
		asked bool
		want  []string
	}{{false, false, []string{"API_METADATA_ISSUER"}}, {true, true, []string{"METADATA_MISSING"}}} {
		var asked atomic.Bool
		inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Store(true)
			w.WriteHeader(http.StatusNotFound)
		}))
		l := new(lab)
		document(`{"resource":"API","authorization_servers":["`+inside.URL+`/admin/stop"]}`, "application/json", true)(l)
		l.options = func(o *doctor.Options) { o.Issuer, o.AllowHTTP = "", tt.allow }
		if got := ids(l.examine(t)); asked.Load() != tt.asked || !slices.Equal(got, tt.want) {
			t.Errorf("-allow-http %t: got %q, asked %t; want %q, %t", tt.allow, got, asked.Load(), tt.want, tt.asked)
		}
		inside.Close()
	}
}

func TestWrongUsage(t *testing.T) {
	for name, o := range map[string]doctor.Options{
		"nothing":                {},
		"no URL":                 {Issuer: "issuer"},
		"a file":                 {Issuer: "file:///etc/passwd"},
		"http":                   {Issuer: "http://issuer.example"},
		"a query":                {Issuer: "https://issuer.example/?a=b"},
		"a password":             {Issuer: "https://a:b@issuer.example"},
		"an operation alone":     {Issuer: "https://issuer.example", Operation: "/orders"},
		"an operation elsewhere": {API: "https://api.example", Operation: "//other.example/"},
		"an operation by name":   {API: "https://api.example", Operation: "orders"},
		"an API over http":       {API: "http://api.example"},
		"too many tries":         {Issuer: "https://issuer.example", Tries: 21},
		"no time":                {Issuer: "https://issuer.example", Timeout: 1},
	} {
		if report, err := doctor.Examine(t.Context(), o); !errors.Is(err, doctor.ErrUsage) {
			t.Errorf("%s: %v, %v", name, report, err)
		}
	}
}
