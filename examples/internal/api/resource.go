package api

import (
	"context"
	"slices"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/resource"
)

// vault asks for more than a scope: that the user was authenticated by two factors just now.
func vault() auth.Requirement {
	return auth.AllOf(
		auth.Scopes("read:orders"),
		auth.ACR("urn:example:mfa", "urn:example:phr"),
		auth.AuthenticatedWithin(5*time.Minute),
	)
}

// A payment is what a user agreed to: an entry of authorization_details (RFC 9396 §2).
type payment struct {
	Actions   []string `json:"actions"`
	Locations []string `json:"locations"`
}

// payments asks for a payment that may be initiated at this API.
func (cfg Config) payments() auth.Requirement {
	return auth.Detail("payment_initiation", func(_ context.Context, p *payment) bool {
		return slices.Contains(p.Actions, "initiate") && (p.Locations == nil || slices.Contains(p.Locations, cfg.Audience))
	})
}

// tellResource has challenges name the document about the API.
func (cfg Config) tellResource(options *auth.GuardOptions) (err error) {
	if cfg.Resource != "" {
		options.ResourceMetadata, err = resource.URL(cfg.Resource)
	}
	return err
}

// document returns the document about the API under rules, nil when cfg names no resource.
func (cfg Config) document(guard *auth.Guard, rules auth.Rules) (*resource.Document, error) {
	if cfg.Resource == "" {
		return nil, nil
	}
	return resource.New(guard, resource.Metadata{Resource: cfg.Resource}, rules)
}
