// Package keycache measures the key cache of package jwks beside its peers: what a look-up of a
// held key costs, and how long one waits while the key endpoint is slow or hangs.
package keycache
