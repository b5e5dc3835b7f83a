//go:build !bearward_mutants

package mutant

// On reports false: this is a normal build, and every check is made.
func On(string) bool { return false }
