//go:build !windows

package openapiauth_test

import "syscall"

// pipe makes a file whose reader waits for ever: nobody writes to it.
func pipe(name string) error { return syscall.Mkfifo(name, 0o600) }
