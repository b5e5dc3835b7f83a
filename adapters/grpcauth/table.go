package grpcauth

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"google.golang.org/grpc"

	auth "github.com/bearward/bearward/middleware"
)

// A rule is one row of a table.
type rule struct {
	key         string
	requirement auth.Requirement
}

// A table finds the rule of a method without building a string.
type table struct {
	methods  map[string]rule // by "/pkg.Service/Method"
	services map[string]rule // by "/pkg.Service/"
}

func newTable(rules auth.Rules) (*table, error) {
	if err := rules.Validate(); err != nil {
		return nil, fmt.Errorf("grpcauth: %w", err)
	}
	t := &table{methods: make(map[string]rule), services: make(map[string]rule)}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(rules)) {
		service, method, ok := cutMethod(key)
		switch {
		case !ok || strings.Contains(service, "*") || strings.Contains(method, "*") && method != "*": // check: rule-form
			errs = append(errs, fmt.Errorf("grpcauth: rule %q is neither /pkg.Service/Method nor /pkg.Service/*", key))
		case method == "*":
			t.services["/"+service+"/"] = rule{key, rules[key]}
		default:
			t.methods[key] = rule{key, rules[key]}
		}
	}
	return t, errors.Join(errs...)
}

// cutMethod splits "/pkg.Service/Method".
func cutMethod(full string) (service, method string, ok bool) {
	rest, ok := strings.CutPrefix(full, "/")
	if !ok {
		return "", "", false
	}
	service, method, _ = strings.Cut(rest, "/")
	return service, method, service != "" && method != "" && !strings.Contains(method, "/")
}

// find returns the rule of a method, and the zero rule when there is none.
func (t *table) find(method string) rule {
	if r, ok := t.methods[method]; ok { // check: exact-rule
		return r
	}
	return t.services[method[:strings.LastIndexByte(method, '/')+1]]
}

// Check returns an error that names every registered method that no rule covers, and every rule
// that no registered method uses; and one when a *grpc.Server was not given [ServerOptions] at all.
// Call it after the services are registered and before the server serves.
func Check(server interface {
	GetServiceInfo() map[string]grpc.ServiceInfo
}, rules auth.Rules) error {
	t, err := newTable(rules)
	if err != nil {
		return err
	}
	idle := maps.Clone(rules)
	var errs []error
	if s, ok := server.(*grpc.Server); ok {
		errs = append(errs, checkGuarded(s))
	}
	services := server.GetServiceInfo()
	for _, service := range slices.Sorted(maps.Keys(services)) {
		for _, m := range services[service].Methods {
			full := "/" + service + "/" + m.Name
			r := t.find(full)
			if r.key == "" { // check: check-uncovered
				errs = append(errs, fmt.Errorf("grpcauth: no rule for method %s: every call is denied", full))
			}
			delete(idle, r.key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(idle)) {
		errs = append(errs, fmt.Errorf("grpcauth: no registered method uses rule %q", key)) // check: check-idle
	}
	return errors.Join(errs...)
}

// checkGuarded returns an error when s is not guarded by its interceptors. gRPC does not tell them,
// so its fields are read, at start only; where they are not found, nothing can be told, and that is
// an error too.
func checkGuarded(s *grpc.Server) error {
	options := reflect.ValueOf(s).Elem().FieldByName("opts")
	d := new(interceptors)
	for field, interceptor := range map[string]any{"chainUnaryInts": d.unary, "chainStreamInts": d.stream} {
		if options.Kind() != reflect.Struct || options.FieldByName(field).Kind() != reflect.Slice {
			return errors.New("grpcauth: this version of gRPC does not let Check see whether the server is guarded")
		}
		chain := options.FieldByName(field)
		guarded := false
		for i := range chain.Len() {
			guarded = guarded || chain.Index(i).Pointer() == reflect.ValueOf(interceptor).Pointer()
		}
		if !guarded { // check: check-unguarded
			return errors.New("grpcauth: the server was not given ServerOptions: nothing is guarded")
		}
	}
	return nil
}
