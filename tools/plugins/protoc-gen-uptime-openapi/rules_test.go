package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/types/descriptorpb"
)

func TestConstrain(t *testing.T) {
	ix := &index{enums: map[string]enumInfo{"pond.Kind": {
		desc: &descriptorpb.EnumDescriptorProto{Value: []*descriptorpb.EnumValueDescriptorProto{
			enumValue("KIND_UNSPECIFIED", 0), enumValue("KIND_TOAD", 1), enumValue("KIND_TREE_FROG", 2), enumValue("KIND_NEWT", 3),
		}},
		comments: make([]string, 4),
	}}}
	const (
		text, maybeText = `{"type": "string"}`, `{"type": ["string", "null"]}`
		whole, maybe    = `{"type": "integer"}`, `{"type": ["integer", "null"]}`
		fraction        = `{"type": "number"}`
		texts           = `{"type": "array", "items": {"type": "string"}}`
		textMap         = `{"type": "object", "additionalProperties": {"type": "string"}}`
		kind            = `{"$ref": "#/Kind"}`
		maybeKind       = `{"description": "Kind.", "anyOf": [{"$ref": "#/Kind"}, {"type": "null"}]}`
		kinds           = `{"type": "array", "items": {"$ref": "#/Kind"}}`
	)
	for _, tt := range []struct{ rules, before, want string }{
		{`string { min_len: 1 max_len: 200 }`, text, `{"type": "string", "minLength": 1, "maxLength": 200}`},
		{`string { max_len: 0 }`, text, `{"type": "string", "maxLength": 0}`},
		{`string { len: 26 }`, text, `{"type": "string", "minLength": 26, "maxLength": 26}`},
		{`string { min_bytes: 3 max_bytes: 64 }`, text, `{"type": "string", "minLength": 1, "maxLength": 64}`},
		{`string { max_len: 100 max_bytes: 64 }`, text, `{"type": "string", "maxLength": 64}`},
		{`string { max_len: 20 max_bytes: 64 }`, text, `{"type": "string", "maxLength": 20}`},
		{`string { min_len: 4 min_bytes: 8 }`, text, `{"type": "string", "minLength": 4}`},
		{`string { email: true }`, text, `{"type": "string", "format": "email"}`},
		{`string { pattern: "^(?:any|[1-9][0-9]?)$" }`, maybeText, `{"type": ["string", "null"], "pattern": "^(?:any|[1-9][0-9]?)$"}`},
		{`string { pattern: "^[^\\x00-\\x1f]*$" }`, text, `{"type": "string", "pattern": "^[^\\x00-\\x1f]*$"}`},
		{`string { pattern: "(?i)^any$" }`, text, text},
		{`string { pattern: "^[[:alpha:]]$" }`, text, text},
		{`string { pattern: "\\Aany\\z" }`, text, text},
		{`string { pattern: "\\x{10ffff}" }`, text, text},
		{`string { in: ["24h", "7d"] }`, text, `{"type": "string", "enum": ["24h", "7d"]}`},
		{`string { in: ["24h", "7d"] }`, maybeText, `{"type": ["string", "null"], "enum": ["24h", "7d", null]}`},
		{`string { not_in: ["root"] }`, text, text},

		{`int32 { gte: 0 lte: 65535 }`, maybe, `{"type": ["integer", "null"], "minimum": 0, "maximum": 65535}`},
		{`uint32 { gt: 0 }`, whole, `{"type": "integer", "exclusiveMinimum": 0}`},
		{`sint64 { gte: -9007199254740993 lt: 9007199254740993 }`, whole, `{"type": "integer", "minimum": -9007199254740993, "exclusiveMaximum": 9007199254740993}`},
		{`double { gt: 0 lte: 99.5 }`, fraction, `{"type": "number", "exclusiveMinimum": 0, "maximum": 99.5}`},
		{`float { lte: 0.1 }`, fraction, `{"type": "number", "maximum": 0.1}`},
		{`int32 { gte: 10 lte: 5 }`, whole, whole},
		{`int32 { in: [1, 2] }`, maybe, `{"type": ["integer", "null"], "enum": [1, 2, null]}`},

		{`repeated { min_items: 1 max_items: 32 unique: true }`, texts, `{"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 32, "uniqueItems": true}`},
		{`repeated { items { string { min_len: 1 } } }`, texts, `{"type": "array", "items": {"type": "string", "minLength": 1}}`},
		{`repeated { items { enum { in: [2, 3] } } }`, kinds, `{"type": "array", "items": {"type": "string", "enum": ["tree_frog", "newt"]}}`},
		{`map { min_pairs: 1 max_pairs: 64 }`, textMap, `{"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1, "maxProperties": 64}`},
		{
			`map { keys { string { pattern: "^[a-z]$" } } values { string { max_len: 200 } } }`, textMap,
			`{"type": "object", "additionalProperties": {"type": "string", "maxLength": 200}, "propertyNames": {"pattern": "^[a-z]$"}}`,
		},

		{`enum { defined_only: true not_in: [0] }`, maybeKind, maybeKind},
		{`enum { in: [0, 1, 2] }`, kind, `{"type": "string", "enum": ["toad", "tree_frog"]}`},
		{`enum { in: [0, 1, 2] }`, maybeKind, `{"type": ["string", "null"], "description": "Kind.", "enum": ["toad", "tree_frog", null]}`},

		{`required: true`, text, text},
		{`ignore: IGNORE_ALWAYS string { min_len: 1 }`, text, text},
		{`ignore: IGNORE_IF_ZERO_VALUE string { min_len: 1 }`, text, text},
		{`duration { gte { seconds: 5 } }`, text, text},
		{`bool { const: true }`, `{"type": "boolean"}`, `{"type": "boolean"}`},
		{`bytes { max_len: 5 }`, text, text},
	} {
		t.Run(tt.rules+" "+tt.before, func(t *testing.T) {
			field := &descriptorpb.FieldDescriptorProto{}
			if err := prototext.Unmarshal(fmt.Appendf(nil, `type_name: ".pond.Kind" options { [buf.validate.field] { %s } }`, tt.rules), field); err != nil {
				t.Fatal(err)
			}
			s := &schema{}
			if err := decodeStrictly([]byte(tt.before), s); err != nil {
				t.Fatal(err)
			}
			constrain(s, field, ix)
			data, err := encodeJSON(s)
			if err != nil {
				t.Fatal(err)
			}
			got, want := exactly(t, data), exactly(t, []byte(tt.want))
			if !reflect.DeepEqual(got, want) {
				t.Errorf("\n got %swant %s", data, tt.want)
			}
		})
	}
}

// A field without options, or one that is not in the schema, is left alone.
func TestConstrainNothing(t *testing.T) {
	constrain(nil, &descriptorpb.FieldDescriptorProto{}, &index{})
	s := &schema{Type: types{"string"}}
	constrain(s, &descriptorpb.FieldDescriptorProto{}, &index{})
	constrain(s, &descriptorpb.FieldDescriptorProto{Options: &descriptorpb.FieldOptions{}}, &index{})
	if !reflect.DeepEqual(s, &schema{Type: types{"string"}}) {
		t.Errorf("got %+v, want no change", s)
	}
}

// exactly decodes JSON and keeps the digits of numbers.
func exactly(t *testing.T, data []byte) (v any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func enumValue(name string, number int32) *descriptorpb.EnumValueDescriptorProto {
	return &descriptorpb.EnumValueDescriptorProto{Name: &name, Number: &number}
}

func TestFieldOfPath(t *testing.T) {
	ix, err := newIndex(pondRequest(t).GetProtoFile())
	if err != nil {
		t.Fatal(err)
	}
	msg := ix.messages["frogstats.uptime.pond.v1.UpdateFrogRequest"]
	for path, want := range map[string]string{"frog": "frog", "frog.id": "id", "frog.none": "", "frog.id.none": "", "": ""} {
		if got := ix.field(msg, path).GetName(); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
	if got := ix.field(nil, "frog"); got != nil {
		t.Errorf("of no message: got %v", got)
	}
}
