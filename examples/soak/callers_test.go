//go:build unix

package soak_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bearward/bearward/middleware/authtest"
)

// A call is one request: what it asks for, and what it carries.
type call struct {
	what                 operation
	scheme, token, proof string
	shown                bool // with the client certificate
}

// into writes what c carries into a header.
func (c call) into(h http.Header) {
	if c.token != "" {
		h.Set("Authorization", c.scheme+" "+c.token)
	}
	if c.proof != "" {
		h.Set("DPoP", c.proof)
	}
}

// An answer is what came of a call: its status, of gRPC too, and -1 when there was none.
type answer struct {
	status  int
	subject string // whom the API took the caller for
	text    string
}

// proofFor proves a token for an operation at a front.
func (f front) proofFor(p *authtest.Prover, what operation, token string) string {
	return p.Proof(f.method, origin+f.targets[what].path, token)
}

// subjectOf returns whom a good token names.
func subjectOf(token string) string {
	if strings.Count(token, ".") != 2 {
		return "user of " + token
	}
	return claimsOf(token).Sub
}

// idOf returns the identifier of a token.
func idOf(token string) string { return claimsOf(token).JTI }

func claimsOf(token string) (claims struct{ Sub, JTI string }) {
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		panic(err) // the model made the token
	}
	return claims
}

// A tally counts answers, and what was wrong. It is safe for concurrent use.
type tally struct {
	mu      sync.Mutex
	total   int
	counts  map[string]map[int]int // by kind
	atFront map[string]map[int]int
	wrong   []string
}

func newTally() *tally {
	return &tally{counts: map[string]map[int]int{}, atFront: map[string]map[int]int{}}
}

func (a *tally) count(kind string, f front, status int, wrong string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total++
	for counts, key := range map[*map[string]map[int]int]string{&a.counts: kind, &a.atFront: f.name} {
		if (*counts)[key] == nil {
			(*counts)[key] = map[int]int{}
		}
		(*counts)[key][status]++
	}
	if wrong != "" {
		a.wrong = append(a.wrong, fmt.Sprintf("%s at %s: %s", kind, f.name, wrong))
	}
}

// one makes one random request, and compares the answer with what is right.
func (w *world) one(a *tally) {
	r := pick(w.replicas)
	f := pick(r.fronts)
	k := pick(kinds)
	made := time.Now()
	c, right, why, ok := k.make(w, f)
	if !ok {
		return
	}
	began := time.Now()
	got := f.send(f, c)
	ended := time.Now()
	switch k.name {
	case "of the guest":
		right = between(&w.guest().surely, &w.guest().perhaps, began, ended, 401)
	case "by the rule that changes":
		right = between(&w.surelyOpen, &w.perhapsOpen, began, ended, 403)
	case soonWithdrawn:
		if w.tenants[1].isWithdrawn(c.token) {
			right = []int{200, 401}
		}
	}
	wrong := ""
	switch {
	case got.status == 200 && c.token != "" && got.subject != subjectOf(c.token):
		wrong = fmt.Sprintf("the caller was taken for %q, and is %q", got.subject, subjectOf(c.token))
	case slices.Contains(right, got.status):
	case got.status == 503 && why(began, ended):
	case got.status == 401 && ended.Sub(made) > proofAge: // its proof ran out on the way, or its key
		w.events.add("callers that were too slow")
	default:
		wrong = fmt.Sprintf("%d, want %v (from %s to %s): %s", got.status, right, began.Format("05.000"), ended.Format("05.000"), got.text)
	}
	a.count(k.name, f, got.status, wrong)
}

// replay sends one proof to every replica at once: at most one may take it.
func (w *world) replay(a *tally) {
	n := w.tenants[1]
	token := n.token("read:orders", w.prover.Confirmation())
	which := rand.IntN(len(w.replicas[0].fronts))
	f := w.replicas[0].fronts[which]
	proof := f.proofFor(w.prover, list, token)
	got := make(chan int, 2*len(w.replicas))
	for range 2 {
		for _, r := range w.replicas {
			to := r.fronts[which]
			go func() { got <- to.send(to, call{scheme: "DPoP", token: token, proof: proof}).status }()
		}
	}
	taken := 0
	for range cap(got) {
		status := <-got
		wrong := ""
		if status == 200 {
			if taken++; taken > 1 {
				wrong = "one proof was taken twice"
			}
		}
		a.count("one proof four times", f, status, wrong)
	}
}
