package rpc

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	_ "google.golang.org/protobuf/types/known/durationpb" // of the message below
)

// thing is a message whose only field f has a type such as "int32", "[]string" or "map[]Inner" and the given options.
func thing(t *testing.T, typ, options string) protoreflect.MessageDescriptor {
	t.Helper()
	value := map[string]string{
		"Colour": `type: TYPE_ENUM type_name: ".test.Colour"`, "Inner": `type: TYPE_MESSAGE type_name: ".test.Inner"`,
		"Duration": `type: TYPE_MESSAGE type_name: ".google.protobuf.Duration"`,
	}
	plain := typ[strings.LastIndexByte(typ, ']')+1:]
	field, nested := value[plain], ""
	if field == "" {
		field = "type: TYPE_" + strings.ToUpper(plain)
	}
	label := "label: LABEL_OPTIONAL "
	switch {
	case strings.HasPrefix(typ, "map[]"):
		nested = `nested_type {
			name: "FEntry" options { map_entry: true }
			field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
			field { name: "value" number: 2 label: LABEL_OPTIONAL ` + field + ` }
		}`
		label, field = "label: LABEL_REPEATED ", `type: TYPE_MESSAGE type_name: ".test.Thing.FEntry"`
	case strings.HasPrefix(typ, "[]"):
		label = "label: LABEL_REPEATED "
	}
	file := &descriptorpb.FileDescriptorProto{}
	err := prototext.Unmarshal(fmt.Appendf(nil, `
		name: "test/thing.proto" package: "test" syntax: "proto3"
		dependency: ["buf/validate/validate.proto", "google/protobuf/duration.proto"]
		enum_type {
			name: "Colour"
			value { name: "COLOUR_UNSPECIFIED" number: 0 }
			value { name: "COLOUR_GREEN" number: 1 }
			value { name: "COLOUR_DARK_BROWN" number: 2 }
			value { name: "COLOUR_BLUE" number: 3 }
		}
		message_type {
			name: "Inner"
			field {
				name: "port" number: 1 label: LABEL_OPTIONAL type: TYPE_UINT32
				options { [buf.validate.field] { uint32 { gte: 1 lte: 65535 } } }
			}
		}
		message_type {
			name: "Thing" %s
			field { name: "f" number: 1 %s options { %s } }
		}`, nested, label+field, options), file)
	if err != nil {
		t.Fatal(err)
	}
	return build(t, protoregistry.GlobalFiles, file).Messages().ByName("Thing")
}

// complaints validates a Thing and returns what is said, as "path: message".
func complaints(t *testing.T, desc protoreflect.MessageDescriptor, in string) []string {
	t.Helper()
	m := dynamicpb.NewMessage(desc)
	if err := protojson.Unmarshal([]byte(in), m); err != nil {
		t.Fatal(err)
	}
	err := protovalidate.Validate(m)
	var invalid *protovalidate.ValidationError
	if err != nil && !errors.As(err, &invalid) {
		t.Fatal(err)
	}
	var got []string
	if invalid != nil {
		for _, v := range invalid.Violations {
			got = append(got, protovalidate.FieldPathString(v.Proto.GetField())+": "+wording(desc, v))
		}
	}
	return got
}

func TestWording(t *testing.T) {
	for _, tt := range []struct {
		typ, rules string
		in         string // f as JSON; "" means absent
		want       string // "" means valid
	}{
		{"int32", `int32 { gte: 1 lte: 65535 }`, `65536`, "f: must be between 1 and 65535, not 65536"},
		{"int32", `int32 { gte: 1 lte: 65535 }`, ``, "f: must be between 1 and 65535, not 0"},
		{"int32", `int32 { gte: 1 lte: 65535 }`, `65535`, ""},
		{"sint64", `sint64 { gte: -5 }`, `"-9007199254740993"`, "f: must be at least -5, not -9007199254740993"},
		{"uint64", `uint64 { lte: 5 }`, `"18446744073709551615"`, "f: must be at most 5, not 18446744073709551615"},
		{"uint32", `uint32 { gt: 0 }`, `0`, "f: must be greater than 0, not 0"},
		{"fixed64", `fixed64 { lt: 3 }`, `3`, "f: must be less than 3, not 3"},
		{"double", `double { gt: 0 lte: 100 }`, `100.5`, "f: must be greater than 0 and at most 100, not 100.5"},
		{"double", `double { gte: 0.5 lt: 1000000 }`, `1000000`, "f: must be at least 0.5 and less than 1000000, not 1000000"},
		{"double", `double { gte: 0 lte: 1 }`, `1e300`, "f: must be between 0 and 1, not 1e+300"},
		{"double", `double { gte: 0 lte: 1 }`, `"NaN"`, "f: must be between 0 and 1, not NaN"},
		{"float", `float { lte: 0.1 }`, `0.2`, "f: must be at most 0.1, not 0.2"},
		{"double", `double { finite: true }`, `"-Infinity"`, "f: must be finite, not -Inf"},
		{"int32", `int32 { gte: 10 lte: 5 }`, `7`, "f: must be at most 5 or at least 10, not 7"},
		{"int32", `int32 { gt: 10 lt: 5 }`, `5`, "f: must be less than 5 or greater than 10, not 5"},
		{"int32", `int32 { in: [1, 2, 3] }`, `4`, "f: must be one of 1, 2, 3, not 4"},
		{"int32", `int32 { not_in: [4, 5] }`, `5`, "f: must not be 5"},
		{"int32", `int32 { const: 5 }`, `6`, "f: must be 5, not 6"},

		{"string", `string { min_len: 1 }`, `""`, "f: must not be empty"},
		{"string", `string { min_len: 10 }`, `"hunter2"`, "f: must have at least 10 characters"},
		{"string", `string { max_len: 3 }`, `"four"`, "f: must have at most 3 characters"},
		{"string", `string { max_len: 3 }`, `"äöü"`, ""},
		{"string", `string { max_len: 1 }`, `"hunter2"`, "f: must have at most 1 character"},
		{"string", `string { len: 3 }`, `"hunter2"`, "f: must have 3 characters"},
		{"string", `string { min_bytes: 1 }`, `""`, "f: must not be empty"},
		{"string", `string { min_bytes: 9 }`, `"hunter2"`, "f: must have at least 9 bytes"},
		{"string", `string { max_bytes: 5 }`, `"äöü"`, "f: must have at most 5 bytes"},
		{"string", `string { len_bytes: 1 }`, `"ä"`, "f: must have 1 byte"},
		{"string", `string { pattern: "^[a-z]+$" }`, `"hunter2"`, "f: must match ^[a-z]+$"},
		{"string", `string { email: true }`, `"hunter2"`, "f: must be an e-mail address"},
		{"string", `string { email: true }`, `""`, "f: must be an e-mail address"},
		{"string", `string { in: ["24h", "7d", "30d", "custom"] }`, `"hunter2"`, "f: must be one of 24h, 7d, 30d, custom"},
		{"string", `string { not_in: ["root", "admin"] }`, `"root"`, "f: must not be one of root, admin"},
		{"string", `string { min_len: 3 pattern: "^a" }`, `"b"`, "f: must have at least 3 characters\nf: must match ^a"},

		{"Colour", `enum { defined_only: true not_in: [0] }`, ``, "f: must be given"},
		{"Colour", `enum { defined_only: true not_in: [0] }`, `77`, "f: must be one of green, dark_brown, blue, not 77"},
		{"Colour", `enum { in: [0, 2, 3] }`, `"COLOUR_GREEN"`, "f: must be one of dark_brown, blue"},
		{"Colour", `enum { not_in: [0, 2] }`, `"COLOUR_DARK_BROWN"`, "f: must not be one of dark_brown"},

		{"Inner", `required: true`, ``, "f: must be given"},
		{"[]string", `required: true`, ``, "f: must be given"},
		{"Inner", ``, `{"port": 0}`, "f.port: must be between 1 and 65535, not 0"},
		{"[]Inner", ``, `[{"port": 1}, {"port": 65536}]`, "f[1].port: must be between 1 and 65535, not 65536"},
		{"map[]Inner", ``, `{"a": {"port": 65536}}`, `f["a"].port: must be between 1 and 65535, not 65536`},

		{"[]string", `repeated { min_items: 1 }`, `[]`, "f: must not be empty"},
		{"[]string", `repeated { min_items: 2 }`, `["a"]`, "f: must have at least 2 entries"},
		{"[]string", `repeated { max_items: 1 }`, `["a", "b"]`, "f: must have at most 1 entry"},
		{"[]string", `repeated { unique: true }`, `["hunter2", "hunter2"]`, "f: must not have the same entry twice"},
		{"[]string", `repeated { items { string { min_len: 1 } } }`, `["a", ""]`, "f[1]: must not be empty"},
		{"[]double", `repeated { items { double { gt: 0 lte: 100 } } }`, `[1, 0]`, "f[1]: must be greater than 0 and at most 100, not 0"},
		{"[]Colour", `repeated { items { enum { defined_only: true not_in: [0] } } }`, `[1, 0, 4]`, "f[1]: must be given\nf[2]: must be one of green, dark_brown, blue, not 4"},
		{"map[]string", `map { min_pairs: 1 }`, `{}`, "f: must not be empty"},
		{"map[]string", `map { max_pairs: 1 }`, `{"a": "", "b": ""}`, "f: must have at most 1 entry"},
		{"map[]string", `map { keys { string { pattern: "^[a-z]$" } } }`, `{"A": "a"}`, `f["A"]: key must match ^[a-z]$`},
		{"map[]string", `map { keys { string { min_len: 1 } } }`, `{"": "a"}`, `f[""]: key must not be empty`},
		{"map[]string", `map { values { string { max_len: 2 } } }`, `{"A": "hunter2"}`, `f["A"]: must have at most 2 characters`},
		{"map[]int64", `map { values { int64 { gte: 1 lte: 3 } } }`, `{"A": 4}`, `f["A"]: must be between 1 and 3, not 4`},
		{"map[]Colour", `map { values { enum { in: [2, 3] } } }`, `{"A": 1}`, `f["A"]: must be one of dark_brown, blue`},
	} {
		t.Run(tt.typ+" "+tt.rules+" "+tt.in, func(t *testing.T) {
			in := `{}`
			if tt.in != "" {
				in = `{"f": ` + tt.in + `}`
			}
			desc := thing(t, tt.typ, `[buf.validate.field] { `+tt.rules+` }`)
			if diff := cmp.Diff(tt.want, strings.Join(complaints(t, desc, in), "\n")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// A rule that has no words of ours is still told, in the library's.
func TestWordingOfOtherRules(t *testing.T) {
	for _, tt := range []struct{ typ, rules, in string }{
		{"string", `string { uuid: true }`, `"x"`},
		{"string", `string { prefix: "a" }`, `"x"`},
		{"bytes", `bytes { min_len: 3 }`, `"AA=="`},
		{"bool", `bool { const: true }`, `false`},
		{"Duration", `duration { gte { seconds: 5 } }`, `"1s"`},
		{"string", `cel { id: "short" message: "is not short" expression: "size(this) < 2" }`, `"long"`},
		{"map[]string", `map { keys { string { uuid: true } } }`, `{"x": ""}`},
	} {
		t.Run(tt.typ+" "+tt.rules, func(t *testing.T) {
			desc := thing(t, tt.typ, `[buf.validate.field] { `+tt.rules+` }`)
			m := dynamicpb.NewMessage(desc)
			if err := protojson.Unmarshal([]byte(`{"f": `+tt.in+`}`), m); err != nil {
				t.Fatal(err)
			}
			var invalid *protovalidate.ValidationError
			if err := protovalidate.Validate(m); !errors.As(err, &invalid) {
				t.Fatalf("got %v, want a violation", err)
			}
			for _, v := range invalid.Violations {
				if got, want := wording(desc, v), v.Proto.GetMessage(); got != want || want == "" {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
}

// A oneof has rules too, and no field that they belong to.
func TestWordingOfOneof(t *testing.T) {
	file := &descriptorpb.FileDescriptorProto{}
	err := prototext.Unmarshal([]byte(`
		name: "test/choice.proto" package: "test" syntax: "proto3" dependency: "buf/validate/validate.proto"
		message_type {
			name: "Choice"
			oneof_decl { name: "one" options { [buf.validate.oneof] { required: true } } }
			field { name: "a" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING oneof_index: 0 }
			field { name: "b" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING oneof_index: 0 }
		}`), file)
	if err != nil {
		t.Fatal(err)
	}
	got := complaints(t, build(t, protoregistry.GlobalFiles, file).Messages().ByName("Choice"), `{}`)
	if len(got) != 1 || !strings.HasPrefix(got[0], "one: ") || got[0] == "one: " {
		t.Errorf("got %q, want one complaint about one", got)
	}
}
