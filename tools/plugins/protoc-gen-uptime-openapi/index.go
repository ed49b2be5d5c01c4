package main

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// accessOption is the method option that says who may call.
const accessOption = "frogstats.uptime.access.v1.access"

// index finds the descriptors behind the names of a generated document.
type index struct {
	messages map[string]*descriptorpb.DescriptorProto
	enums    map[string]enumInfo
	// methods has keys "file.proto/Service_Method", which is how the generator names operations.
	methods map[string]*descriptorpb.MethodDescriptorProto
	// accessNumber is the field number of accessOption; 0 when the protos do not declare it.
	accessNumber protowire.Number
	accessType   string
}

// enumInfo is an enum with what its values' comments say.
type enumInfo struct {
	desc     *descriptorpb.EnumDescriptorProto
	comments []string
}

func newIndex(files []*descriptorpb.FileDescriptorProto) (*index, error) {
	ix := &index{
		messages: map[string]*descriptorpb.DescriptorProto{},
		enums:    map[string]enumInfo{},
		methods:  map[string]*descriptorpb.MethodDescriptorProto{},
	}
	for _, file := range files {
		comments := leadingComments(file)
		for i, enum := range file.GetEnumType() {
			ix.addEnum(file.GetPackage(), enum, comments, []int32{5, int32(i)})
		}
		for i, msg := range file.GetMessageType() {
			ix.addMessage(file.GetPackage(), msg, comments, []int32{4, int32(i)})
		}
		for _, svc := range file.GetService() {
			for _, method := range svc.GetMethod() {
				// A copy: prepare changes the request's own descriptors.
				ix.methods[file.GetName()+"/"+svc.GetName()+"_"+method.GetName()] = proto.CloneOf(method)
			}
		}
		for _, ext := range file.GetExtension() {
			if file.GetPackage()+"."+ext.GetName() == accessOption {
				ix.accessNumber = protowire.Number(ext.GetNumber())
				ix.accessType = strings.TrimPrefix(ext.GetTypeName(), ".")
			}
		}
	}
	if ix.accessType != "" {
		if _, ok := ix.enums[ix.accessType]; !ok {
			return nil, fmt.Errorf("option %s: its enum %q is not in the request", accessOption, ix.accessType)
		}
	}
	return ix, nil
}

func (ix *index) addMessage(scope string, msg *descriptorpb.DescriptorProto, comments map[string]string, path []int32) {
	name := scope + "." + msg.GetName()
	ix.messages[name] = proto.CloneOf(msg)
	for i, enum := range msg.GetEnumType() {
		ix.addEnum(name, enum, comments, append(path[:len(path):len(path)], 4, int32(i)))
	}
	for i, nested := range msg.GetNestedType() {
		ix.addMessage(name, nested, comments, append(path[:len(path):len(path)], 3, int32(i)))
	}
}

func (ix *index) addEnum(scope string, enum *descriptorpb.EnumDescriptorProto, comments map[string]string, path []int32) {
	ei := enumInfo{desc: enum}
	for i := range enum.GetValue() {
		ei.comments = append(ei.comments, comments[pathKey(append(path[:len(path):len(path)], 2, int32(i)))])
	}
	ix.enums[scope+"."+enum.GetName()] = ei
}

// field follows a path such as "monitor.id" from a message to a field; nil when it
// leads nowhere.
func (ix *index) field(msg *descriptorpb.DescriptorProto, path string) *descriptorpb.FieldDescriptorProto {
	var field *descriptorpb.FieldDescriptorProto
	for name := range strings.SplitSeq(path, ".") {
		i := slices.IndexFunc(msg.GetField(), func(f *descriptorpb.FieldDescriptorProto) bool { return f.GetName() == name })
		if i < 0 {
			return nil
		}
		field = msg.GetField()[i]
		msg = ix.messages[strings.TrimPrefix(field.GetTypeName(), ".")]
	}
	return field
}

// leadingComments maps a location inside a file, in the numbering of
// google.protobuf.SourceCodeInfo, to the comment above it.
func leadingComments(file *descriptorpb.FileDescriptorProto) map[string]string {
	comments := map[string]string{}
	for _, loc := range file.GetSourceCodeInfo().GetLocation() {
		if c := strings.TrimSpace(loc.GetLeadingComments()); c != "" {
			comments[pathKey(loc.GetPath())] = strings.Join(strings.Fields(c), " ")
		}
	}
	return comments
}

func pathKey(path []int32) string { return fmt.Sprint(path) }

// wireValues returns an enum's values as our JSON has them, with their comments:
// lower case, the enum's own prefix gone, the unspecified value left out, since
// the wire says null for it.
func (e enumInfo) wireValues() (values, comments []string) {
	prefix := strings.TrimSuffix(e.desc.GetValue()[0].GetName(), "UNSPECIFIED")
	for i, v := range e.desc.GetValue() {
		if v.GetNumber() == 0 && strings.HasSuffix(v.GetName(), "UNSPECIFIED") {
			continue
		}
		values = append(values, strings.ToLower(strings.TrimPrefix(v.GetName(), prefix)))
		comments = append(comments, e.comments[i])
	}
	return values, comments
}

// only returns the enum with none but these values; the first stays, because it
// tells the prefix.
func (e enumInfo) only(numbers []int32) enumInfo {
	some := enumInfo{desc: &descriptorpb.EnumDescriptorProto{}}
	for i, v := range e.desc.GetValue() {
		if i == 0 || slices.Contains(numbers, v.GetNumber()) {
			some.desc.Value = append(some.desc.Value, v)
			some.comments = append(some.comments, e.comments[i])
		}
	}
	return some
}

// access returns the wire value of a method's access option, "" when it has none.
// The option's Go type is generated by the very run that this program is part of,
// so the option is an unknown field here and is read from its bytes.
func (ix *index) access(method *descriptorpb.MethodDescriptorProto) string {
	if ix.accessNumber == 0 || method.GetOptions() == nil {
		return ""
	}
	for b := method.GetOptions().ProtoReflect().GetUnknown(); len(b) > 0; {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return ""
		}
		b = b[n:]
		if num == ix.accessNumber && typ == protowire.VarintType {
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return ""
			}
			return ix.accessName(int32(v))
		}
		n = protowire.ConsumeFieldValue(num, typ, b)
		if n < 0 {
			return ""
		}
		b = b[n:]
	}
	return ""
}

func (ix *index) accessName(number int32) string {
	enum := ix.enums[ix.accessType]
	prefix := strings.TrimSuffix(enum.desc.GetValue()[0].GetName(), "UNSPECIFIED")
	for _, v := range enum.desc.GetValue() {
		if v.GetNumber() == number {
			return strings.ToLower(strings.TrimPrefix(v.GetName(), prefix))
		}
	}
	return ""
}
