package rpc

import (
	"testing"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/frogstats/uptime/internal/identity"
)

// schema is a small contract, made here because this module may not import the generated ones:
//
//	message Target { uint32 port = 1 [(buf.validate.field).uint32 = {gte: 1, lte: 65535}]; }
//	message CreateRequest { Target monitor = 1; string etag = 2; }
//	service Things {
//	  rpc Create(CreateRequest) returns (google.protobuf.Empty) { access = EDITOR, http body "monitor" }
//	  rpc Forgotten(CreateRequest) returns (google.protobuf.Empty)
//	  rpc Upload(stream CreateRequest) returns (google.protobuf.Empty) { access = EDITOR }
//	}
type schema struct {
	files  *protoregistry.Files
	access protoreflect.ExtensionType
	create protoreflect.MessageDescriptor
}

func newSchema(t *testing.T) schema {
	t.Helper()
	optionFile := build(t, protoregistry.GlobalFiles, optionProto())
	access := dynamicpb.NewExtensionType(optionFile.Extensions().Get(0))
	thingFile := build(t, protoregistry.GlobalFiles, thingsProto(access))
	files := &protoregistry.Files{}
	if err := files.RegisterFile(thingFile); err != nil {
		t.Fatal(err)
	}
	return schema{files: files, access: access, create: thingFile.Messages().ByName("CreateRequest")}
}

func build(t *testing.T, known protodesc.Resolver, file *descriptorpb.FileDescriptorProto) protoreflect.FileDescriptor {
	t.Helper()
	f, err := protodesc.NewFile(file, known)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func optionProto() *descriptorpb.FileDescriptorProto {
	values := []*descriptorpb.EnumValueDescriptorProto{}
	for i, name := range []string{"UNSPECIFIED", "PUBLIC", "USER", "VIEWER", "EDITOR", "ADMIN", "OWNER", "SERVICE"} {
		values = append(values, &descriptorpb.EnumValueDescriptorProto{Name: &name, Number: proto.Int32(int32(i))})
	}
	return &descriptorpb.FileDescriptorProto{
		Name: proto.String("test/option.proto"), Package: proto.String("test"), Syntax: proto.String("proto3"),
		Dependency: []string{"google/protobuf/descriptor.proto"},
		EnumType:   []*descriptorpb.EnumDescriptorProto{{Name: proto.String("Access"), Value: values}},
		Extension: []*descriptorpb.FieldDescriptorProto{{
			Name: proto.String("access"), Number: proto.Int32(50999), Extendee: proto.String(".google.protobuf.MethodOptions"),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			Type:  descriptorpb.FieldDescriptorProto_TYPE_ENUM.Enum(), TypeName: proto.String(".test.Access"),
		}},
	}
}

func thingsProto(access protoreflect.ExtensionType) *descriptorpb.FileDescriptorProto {
	port := &descriptorpb.FieldOptions{}
	proto.SetExtension(port, validate.E_Field, validate.FieldRules_builder{
		Uint32: validate.UInt32Rules_builder{Gte: proto.Uint32(1), Lte: proto.Uint32(65535)}.Build(),
	}.Build())
	editor := func() *descriptorpb.MethodOptions {
		o := &descriptorpb.MethodOptions{}
		o.ProtoReflect().Set(access.TypeDescriptor(), protoreflect.ValueOfEnum(protoreflect.EnumNumber(identity.AccessEditor)))
		return o
	}
	create := editor()
	proto.SetExtension(create, annotations.E_Http, &annotations.HttpRule{
		Pattern: &annotations.HttpRule_Post{Post: "/things"}, Body: "*",
		AdditionalBindings: []*annotations.HttpRule{{Pattern: &annotations.HttpRule_Put{Put: "/things"}, Body: "monitor"}},
	})
	optional := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()
	method := func(name string, stream bool, o *descriptorpb.MethodOptions) *descriptorpb.MethodDescriptorProto {
		return &descriptorpb.MethodDescriptorProto{
			Name: &name, InputType: proto.String(".test.CreateRequest"), OutputType: proto.String(".google.protobuf.Empty"),
			ClientStreaming: &stream, Options: o,
		}
	}
	return &descriptorpb.FileDescriptorProto{
		Name: proto.String("test/things.proto"), Package: proto.String("test"), Syntax: proto.String("proto3"),
		Dependency: []string{"google/protobuf/empty.proto", "buf/validate/validate.proto"},
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: proto.String("Target"), Field: []*descriptorpb.FieldDescriptorProto{{
				Name: proto.String("port"), Number: proto.Int32(1), Label: optional,
				Type: descriptorpb.FieldDescriptorProto_TYPE_UINT32.Enum(), Options: port,
			}}},
			{Name: proto.String("CreateRequest"), Field: []*descriptorpb.FieldDescriptorProto{
				{
					Name: proto.String("monitor"), Number: proto.Int32(1), Label: optional,
					Type: descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), TypeName: proto.String(".test.Target"),
				},
				{
					Name: proto.String("etag"), Number: proto.Int32(2), Label: optional,
					Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
				},
			}},
		},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: proto.String("Things"),
			Method: []*descriptorpb.MethodDescriptorProto{
				method("Create", false, create), method("Forgotten", false, nil), method("Upload", true, editor()),
			},
		}},
	}
}

// request is a CreateRequest for port.
func (s schema) request(port uint32) proto.Message {
	m := dynamicpb.NewMessage(s.create)
	target := m.Mutable(s.create.Fields().ByName("monitor")).Message()
	target.Set(target.Descriptor().Fields().ByName("port"), protoreflect.ValueOfUint32(port))
	return m
}

func TestPolicyByOption(t *testing.T) {
	s := newSchema(t)
	policy := policyByOption(s.files, s.access)
	tests := map[string]struct {
		want identity.Access
		ok   bool
	}{
		"/test.Things/Create":         {identity.AccessEditor, true},
		"/test.Things/Forgotten":      {identity.AccessUnspecified, false},
		"/test.Things/Missing":        {identity.AccessUnspecified, false},
		"/test.Missing/Create":        {identity.AccessUnspecified, false},
		"/test.CreateRequest/monitor": {identity.AccessUnspecified, false}, // a field, not a method
		"nonsense":                    {identity.AccessUnspecified, false},
		"":                            {identity.AccessUnspecified, false},
	}
	for method, tt := range tests {
		for range 2 { // the second time from memory
			if got, ok := policy(method); got != tt.want || ok != tt.ok {
				t.Errorf("policy(%q) = %v, %v, want %v, %v", method, got, ok, tt.want, tt.ok)
			}
		}
	}
}

func TestPolicyByOptionOfAnotherType(t *testing.T) {
	s := newSchema(t)
	policy := policyByOption(s.files, annotations.E_Http) // a message, where an enum is expected
	if got, ok := policy("/test.Things/Create"); ok {
		t.Errorf("access %v from an option that is no enum", got)
	}
}

func TestHousePolicyNeedsTheContracts(t *testing.T) {
	if _, err := HousePolicy(); err == nil {
		t.Error("a policy without any contract linked in")
	}
}

func TestTrimBody(t *testing.T) {
	s := newSchema(t)
	for _, tt := range []struct{ method, path, want string }{
		{"/test.Things/Create", "monitor.port", "port"},
		{"/test.Things/Create", "monitor", "monitor"},
		{"/test.Things/Create", "monitors.port", "monitors.port"},
		{"/test.Things/Create", "etag", "etag"},
		{"/test.Things/Forgotten", "monitor.port", "monitor.port"},
		{"/test.Things/Missing", "monitor.port", "monitor.port"},
	} {
		if got := trimBody(s.files, tt.method, tt.path); got != tt.want {
			t.Errorf("trimBody(%s, %s) = %s, want %s", tt.method, tt.path, got, tt.want)
		}
	}
	if got := TrimBody("/grpc.health.v1.Health/Check", "service"); got != "service" {
		t.Errorf("TrimBody without annotation = %s", got)
	}
	_ = emptypb.Empty{} // links google/protobuf/empty.proto in
}
