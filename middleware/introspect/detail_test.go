package introspect_test

import (
	"errors"
	"strings"
	"testing"

	auth "github.com/bearward/bearward/middleware"
)

// The log line of a request says that it is the endpoint which is down, also while nobody asks it.
func TestLogLinesTellTheEndpointFromOtherOutages(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(e *endpoint)
		want   string
	}{
		"down":        {func(e *endpoint) { e.down = true }, "no usable answer"},
		"500":         {func(e *endpoint) { e.answer = status(500, "") }, "no usable answer"},
		"credentials": {func(e *endpoint) { e.answer = status(401, "") }, "refuses this API itself"},
	} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(t *testing.T) {
				e := newEndpoint()
				i := mustNew(t, e, nil)
				e.set(tt.change)
				for range 12 { // the first are asked, the last are not
					_, err := i.VerifyToken(t.Context(), opaque)
					refusal, _ := errors.AsType[*auth.Error](err)
					if refusal == nil || !strings.Contains(refusal.Detail(), tt.want) {
						t.Errorf("%v, detail %q, want %q", err, refusal.Detail(), tt.want)
					}
				}
				if e.count() == 12 {
					t.Error("the endpoint was always asked: the test shows half")
				}
			})
		})
	}
}
