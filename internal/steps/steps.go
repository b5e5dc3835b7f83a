// Package steps carries what package auth finds in one token, check by check, to package explain.
// Neither can name the other's types here: errors are *auth.Error.
package steps

import (
	"context"
	"time"
)

// A Step is one check, and what came of it.
type Step struct {
	Part, Name string
	Claim      string // what it looks at, where the error does not say
	Err        error  // a *auth.Error: the fault, nil for none
	Skipped    string // why it was not looked at, "" when it was
	Unverified bool   // it was looked at, in what no signature vouches for
}

// A Result is what came of all checks of a token.
type Result struct {
	Steps      []Step
	Refusal    error // the *auth.Error that the Guard refuses with, nil when it accepts
	ReportOnly bool  // the Guard accepts all the same: the rule is only reported on
	Proof      bool  // what remains is a proof of possession, which comes with each request
	Verified   bool  // the signature is good
	Header     []byte
	Claims     []byte // both as JSON objects, nil when they could not be read
}

// A Question is what is asked about a token.
type Question struct {
	Guard       any // *auth.Guard
	Token       string
	Requirement any // *auth.Requirement, nil for none
	At          time.Time
}

// Examine makes every check of a token. Package auth sets it.
var Examine func(context.Context, Question) Result
