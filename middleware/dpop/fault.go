package dpop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bearward/bearward/internal/jose"
	auth "github.com/bearward/bearward/middleware"
)

// A fault is what an operator is told of a proof that was refused: a constant text, or one that is
// made of the configuration. It holds nothing of what the proof says.
type fault string

func (f fault) Error() string { return "dpop: " + string(f) }

// Detail is what auth.LogRefusals tells.
func (f fault) Detail() string { return string(f) }

// invalid returns the refusal of a proof for f.
func invalid(f fault) *auth.Error { return &auth.Error{Reason: auth.ReasonProofInvalid, Err: f} }

// The faults of a proof, in the order of the checks.
var (
	errNoProof         = invalid("no DPoP field")
	errTwoProofs       = invalid("more than one DPoP field")
	errTooLong         = invalid("the proof is longer than 8 KiB")
	errCompact         = invalid("the proof is not a compact JWS, which has three parts")
	errHeader          = invalid("the proof's header is not a JSON object in base64url whose members are of their types and stand there once")
	errType            = invalid(`"typ" is missing or not dpop+jwt`)
	errNoKey           = invalid(`"jwk" is missing, or not an object`)
	errPrivateKey      = invalid(`"jwk" has a private part: the client gives its key away`)
	errKey             = invalid(`"jwk" is not a public key in its one spelling, or a weak one`)
	errKeyOfAnother    = invalid(`"jwk" is a key for another algorithm than "alg"`)
	errClaims          = invalid("the proof's claims are not a JSON object in base64url, each member once")
	errJTI             = invalid(`"jti" is missing, empty, no text, or longer than 256 bytes`)
	errNoMethod        = invalid(`"htm" is missing or empty`)
	errMethod          = invalid(`"htm" is not the request's method`)
	errNoTarget        = invalid(`"htu" is missing or empty`)
	errTarget          = invalid(`"htu" is not an absolute http or https URI`)
	errRequested       = invalid("the request's own target has a character that must be percent-encoded")
	errOtherPath       = invalid(`"htu" has a configured origin, and another path than the request`)
	errNoToken         = invalid(`"ath" is missing or empty`)
	errToken           = invalid(`"ath" is not the hash of the access token`)
	errNoIssuedAt      = invalid(`"iat" is missing`)
	errIssuedAt        = invalid(`"iat" is not a number`)
	errNotYet          = invalid(`"nbf" has not come, or is not a number`)
	errEnded           = invalid(`"exp" has passed, or is not a number`)
	errNonceType       = invalid(`"nonce" is not a text`)
	errSignatureSyntax = invalid("the proof's signature is not base64url")
	errSignature       = invalid("the signature is not that of the key in the proof")
)

// Those of other reasons.
const (
	errThumbprint fault = "the proof's key is not the one that the token is bound to"
	errConfirmed  fault = `the token's "cnf.jkt" is not a thumbprint`
	errOld        fault = `"iat" is too long ago, or one of the clocks is wrong`
	errAhead      fault = `"iat" has not come, or one of the clocks is wrong`
	errNoNonce    fault = "the proof has no nonce"
	errNonce      fault = "the nonce is too old, or of a secret that this replica does not have"
	errReplayed   fault = "the proof was used before"
)

// The refusals that ask for another nonce, which many a client's first proof meets.
var (
	errNoNonceGiven = &auth.Error{Reason: auth.ReasonProofNonceRequired, Err: errNoNonce}
	errOtherNonce   = &auth.Error{Reason: auth.ReasonProofNonceRequired, Err: errNonce}
)

// errExtensions are the faults of header members that ask for more than this package does.
var errExtensions = map[string]*auth.Error{
	"crit": invalid(`the proof's header has "crit", and no extension is implemented`),
	"b64":  invalid(`the proof's header has "b64", which is not implemented`),
	"zip":  invalid(`the proof's header has "zip", which is not implemented`),
}

// configuredFaults makes those that name what is configured.
func (b *Binding) configuredFaults() {
	names := make([]string, len(b.origins))
	for i, o := range b.origins {
		names[i] = string(o)
	}
	b.errOrigin = invalid(fault(`"htu" has none of the configured origins: ` + strings.Join(names, ", ")))
	b.errAlgorithm = invalid(fault(`"alg" is missing or none of the accepted algorithms: ` + strings.Join(b.Algorithms(), ", ")))
}

// keyFault says what is wrong with the proof's key, which err is about.
func keyFault(v jose.Value, err error) *auth.Error {
	switch {
	case v.Kind != '{':
		return errNoKey
	case errors.Is(err, jose.ErrPrivateKey):
		return errPrivateKey
	}
	return errKey
}

// given returns missing for a claim that is not there, and wrong for another.
func given(claim string, missing, wrong *auth.Error) *auth.Error {
	if claim == "" {
		return missing
	}
	return wrong
}

// A telling error has a text for operators, as those of redisauth have.
type telling interface {
	Error() string
	Detail() string
}

// A storeFault says that the ReplayStore could not tell. What the store's error says may be
// anything, and is not told to the log unless it has a Detail.
type storeFault struct {
	err     error
	timeout time.Duration
}

func (f storeFault) Error() string { return "dpop: the replay store: " + f.err.Error() }
func (f storeFault) Unwrap() error { return f.err }

// Detail is what auth.LogRefusals tells.
func (f storeFault) Detail() string {
	if told, ok := errors.AsType[telling](f.err); ok {
		return "the replay store: " + told.Detail()
	}
	switch {
	case errors.Is(f.err, ErrFull):
		return "the replay store is full"
	case errors.Is(f.err, ErrOwnerFull):
		return "the caller's share of the replay store is full"
	case errors.Is(f.err, context.DeadlineExceeded):
		return fmt.Sprintf("the replay store did not answer within %v", f.timeout)
	}
	return "the replay store failed"
}
