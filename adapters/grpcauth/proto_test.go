package grpcauth_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/bearward/bearward/adapters/grpcauth"
)

// optionFile is what protoc makes of a file with options of the user's own: a string, a repeated
// string, and one of another type.
func optionFile() protoreflect.FileDescriptor {
	field := func(name string, number int32, label descriptorpb.FieldDescriptorProto_Label, kind descriptorpb.FieldDescriptorProto_Type, of string) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{Name: proto.String(name), Number: proto.Int32(number), Label: label.Enum(), Type: kind.Enum(), Extendee: proto.String(of)}
	}
	const optional, repeated = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL, descriptorpb.FieldDescriptorProto_LABEL_REPEATED
	const text, number = descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_INT32
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("needs.proto"), Package: proto.String("orders.v1"), Dependency: []string{"google/protobuf/descriptor.proto"}, Syntax: proto.String("proto3"),
		Extension: []*descriptorpb.FieldDescriptorProto{
			field("needs", 50001, optional, text, ".google.protobuf.MethodOptions"), field("scopes", 50002, repeated, text, ".google.protobuf.MethodOptions"),
			field("level", 50003, optional, number, ".google.protobuf.MethodOptions"), field("owner", 50004, optional, text, ".google.protobuf.ServiceOptions"),
		},
	}, protoregistry.GlobalFiles)
	if err != nil {
		panic(err)
	}
	return file
}

var options = optionFile().Extensions()

func optionNamed(name protoreflect.Name) protoreflect.ExtensionType {
	return dynamicpb.NewExtensionType(options.ByName(name))
}

// ordersService is a service whose methods have the options that set sets.
func ordersService(methods map[string]func(*descriptorpb.MethodOptions)) protoreflect.ServiceDescriptor {
	service := &descriptorpb.ServiceDescriptorProto{Name: proto.String("Orders")}
	for name, set := range methods {
		o := new(descriptorpb.MethodOptions)
		if set != nil {
			set(o)
		}
		raw, err := proto.Marshal(o)
		if err != nil {
			panic(err)
		}
		unknown := new(descriptorpb.MethodOptions) // as in a descriptor that was made before the option was known
		if err := (proto.UnmarshalOptions{Resolver: new(protoregistry.Types)}).Unmarshal(raw, unknown); err != nil {
			panic(err)
		}
		service.Method = append(service.Method, &descriptorpb.MethodDescriptorProto{Name: proto.String(name), InputType: proto.String(".orders.v1.Nothing"), OutputType: proto.String(".orders.v1.Nothing"), Options: unknown})
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("orders.proto"), Package: proto.String("orders.v1"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Nothing")}}, Service: []*descriptorpb.ServiceDescriptorProto{service},
	}, protoregistry.GlobalFiles)
	if err != nil {
		panic(err)
	}
	return file.Services().Get(0)
}

func needs(text string) func(*descriptorpb.MethodOptions) {
	return func(o *descriptorpb.MethodOptions) { proto.SetExtension(o, optionNamed("needs"), text) }
}

func scopes(all ...string) func(*descriptorpb.MethodOptions) {
	return func(o *descriptorpb.MethodOptions) {
		list := optionNamed("scopes").New().List()
		for _, s := range all {
			list.Append(protoreflect.ValueOfString(s))
		}
		o.ProtoReflect().Set(optionNamed("scopes").TypeDescriptor(), protoreflect.ValueOfList(list))
	}
}

// Each element of a list is one scope. None is read as anything that asks for less.
func TestAListOfScopesHoldsNothingElse(t *testing.T) {
	for _, scope := range []string{``, ` `, `a b`, `a" or "b`, `a" or any token #`, `a"#`, `a" `, `"`, `a\`, `a\u0062`, "a\nb", "é"} {
		service := ordersService(map[string]func(*descriptorpb.MethodOptions){"List": scopes("read", scope)})
		if rules, err := grpcauth.RulesFromProto(optionNamed("scopes"), service); err == nil || !strings.Contains(err.Error(), "/orders.v1.Orders/List") {
			t.Errorf("%q: %v, %v", scope, rules["/orders.v1.Orders/List"], err)
		}
	}
}

func TestRulesFromProto(t *testing.T) {
	service := ordersService(map[string]func(*descriptorpb.MethodOptions){
		"List": needs("read:orders"), "Create": needs("write:orders and (admin or owner)"), "Ping": needs("public"), "Me": needs("any token"),
	})
	rules, err := grpcauth.RulesFromProto(optionNamed("needs"), service)
	if err != nil {
		t.Fatal(err)
	}
	for method, want := range map[string]string{"List": "read:orders", "Create": "write:orders and (admin or owner)", "Ping": "public", "Me": "any token"} {
		if got := rules["/orders.v1.Orders/"+method].String(); got != want {
			t.Errorf("%s: %s, want %s", method, got, want)
		}
	}
	if len(rules) != 4 {
		t.Errorf("rules %v", rules)
	}

	listed := scopes("b", "public") // a scope of that name, not the word
	rules, err = grpcauth.RulesFromProto(optionNamed("scopes"), ordersService(map[string]func(*descriptorpb.MethodOptions){"List": listed}))
	if r := rules["/orders.v1.Orders/List"]; err != nil || r.IsPublic() || r.String() != `b and "public"` {
		t.Errorf("a list of scopes: %v, %v", r, err)
	}
}

func TestRulesFromProtoMisconfigured(t *testing.T) {
	good := ordersService(map[string]func(*descriptorpb.MethodOptions){"List": needs("read:orders")})
	for name, tt := range map[string]struct {
		option   protoreflect.ExtensionType
		services []protoreflect.ServiceDescriptor
		want     string
	}{
		"no option":           {nil, []protoreflect.ServiceDescriptor{good}, "needs an option"},
		"a number":            {optionNamed("level"), []protoreflect.ServiceDescriptor{good}, "orders.v1.level is not a string"},
		"of a service":        {optionNamed("owner"), []protoreflect.ServiceDescriptor{good}, "orders.v1.owner is not"},
		"no service":          {optionNamed("needs"), nil, "needs a service"},
		"a nil service":       {optionNamed("needs"), []protoreflect.ServiceDescriptor{nil}, "service 0 is nil"},
		"another option":      {optionNamed("scopes"), []protoreflect.ServiceDescriptor{good}, "/orders.v1.Orders/List: has no option (orders.v1.scopes)"},
		"a method without":    {optionNamed("needs"), []protoreflect.ServiceDescriptor{ordersService(map[string]func(*descriptorpb.MethodOptions){"A": needs("a"), "B": nil})}, "/orders.v1.Orders/B: has no option (orders.v1.needs)"},
		"an empty one":        {optionNamed("needs"), []protoreflect.ServiceDescriptor{ordersService(map[string]func(*descriptorpb.MethodOptions){"A": needs("")})}, "/orders.v1.Orders/A"},
		"one that is no need": {optionNamed("needs"), []protoreflect.ServiceDescriptor{ordersService(map[string]func(*descriptorpb.MethodOptions){"A": needs("a b")})}, "column 3"},
	} {
		rules, err := grpcauth.RulesFromProto(tt.option, tt.services...)
		if err == nil || rules != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v, want %s", name, rules, err, tt.want)
		}
	}
}

func ExampleRulesFromProto() {
	// With generated code: grpcauth.RulesFromProto(ordersv1.E_Needs,
	// ordersv1.File_orders_proto.Services().ByName("Orders"))
	service := ordersService(map[string]func(*descriptorpb.MethodOptions){"ListOrders": needs("read:orders"), "Ping": needs("public")})
	rules, err := grpcauth.RulesFromProto(optionNamed("needs"), service)
	fmt.Print(err, "\n", rules.Table())
	// Output:
	// <nil>
	// | method | operation | who may call it |
	// |---|---|---|
	// | gRPC | /orders.v1.Orders/ListOrders | read:orders |
	// | gRPC | /orders.v1.Orders/Ping | everybody: public |
}
