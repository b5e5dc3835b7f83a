package connectauth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	auth "github.com/bearward/bearward/middleware"
)

// A rule is one row of a table.
type rule struct {
	key         string
	requirement auth.Requirement
	changes     bool // it may: it is one of LiveRules, or has a check and so is never public
}

// A table holds rules by their keys.
type table map[string]rule

func newTable(rules auth.Rules) (table, error) {
	if err := rules.Validate(); err != nil {
		return nil, fmt.Errorf("connectauth: %w", err)
	}
	t := table{}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(rules)) {
		service, method, ok := strings.Cut(strings.TrimPrefix(key, "/"), "/")
		wild := strings.Contains(service, "*") || strings.Contains(method, "*") && method != "*"
		if !ok || key[0] != '/' || service == "" || method == "" || strings.Contains(method, "/") || wild { // check: rule-form
			errs = append(errs, fmt.Errorf("connectauth: rule %q is neither /pkg.Service/Method nor /pkg.Service/*", key))
			continue
		}
		_, err := auth.Rules{"/": rules[key]}.Text()
		t[key] = rule{key, rules[key], err != nil}
	}
	return t, errors.Join(errs...)
}

// find returns the rule of a procedure, and the zero rule when there is none.
func (t table) find(procedure string) rule {
	if r, ok := t[procedure]; ok { // check: exact-rule
		return r
	}
	return t[procedure[:strings.LastIndexByte(procedure, '/')+1]+"*"]
}

// Check returns an error that names every procedure of the services that no rule covers, and every
// rule that no procedure uses. Call it after the services are added and before the server serves.
//
// Which procedures a service has, Check learns from the descriptors that generated code registers
// (protoregistry.GlobalFiles). Of a service that is not there it knows none. Then one rule for the
// service will do, and each of its rules counts as used.
func (m *Mux) Check() error {
	idle := maps.Clone(m.rules)
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(m.services)) {
		procedures, known := proceduresOf(path)
		if !known {
			ruled := false
			for key := range m.rules {
				if strings.HasPrefix(key, path) {
					delete(idle, key)
					ruled = true
				}
			}
			if !ruled { // check: check-service
				errs = append(errs, fmt.Errorf("connectauth: no rule for service %s: every call is denied", path))
			}
			continue
		}
		for _, procedure := range procedures {
			r := m.table.find(procedure)
			if r.key == "" { // check: check-uncovered
				errs = append(errs, fmt.Errorf("connectauth: no rule for procedure %s: every call is denied", procedure))
			}
			delete(idle, r.key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(idle)) {
		errs = append(errs, fmt.Errorf("connectauth: no procedure uses rule %q", key)) // check: check-idle
	}
	return errors.Join(errs...)
}

// proceduresOf returns the procedures of the service at a path, and whether they are known.
func proceduresOf(path string) (all []string, known bool) {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(strings.Trim(path, "/")))
	if err != nil {
		return nil, false
	}
	s, ok := d.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, false
	}
	for i := range s.Methods().Len() {
		all = append(all, path+string(s.Methods().Get(i).Name()))
	}
	slices.Sort(all)
	return all, true
}
