package auth

import (
	"context"
	"fmt"
	"reflect"
)

// What programs print, log and marshal by habit (a handler's context, a Guard's arguments) must
// show no token. A String method alone does not see to that: %d and %#v reach the fields past it,
// and so do encoding/json and slog.

// String names the contexts that gr was made of, as those of the standard library do.
func (gr *grant) String() string { return contextName(gr.Context) + ".WithGuard" }

// contextName returns what package context calls parent when it prints a context: never what fmt
// would make of a type without a String method, which may hold anything.
func contextName(parent context.Context) string {
	if s, ok := parent.(fmt.Stringer); ok {
		return s.String()
	}
	return reflect.TypeOf(parent).String()
}

// Format writes String, whatever the verb.
func (gr *grant) Format(f fmt.State, verb rune) { formatText(f, verb, gr.String()) }

// MarshalText returns String, for slog and JSON.
func (gr *grant) MarshalText() ([]byte, error) { return []byte(gr.String()), nil }

// String names the context that c was made of.
func (c *paramsContext) String() string { return contextName(c.Context) + ".WithPathValues" }

// Format writes String, whatever the verb.
func (c *paramsContext) Format(f fmt.State, verb rune) { formatText(f, verb, c.String()) }

// MarshalText returns String, for slog and JSON.
func (c *paramsContext) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// text names the operation, and nothing that the caller sent.
func (c Credentials) text() string { return fmt.Sprintf("Credentials for %q", c.Operation) }

// Format writes the name of the operation, whatever the verb, and nothing that the caller sent.
func (c Credentials) Format(f fmt.State, verb rune) { formatText(f, verb, c.text()) }

// MarshalText returns what Format writes, for slog, JSON and the like.
func (c Credentials) MarshalText() ([]byte, error) { return []byte(c.text()), nil }

// Format writes String, whatever the verb.
func (p *Principal) Format(f fmt.State, verb rune) { formatText(f, verb, p.String()) }

// formatText writes text by the verb and flags of f. A verb that is none of text's says so beside
// it.
func formatText(f fmt.State, verb rune, text string) { fmt.Fprintf(f, fmt.FormatString(f, verb), text) }
