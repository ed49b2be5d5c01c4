package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	_ "google.golang.org/genproto/googleapis/api/annotations" // the fixture's http rules
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/pluginpb"
)

// upstream builds the generator that this program stands in front of, at the
// version that go.mod pins.
func upstream(t *testing.T) func(*pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "protoc-gen-openapiv3")
	out, err := exec.Command("go", "build", "-o", program, "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv3").CombinedOutput()
	if err != nil {
		t.Fatalf("build the generator: %v\n%s", err, out)
	}
	return func(req *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
		return runProgram(program, req)
	}
}

// pondRequest is the request that buf would send for testdata/pond.txtpb.
func pondRequest(t *testing.T) *pluginpb.CodeGeneratorRequest {
	t.Helper()
	req := &pluginpb.CodeGeneratorRequest{FileToGenerate: []string{"frogstats/uptime/pond/v1/pond.proto"}}
	for _, f := range []protoreflect.FileDescriptor{
		descriptorpb.File_google_protobuf_descriptor_proto, durationpb.File_google_protobuf_duration_proto, emptypb.File_google_protobuf_empty_proto,
		fieldmaskpb.File_google_protobuf_field_mask_proto, structpb.File_google_protobuf_struct_proto,
		timestamppb.File_google_protobuf_timestamp_proto, validate.File_buf_validate_validate_proto,
	} {
		req.ProtoFile = append(req.ProtoFile, protodesc.ToFileDescriptorProto(f))
	}
	for _, name := range []string{"access", "pond"} {
		data, err := os.ReadFile(filepath.Join("testdata", name+".txtpb"))
		if err != nil {
			t.Fatal(err)
		}
		file := &descriptorpb.FileDescriptorProto{}
		if err := prototext.Unmarshal(data, file); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		req.ProtoFile = append(req.ProtoFile, file)
	}
	return req
}

// method finds a method of the fixture's service.
func method(t *testing.T, req *pluginpb.CodeGeneratorRequest, name string) *descriptorpb.MethodDescriptorProto {
	t.Helper()
	for _, file := range req.GetProtoFile() {
		for _, svc := range file.GetService() {
			for _, m := range svc.GetMethod() {
				if m.GetName() == name {
					return m
				}
			}
		}
	}
	t.Fatalf("no method %s", name)
	return nil
}

// setAccess writes the access option the way buf sends it: as bytes whose Go type
// this program does not know.
func setAccess(m *descriptorpb.MethodDescriptorProto, value uint64) {
	raw := protowire.AppendTag(nil, 50399, protowire.BytesType)
	raw = protowire.AppendBytes(raw, []byte("another option"))
	raw = protowire.AppendTag(raw, 50301, protowire.VarintType)
	raw = protowire.AppendVarint(raw, value)
	m.Options.ProtoReflect().SetUnknown(raw)
}

// at follows keys and list positions into decoded JSON and returns what is there
// as JSON text, "" for nothing.
func at(t *testing.T, doc any, path ...string) string {
	t.Helper()
	for _, key := range path {
		switch v := doc.(type) {
		case map[string]any:
			doc = v[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil {
				t.Fatal(err)
			}
			if i >= len(v) {
				return ""
			}
			doc = v[i]
		default:
			return ""
		}
	}
	if doc == nil {
		return ""
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(buf.String())
}

func TestGenerate(t *testing.T) {
	req := pondRequest(t)
	setAccess(method(t, req, "ListFrogs"), 1)
	setAccess(method(t, req, "DeleteFrog"), 4)
	content, err := generate(req, upstream(t))
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal([]byte(content), &doc); err != nil {
		t.Fatal(err)
	}

	const frogs, frog = "/api/frogs", "/api/frogs/{frog_id}"
	ref := func(name string) string { return `{"$ref":"#/components/schemas/` + name + `"}` }
	for _, tt := range []struct {
		name string
		path []string
		want string
	}{
		{"title", []string{"info", "title"}, `"Frogstats Uptime API"`},
		{"servers", []string{"servers"}, `[{"url":"/"}]`},
		{"security", []string{"security"}, `[{"api_key":[]},{"session":[]}]`},
		{"tag without Service", []string{"tags", "0", "name"}, `"Pond"`},

		{"snake_case property", []string{"components", "schemas", "Frog", "properties", "jump_length_nm"}, `{"format":"uint64","type":"integer"}`},
		{"no camelCase property", []string{"components", "schemas", "Frog", "properties", "jumpLengthNm"}, ""},
		{"timestamp", []string{"components", "schemas", "Frog", "properties", "born_at"}, `{"format":"date-time","type":["string","null"]}`},
		{"optional is nullable", []string{"components", "schemas", "Frog", "properties", "nick_name"}, `{"type":["string","null"]}`},
		{"oneof member is nullable", []string{"components", "schemas", "Frog", "properties", "leaf"}, `{"type":["string","null"]}`},
		{"oneof has no oneOf", []string{"components", "schemas", "Frog", "oneOf"}, ""},
		{"oneof as a sentence", []string{"components", "schemas", "Frog", "description"}, `"At most one of leaf, stone is set."`},
		{"nullable enum", []string{"components", "schemas", "Frog", "properties", "frog_kind"}, `{"anyOf":[` + ref("FrogKind") + `,{"type":"null"}]}`},
		{"open object", []string{"components", "schemas", "Frog", "properties", "extra"}, `{"additionalProperties":true,"type":["object","null"]}`},
		{"read-only", []string{"components", "schemas", "Frog", "properties", "id"}, `{"description":"Identifier. Read-only.","format":"int64","readOnly":true,"type":"integer"}`},
		{"list of choices keeps null", []string{"components", "schemas", "Frog", "properties", "call"}, `{"enum":["croak","peep",null],"type":["string","null"]}`},
		{"list with rules", []string{"components", "schemas", "Frog", "properties", "spots"}, `{"items":{"maxLength":20,"minLength":1,"type":"string"},"maxItems":8,"type":"array","uniqueItems":true}`},
		{"map with rules", []string{"components", "schemas", "Frog", "properties", "kin"}, `{"additionalProperties":{"format":"int32","minimum":1,"type":"integer"},"maxProperties":4,"propertyNames":{"pattern":"^[a-z]+$"},"type":"object"}`},

		{"enum values", []string{"components", "schemas", "FrogKind", "enum"}, `["tree_frog","toad"]`},
		{"enum comments", []string{"components", "schemas", "FrogKind", "description"}, `"FrogKind is a kind of frog.\n- ` + "`tree_frog`" + `: Lives in trees."`},
		{"error shape", []string{"components", "schemas", "Error", "required"}, `["code","details","error","request_id"]`},
		{"no google.rpc.Status", []string{"components", "schemas", "google.rpc.Status"}, ""},

		{"response_body is a bare array", []string{"paths", frogs, "get", "responses", "200", "content", "application/json", "schema"}, `{"items":` + ref("Frog") + `,"type":"array"}`},
		{"paged list names its headers", []string{"paths", frogs, "get", "responses", "200", "headers", "X-Next-Page-Token", "schema"}, `{"type":"string"}`},
		{"summary without the method's name", []string{"paths", frogs, "get", "summary"}, `"Returns all frogs."`},
		{"query parameters", []string{"paths", frogs, "get", "parameters"}, `[{"in":"query","name":"season","schema":{"enum":["spring","autumn"],"type":"string"}},` +
			`{"in":"query","name":"page_size","schema":{"format":"int32","maximum":1000,"minimum":1,"type":"integer"}},` +
			`{"in":"query","name":"frog_kind","schema":` + ref("FrogKind") + `}]`},
		{"path parameter", []string{"paths", frog, "delete", "parameters", "0", "schema"}, `{"exclusiveMinimum":0,"format":"int64","type":"integer"}`},
		{"public", []string{"paths", frogs, "get", "security"}, `[]`},
		{"default error", []string{"paths", frogs, "get", "responses", "default"}, `{"$ref":"#/components/responses/Error"}`},

		{"create answers 201", []string{"paths", frogs, "post", "responses", "201", "content", "application/json", "schema"}, ref("Frog")},
		{"create does not answer 200", []string{"paths", frogs, "post", "responses", "200"}, ""},
		{"body is one field", []string{"paths", frogs, "post", "requestBody", "content", "application/json", "schema"}, ref("Frog")},
		{"no field mask", []string{"paths", frogs, "post", "parameters"}, ""},

		{"short path parameter, one name per path", []string{"paths", frog, "put", "parameters", "0", "name"}, `"frog_id"`},
		{"only the path parameter", []string{"paths", frog, "patch", "parameters", "1"}, ""},
		{"second binding", []string{"paths", frog, "patch", "operationId"}, `"PondService_UpdateFrog_1"`},
		{"empty answers 204 without a body", []string{"paths", frog, "delete", "responses", "204"}, `{"description":"Done; no body."}`},
		{"role", []string{"paths", frog, "delete", "description"}, `"Needs the role editor or above."`},

		{"whole body without the path's field", []string{"paths", "/api/frogs/{id}:feed", "post", "requestBody", "content", "application/json", "schema", "properties"}, `{"fly_count":{"exclusiveMaximum":100,"format":"int32","minimum":0,"type":["integer","null"]}}`},
		{"a body of which every field may be absent may be", []string{"paths", "/api/frogs/{id}:feed", "post", "requestBody", "required"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := at(t, doc, tt.path...); got != tt.want {
				t.Errorf("at %v:\n got %s\nwant %s", tt.path, got, tt.want)
			}
		})
	}
}

func TestGenerateIsStable(t *testing.T) {
	next := upstream(t)
	first, err := generate(pondRequest(t), next)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		again, err := generate(pondRequest(t), next)
		if err != nil {
			t.Fatal(err)
		}
		if again != first {
			t.Fatal("the same request gave two different documents")
		}
	}
}

func TestGenerateRefuses(t *testing.T) {
	next := upstream(t)
	for _, tt := range []struct {
		name   string
		change func(*testing.T, *pluginpb.CodeGeneratorRequest)
		want   string
	}{
		{"unknown option", func(_ *testing.T, r *pluginpb.CodeGeneratorRequest) {
			r.Parameter = proto.String("colour=green")
		}, `unknown option "colour=green"`},
		{"missing fragment", func(_ *testing.T, r *pluginpb.CodeGeneratorRequest) {
			r.Parameter = proto.String("extra=testdata/none.json")
		}, "none.json"},
		{"rest form of a service's own method", func(t *testing.T, r *pluginpb.CodeGeneratorRequest) {
			setAccess(method(t, r, "FeedFrog"), 7)
		}, "must not have an http rule"},
		{"rest form of a stream", func(t *testing.T, r *pluginpb.CodeGeneratorRequest) {
			method(t, r, "FeedFrog").ServerStreaming = proto.Bool(true)
		}, "extra fragment"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := pondRequest(t)
			tt.change(t, req)
			_, err := generate(req, next)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestRunReportsFaultsInTheResponse(t *testing.T) {
	data, err := proto.Marshal(&pluginpb.CodeGeneratorRequest{Parameter: proto.String("colour=green")})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(bytes.NewReader(data), &out); err != nil {
		t.Fatal(err)
	}
	resp := &pluginpb.CodeGeneratorResponse{}
	if err := proto.Unmarshal(out.Bytes(), resp); err != nil {
		t.Fatal(err)
	}
	if resp.GetError() == "" || len(resp.GetFile()) != 0 {
		t.Errorf("got error %q and %d files, want an error and no file", resp.GetError(), len(resp.GetFile()))
	}
}
