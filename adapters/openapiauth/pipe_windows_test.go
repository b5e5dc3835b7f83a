package openapiauth_test

import "os"

// pipe makes a file that would open an operation.
func pipe(name string) error { return os.WriteFile(name, []byte("get: {security: []}\n"), 0o600) }
