// Package jose reads the compact JWS of access tokens, and the JSON around it: the parts that the
// key cache and the verifier have in common. Tokens are read strictly: one spelling, no doubled
// member. What an issuer publishes has an entry point of its own.
//
// No type of a JOSE library shows in it, and it knows nothing of claims and key sets.
package jose
