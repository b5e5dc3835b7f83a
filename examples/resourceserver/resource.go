package main

import (
	"fmt"

	"github.com/bearward/bearward/middleware/resource"
)

// checkResource returns why -resource cannot be the API's identifier.
func checkResource(identifier string) error {
	if identifier == "" {
		return nil
	}
	if _, err := resource.URL(identifier); err != nil {
		return fmt.Errorf("-resource: %w", err)
	}
	return nil
}
