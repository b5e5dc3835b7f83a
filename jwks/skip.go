package jwks

import "log/slog"

// A SkipReason tells why a published key is not used. The set is closed, so a reason may become a
// metric's label.
type SkipReason string

const (
	SkipMalformed   SkipReason = "malformed"   // not an object, a member missing, doubled or of a wrong type, bad base64url (RFC 7517 §4)
	SkipKeyID       SkipReason = "kid"         // "kid" is not a string, or is over 256 bytes
	SkipKeyType     SkipReason = "kty"         // no "kty" that we know: AKP and what comes next (RFC 7517 §5 says to ignore these)
	SkipSymmetric   SkipReason = "symmetric"   // "oct": a secret is never taken from a published set (RFC 8725 §3.5)
	SkipUse         SkipReason = "use"         // "use" is not "sig" (RFC 7517 §4.2)
	SkipKeyOps      SkipReason = "key_ops"     // "key_ops" that names something, and not "verify" (RFC 7517 §4.3)
	SkipAlgorithm   SkipReason = "alg"         // "alg" is no signature algorithm that we verify, or not one for this key (RFC 7518 §3.1)
	SkipCurve       SkipReason = "crv"         // "crv" is none of P-256, P-384, P-521 and Ed25519
	SkipRSASize     SkipReason = "rsa_size"    // modulus under 2048 bits (RFC 7518 §3.3) or over 8192
	SkipRSAExponent SkipReason = "rsa_exp"     // exponent 1, even, or over 2^31-1, which crypto/rsa refuses too
	SkipRSAWeak     SkipReason = "rsa_weak"    // modulus of a generator whose keys can be factored (ROCA, CVE-2017-15361)
	SkipPoint       SkipReason = "point"       // point not on its curve, or a coordinate beyond it
	SkipEdKeySize   SkipReason = "ed25519_len" // Ed25519 key that is not 32 bytes (RFC 8037 §2)
	SkipDuplicate   SkipReason = "duplicate"   // the same key again, or a fourth of its algorithm under one "kid"
)

// SkipReasons returns every SkipReason.
func SkipReasons() []SkipReason {
	return []SkipReason{
		SkipMalformed, SkipKeyID, SkipKeyType, SkipSymmetric, SkipUse,
		SkipKeyOps, SkipAlgorithm, SkipCurve, SkipRSASize, SkipRSAExponent,
		SkipRSAWeak, SkipPoint, SkipEdKeySize, SkipDuplicate,
	}
}

// A Skip is one published key that is not used, and why. [Status] lists them, and
// [Options].OnKeySkipped is told of each.
type Skip struct {
	Index  int        // position in the "keys" array, from 0
	KeyID  string     // the "kid" if it is usable, otherwise empty
	Reason SkipReason // why
}

// LogValue groups the fields for log/slog.
func (s Skip) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("index", s.Index), slog.String("kid", s.KeyID), slog.String("reason", string(s.Reason)))
}
