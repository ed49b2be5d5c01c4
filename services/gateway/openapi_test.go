package gateway_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/frogstats/uptime/gen"
	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	"github.com/frogstats/uptime/services/gateway/wire"
)

// document is as much of OpenAPI as these tests look at.
type document struct {
	Paths map[string]map[string]struct {
		Parameters []struct {
			Name string `json:"name"`
			In   string `json:"in"`
		} `json:"parameters"`
		RequestBody struct {
			Content content `json:"content"`
		} `json:"requestBody"`
		Responses map[string]struct {
			Content content `json:"content"`
		} `json:"responses"`
		Security *[]any `json:"security"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
}

type content map[string]struct {
	Schema *schema `json:"schema"`
}

type schema struct {
	Ref        string             `json:"$ref"`
	Properties map[string]*schema `json:"properties"`
	Items      *schema            `json:"items"`
	AnyOf      []*schema          `json:"anyOf"`
}

// resolve follows a reference, or the first alternative, which is the one that is not null.
func (d *document) resolve(s *schema) *schema {
	for s != nil && (s.Ref != "" || len(s.AnyOf) > 0) {
		if s.Ref != "" {
			s = d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
		} else {
			s = s.AnyOf[0]
		}
	}
	return s
}

func openAPI(t *testing.T) *document {
	t.Helper()
	d := &document{}
	if err := json.Unmarshal(gen.OpenAPI, d); err != nil {
		t.Fatal(err)
	}
	return d
}

func method(t *testing.T, full string) protoreflect.MethodDescriptor {
	t.Helper()
	name := strings.ReplaceAll(strings.TrimPrefix(full, "/"), "/", ".")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		t.Fatal(err)
	}
	m, ok := d.(protoreflect.MethodDescriptor)
	if !ok {
		t.Fatalf("%s is no method", name)
	}
	return m
}

// Every route is described, and everything described is a route; who may call it without credentials agrees.
func TestOpenAPIListsTheRoutes(t *testing.T) {
	e := start(t)
	doc := openAPI(t)
	described := map[string]bool{} // whether public
	for path, item := range doc.Paths {
		for verb, op := range item {
			described[strings.ToUpper(verb)+" "+shape(path)] = op.Security != nil && len(*op.Security) == 0
		}
	}
	for _, rt := range e.g.Routes() {
		name := rt.Verb + " " + shape(rt.Pattern)
		public, ok := described[name]
		if rt.Pattern == "/api/docs/{file}" {
			continue // parts of the page
		}
		if !ok {
			t.Errorf("%s is not described", name)
		} else if public != rt.Public {
			t.Errorf("%s: public %v, described as %v", name, rt.Public, public)
		}
		delete(described, name)
	}
	for name := range described {
		t.Errorf("%s is described but not there", name)
	}
}

// shape is a path without the names of its parameters.
func shape(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, "{") {
			parts[i] = "{}"
		}
	}
	return strings.Join(parts, "/")
}

// The names in the document are the names in real answers and the names that requests may have.
func TestOpenAPINamesAreTheWireNames(t *testing.T) {
	e := start(t)
	doc := openAPI(t)
	byShape := map[string]string{}
	for path := range doc.Paths {
		byShape[shape(path)] = path
	}
	for _, rt := range e.g.Routes() {
		if rt.Full == "" {
			continue
		}
		op := doc.Paths[byShape[shape(rt.Pattern)]][strings.ToLower(rt.Verb)]
		m := method(t, rt.Full)
		name := rt.Verb + " " + rt.Pattern

		output := m.Output()
		if field := bareList(m); field != "" {
			output = output.Fields().ByName(protoreflect.Name(field)).Message()
		}
		for code, r := range op.Responses {
			if s := r.Content["application/json"].Schema; code != "default" && s != nil {
				if s.Items != nil {
					s = s.Items
				}
				checkNames(t, doc, name+" answer", s, output, nil)
			}
		}
		if s := op.RequestBody.Content["application/json"].Schema; s != nil {
			input := m.Input()
			var leave []string
			if rt.Body == "*" {
				for _, f := range rt.Taken { // what the path sets is not in the body
					if strings.Contains(rt.Pattern, "{"+f+"}") {
						leave = append(leave, f)
					}
				}
			} else {
				input = input.Fields().ByName(protoreflect.Name(rt.Body)).Message()
			}
			checkNames(t, doc, name+" body", s, input, leave)
		}
		var have, want []string
		for _, p := range op.Parameters {
			if p.In == "query" {
				have = append(have, p.Name)
			}
		}
		for i := range m.Input().Fields().Len() {
			f := string(m.Input().Fields().Get(i).Name())
			e := wire.ParseQuery(newMessage(t, m.Input()), map[string][]string{f: {}}, rt.Taken...)
			if e == nil {
				want = append(want, f)
			}
		}
		slices.Sort(have)
		slices.Sort(want)
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s: parameters: -ours +described\n%s", name, diff)
		}
	}
}

func TestOpenAPIDescribesTheAuditLog(t *testing.T) {
	doc := openAPI(t)
	s := doc.Paths["/api/uptime/audit"]["get"].Responses["200"].Content["application/json"].Schema
	checkNames(t, doc, "audit", s, (&auditv1.ListAuditEntriesResponse{}).ProtoReflect().Descriptor(), nil)
}

// checkNames compares the properties of a schema with what the wire writes for the message, and goes down.
func checkNames(t *testing.T, doc *document, where string, s *schema, md protoreflect.MessageDescriptor, leave []string) {
	t.Helper()
	if strings.HasPrefix(string(md.FullName()), "google.protobuf.") || strings.Count(where, ".") > 6 {
		return
	}
	s = doc.resolve(s)
	if s == nil {
		t.Errorf("%s: no schema for %s", where, md.FullName())
		return
	}
	data, err := wire.Marshaler{}.Marshal(newMessage(t, md))
	if err != nil {
		t.Fatal(err)
	}
	var real map[string]any
	if err := json.Unmarshal(data, &real); err != nil {
		t.Fatal(err)
	}
	for _, f := range leave {
		delete(real, f)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(real)), slices.Sorted(maps.Keys(s.Properties))); diff != "" {
		t.Errorf("%s (%s): -real +described\n%s", where, md.FullName(), diff)
	}
	for i := range md.Fields().Len() {
		f := md.Fields().Get(i)
		p := s.Properties[string(f.Name())]
		if f.Message() == nil || f.IsMap() || p == nil {
			continue
		}
		if f.IsList() {
			p = p.Items
		}
		checkNames(t, doc, where+"."+string(f.Name()), p, f.Message(), nil)
	}
}

func newMessage(t *testing.T, md protoreflect.MessageDescriptor) proto.Message {
	t.Helper()
	mt, err := protoregistry.GlobalTypes.FindMessageByName(md.FullName())
	if err != nil {
		t.Fatal(err)
	}
	return mt.New().Interface()
}

// bareList is the field that is the whole answer in REST.
func bareList(m protoreflect.MethodDescriptor) string {
	rule, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
	return rule.GetResponseBody()
}
