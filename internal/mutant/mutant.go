// Package mutant lets the module's own tests remove one security check at a time, to prove that a test notices.
//
// A check that refuses something asks whether its mutant is on, at the very place where it decides:
//
//	if bits < minRSABits && !mutant.On("jwks/rsa-size") {
//		return errRSASize
//	}
//
// The name is a literal, "room/check-name" in lower case, and is used at one place only: each check has a mutant of its own, in jwks,
// middleware and the adapters. `go run ./internal/mutants` tries them all.
//
// In a normal build On is a constant false, so the compiler removes the call and its argument: nothing, neither the environment
// nor a linker flag, can switch a check off. Only a build with the tag bearward_mutants reads the environment, and such a
// build must never serve anyone.
package mutant
