package grpcauth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unsafe"

	"google.golang.org/grpc"

	auth "github.com/bearward/bearward/middleware"
)

// A rule is one row of a table.
type rule struct {
	key         string
	requirement auth.Requirement
	changes     bool // it may: it is one of LiveRules, or has a check and so is never public
}

func newRule(key string, req auth.Requirement) rule {
	_, err := auth.Rules{"/": req}.Text()
	return rule{key, req, err != nil}
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
			t.services["/"+service+"/"] = newRule(key, rules[key])
		default:
			t.methods[key] = newRule(key, rules[key])
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
// that no registered method uses. For a *grpc.Server it also reports a server without
// [ServerOptions] or with other rules. So it does an interceptor of grpc.UnaryInterceptor or
// StreamInterceptor, which runs in front of the guard. Call it after the services are registered
// and before the server serves.
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
		errs = append(errs, checkGuarded(s, rules))
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

// errUnseen is what Check returns where gRPC's fields are not what it knows.
var errUnseen = errors.New("grpcauth: this version of gRPC does not let Check see whether the server is guarded")

// checkGuarded returns an error when s is not guarded by these rules. gRPC does not tell its
// interceptors, so its fields are read, at start only; where they are not found, nothing can be
// told, and that is an error too.
func checkGuarded(s *grpc.Server, rules auth.Rules) error {
	unary, ok := interceptorsOf[grpc.UnaryServerInterceptor](s, "chainUnaryInts", "unaryInt")
	if !ok {
		return errUnseen
	}
	stream, ok := interceptorsOf[grpc.StreamServerInterceptor](s, "chainStreamInts", "streamInt")
	if !ok {
		return errUnseen
	}
	ask := func(f grpc.UnaryServerInterceptor) (i *interceptors) {
		_, _ = f(context.Background(), &i, nil, nil)
		return i
	}
	askStream := func(f grpc.StreamServerInterceptor) (i *interceptors) {
		_ = f(&i, nil, nil, nil)
		return i
	}
	d := new(interceptors)
	if err := checkChain("Unary", unary, d.unary, ask, rules); err != nil {
		return err
	}
	return checkChain("Stream", stream, d.stream, askStream, rules)
}

// A chain holds the interceptors of one kind.
type chain[F any] struct {
	all   []F // that were chained
	whole F   // what gRPC made of them, and of the one in front
}

func interceptorsOf[F any](s *grpc.Server, chained, whole string) (c chain[F], ok bool) {
	options := reflect.ValueOf(s).Elem().FieldByName("opts")
	if options.Kind() != reflect.Struct {
		return c, false
	}
	all, one := options.FieldByName(chained), options.FieldByName(whole)
	if !all.IsValid() || all.Type() != reflect.TypeFor[[]F]() || !one.IsValid() || one.Type() != reflect.TypeFor[F]() {
		return c, false
	}
	c.all = *(*[]F)(unsafe.Pointer(all.UnsafeAddr()))
	c.whole = *(*F)(unsafe.Pointer(one.UnsafeAddr()))
	return c, true
}

// checkChain returns an error when ours is not among the interceptors of a chain, or has other
// rules, or when one stands in front of it that was not chained before it.
func checkChain[F any](kind string, c chain[F], ours F, ask func(F) *interceptors, rules auth.Rules) error {
	ourCode := reflect.ValueOf(ours).Pointer()
	at := slices.IndexFunc(c.all, func(f F) bool { return reflect.ValueOf(f).Pointer() == ourCode })
	if at < 0 {
		// check: check-unguarded
		return errors.New("grpcauth: the server was not given ServerOptions: nothing is guarded")
	}
	if differ := ask(c.all[at]).rules.Diff(rules); len(differ) > 0 { // check: check-other-rules
		return fmt.Errorf("grpcauth: ServerOptions was given other rules than Check: they differ in %q", differ)
	}
	if c.hasFront() { // check: check-front
		return fmt.Errorf("grpcauth: the interceptor given to grpc.%sInterceptor stands in front of the guard: use grpc.Chain%[1]sInterceptor", kind)
	}
	return nil
}

// hasFront reports whether gRPC put an interceptor in front of those that were chained: it then
// runs a list of its own, and theirs otherwise. One alone is run as it is; of several, gRPC makes a
// closure of nothing but the list.
func (c chain[F]) hasFront() bool {
	if len(c.all) == 1 {
		return reflect.ValueOf(c.whole).Pointer() != reflect.ValueOf(c.all[0]).Pointer()
	}
	closure := *(**struct {
		code uintptr
		list *F
	})(unsafe.Pointer(&c.whole))
	return closure.list != unsafe.SliceData(c.all)
}
