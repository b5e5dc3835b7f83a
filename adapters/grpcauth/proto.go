package grpcauth

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	auth "github.com/bearward/bearward/middleware"
)

// RulesFromProto returns the rules that services state themselves, by an option of the user's own
// in their .proto files:
//
//	extend google.protobuf.MethodOptions { string needs = 50001; }
//
//	service Orders {
//	  rpc ListOrders(ListOrdersRequest) returns (ListOrdersResponse) { option (needs) = "read:orders"; }
//	  rpc Ping(PingRequest) returns (PingResponse) { option (needs) = "public"; }
//	}
//
// which is read by
//
//	rules, err := grpcauth.RulesFromProto(ordersv1.E_Needs, ordersv1.File_orders_proto.Services().ByName("Orders"))
//
// The option is a string, in the form of [auth.ParseRequirement], or a repeated string of scopes
// that are all required. The error names every method that has no option, or one that cannot be
// read: nothing is public because somebody forgot it. Services whose files are somebody else's, as
// health and reflection, get their rules in code, beside these.
func RulesFromProto(option protoreflect.ExtensionType, services ...protoreflect.ServiceDescriptor) (auth.Rules, error) {
	read, err := optionReader(option)
	if err != nil {
		return nil, err
	}
	if len(services) == 0 {
		return nil, errors.New("grpcauth: RulesFromProto needs a service")
	}
	rules := auth.Rules{}
	var errs []error
	for i, service := range services {
		if service == nil {
			errs = append(errs, fmt.Errorf("grpcauth: RulesFromProto: service %d is nil", i))
			continue
		}
		for j := range service.Methods().Len() {
			method := service.Methods().Get(j)
			name := fmt.Sprintf("/%s/%s", service.FullName(), method.Name())
			req, err := read(method)
			if err != nil {
				errs = append(errs, fmt.Errorf("grpcauth: RulesFromProto: %s: %w", name, err))
				continue
			}
			rules[name] = req
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return rules, rules.Validate()
}

// optionReader returns what reads the option of a method.
func optionReader(option protoreflect.ExtensionType) (func(protoreflect.MethodDescriptor) (auth.Requirement, error), error) {
	if option == nil {
		return nil, errors.New("grpcauth: RulesFromProto needs an option")
	}
	d := option.TypeDescriptor()
	if d.ContainingMessage().FullName() != "google.protobuf.MethodOptions" || d.Kind() != protoreflect.StringKind {
		return nil, fmt.Errorf("grpcauth: RulesFromProto: %s is not a string or repeated string that extends google.protobuf.MethodOptions", d.FullName())
	}
	types := new(protoregistry.Types)
	if err := types.RegisterExtension(option); err != nil {
		return nil, fmt.Errorf("grpcauth: RulesFromProto: %w", err)
	}
	return func(method protoreflect.MethodDescriptor) (auth.Requirement, error) {
		// Read again, since a descriptor that was made before the option was known holds it as
		// unknown bytes.
		raw, err := proto.Marshal(method.Options())
		if err != nil {
			return auth.Requirement{}, err
		}
		options := new(descriptorpb.MethodOptions)
		if err := (proto.UnmarshalOptions{Resolver: types}).Unmarshal(raw, options); err != nil {
			return auth.Requirement{}, err
		}
		if !options.ProtoReflect().Has(d) { // check: proto-option-missing
			return auth.Requirement{}, fmt.Errorf("has no option (%s)", d.FullName())
		}
		value := options.ProtoReflect().Get(d)
		if !d.IsList() {
			return auth.ParseRequirement(value.String())
		}
		return allScopes(value.List())
	}, nil
}

// allScopes requires every scope of a list.
func allScopes(list protoreflect.List) (auth.Requirement, error) {
	if list.Len() == 0 {
		return auth.Requirement{}, errors.New("no scopes")
	}
	var each []auth.Requirement
	for i := range list.Len() {
		scope := list.Get(i).String()
		if strings.ContainsAny(scope, `"\`) { // check: proto-scope-quote
			return auth.Requirement{}, fmt.Errorf("%q is not a scope (RFC 6749 §3.3)", scope) // it would end the quotes, or be another: `a" or "b`
		}
		req, err := auth.ParseRequirement(`"` + scope + `"`)
		if err != nil {
			return req, err
		}
		each = append(each, req)
	}
	return auth.AllOf(each[0], each[1:]...), nil
}
