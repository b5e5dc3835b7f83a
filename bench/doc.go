// Package bench is the test bench of Bearward: benchmarks beside its peers, differential tests, and
// public vectors. It is a module of its own, so that none of what it needs is required of those who
// use Bearward.
package bench
