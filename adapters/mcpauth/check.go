package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	auth "github.com/bearward/bearward/middleware"
)

// checkKey marks the context of the session by which Check asks a server what it has.
type checkKey struct{}

// checkTimeout bounds Check: a server in memory answers at once, unless a middleware does not.
const checkTimeout = 10 * time.Second

// Check returns an error that names each tool, resource, template and prompt of server without a
// rule. It names each rule of one that server does not have. It also names a rule without which no
// client can connect. Call it when all were added. It connects to the server in memory and lists
// them, so the server's own middlewares see these requests, which have no RequestExtra. It takes at
// most 10 s.
func Check(server *mcp.Server, rules auth.Rules) error {
	if server == nil {
		return errors.New("mcpauth: Check needs a server")
	}
	t, err := newTable(rules)
	if err != nil {
		return fmt.Errorf("mcpauth: %w", err)
	}
	keys, err := operations(server)
	if err != nil {
		return fmt.Errorf("mcpauth: cannot list what the server has: %w", err)
	}
	keys = append(keys, "initialize", "notifications/initialized")
	var errs []error
	used := make(map[string]bool)
	for _, key := range keys {
		for _, rule := range t.byKey(key) {
			if rule.requirement.IsZero() {
				errs = append(errs, fmt.Errorf("mcpauth: no rule for %q: every request is denied", key))
			}
			used[rule.key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(rules)) {
		if strings.Contains(key, " ") && !used[key] { // check: rule-unused
			errs = append(errs, fmt.Errorf("mcpauth: nothing that the server has uses rule %q", key))
		}
	}
	return errors.Join(errs...)
}

// operations returns the keys of what server has.
func operations(server *mcp.Server) (keys []string, err error) {
	ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), checkKey{}, true), checkTimeout)
	defer cancel()
	near, far := mcp.NewInMemoryTransports()
	serving, err := server.Connect(ctx, far, nil)
	if err != nil {
		return nil, err
	}
	defer serving.Close()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "mcpauth.Check", Version: "1"}, nil).Connect(ctx, near, nil)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	has := session.InitializeResult().Capabilities
	if has.Tools != nil {
		keys, err = list(keys, err, session.Tools(ctx, nil), func(t *mcp.Tool) string { return callTool + " " + t.Name })
	}
	if has.Prompts != nil {
		keys, err = list(keys, err, session.Prompts(ctx, nil), func(p *mcp.Prompt) string { return getPrompt + " " + p.Name })
	}
	if has.Resources != nil {
		keys, err = list(keys, err, session.Resources(ctx, nil), func(r *mcp.Resource) string { return readResource + " " + r.URI })
		keys, err = list(keys, err, session.ResourceTemplates(ctx, nil), func(t *mcp.ResourceTemplate) string { return readResource + " " + t.URITemplate })
	}
	return keys, err
}

// list appends the keys of what a list of the server holds.
func list[T any](keys []string, err error, all iter.Seq2[T, error], key func(T) string) ([]string, error) {
	if err != nil {
		return nil, err
	}
	for item, err := range all {
		if err != nil {
			return nil, err
		}
		keys = append(keys, key(item))
	}
	return keys, nil
}
