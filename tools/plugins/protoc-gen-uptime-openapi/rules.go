package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// constrain writes a field's validation rules into its schema as far as JSON
// Schema has words for them. It never forbids what the server takes; what only the
// server can tell, such as a length in bytes, the schema leaves open or bounds from
// above.
func constrain(s *schema, field *descriptorpb.FieldDescriptorProto, ix *index) {
	if s == nil || field.GetOptions() == nil {
		return
	}
	rules, _ := proto.GetExtension(field.GetOptions(), validate.E_Field).(*validate.FieldRules)
	constrainValue(s, rules, ix.enums[strings.TrimPrefix(field.GetTypeName(), ".")])
}

// constrainValue applies rules to the schema of a field, of a list's items, or of a
// map's keys or values; enum is the type of the value, if it is one.
func constrainValue(s *schema, rules *validate.FieldRules, enum enumInfo) {
	// A rule that is ignored for some values would have to be an alternative here.
	if s == nil || rules == nil || rules.GetIgnore() != validate.Ignore_IGNORE_UNSPECIFIED {
		return
	}
	switch {
	case rules.HasString():
		constrainText(s, rules.GetString())
	case rules.HasEnum():
		if in := rules.GetEnum().GetIn(); len(in) > 0 && enum.desc != nil {
			narrow(s, enum.only(in))
		}
	case rules.HasRepeated():
		r := rules.GetRepeated()
		s.MinItems, s.MaxItems, s.UniqueItems = r.GetMinItems(), r.MaxItems, r.GetUnique()
		constrainValue(s.Items, r.GetItems(), enum)
	case rules.HasMap():
		r := rules.GetMap()
		s.MinProperties, s.MaxProperties = r.GetMinPairs(), r.MaxPairs
		if s.AdditionalProperties != nil {
			constrainValue(s.AdditionalProperties.schema, r.GetValues(), enumInfo{})
		}
		names := &schema{}
		if constrainValue(names, r.GetKeys(), enumInfo{}); !reflect.DeepEqual(names, &schema{}) {
			s.PropertyNames = names
		}
	default:
		constrainNumber(s, rules.ProtoReflect())
	}
}

func constrainText(s *schema, r *validate.StringRules) {
	s.MinLength, s.MaxLength = r.GetMinLen(), r.MaxLen
	if r.Len != nil {
		s.MinLength, s.MaxLength = r.GetLen(), r.Len
	}
	// No text has more characters than bytes.
	if r.MaxBytes != nil && (s.MaxLength == nil || *s.MaxLength > r.GetMaxBytes()) {
		s.MaxLength = r.MaxBytes
	}
	if r.GetMinBytes() > 0 {
		s.MinLength = max(s.MinLength, 1)
	}
	if r.Pattern != nil && !goOnly.MatchString(r.GetPattern()) {
		s.Pattern = r.GetPattern()
	}
	if r.GetEmail() {
		s.Format = "email"
	}
	if in := r.GetIn(); len(in) > 0 {
		choices := make([]any, len(in))
		for i, v := range in {
			choices[i] = v
		}
		s.choose(choices)
	}
}

// goOnly finds what regular expressions of Go have and those of ECMAScript, which
// are the ones of JSON Schema, have not or read otherwise.
var goOnly = regexp.MustCompile(`\(\?[^:]|\[\[:|\\[aApPQECz]|\\x\{`)

// constrainNumber reads the rules of whichever kind of number the field is; they
// are messages of one shape.
func constrainNumber(s *schema, rules protoreflect.Message) {
	typ := rules.WhichOneof(rules.Descriptor().Oneofs().ByName("type"))
	if typ == nil {
		return
	}
	r := rules.Get(typ).Message()
	bound := func(name protoreflect.Name) json.Number {
		f := r.Descriptor().Fields().ByName(name)
		if f == nil || !r.Has(f) {
			return ""
		}
		return number(r.Get(f))
	}
	low, above, high, below := bound("gte"), bound("gt"), bound("lte"), bound("lt")
	if turned(low+above, high+below) {
		return // what lies between the two is forbidden, which is no interval
	}
	s.Minimum, s.ExclusiveMinimum, s.Maximum, s.ExclusiveMaximum = low, above, high, below
	in := r.Descriptor().Fields().ByName("in")
	if in == nil || !r.Has(in) {
		return
	}
	list, choices := r.Get(in).List(), []any{}
	for i := range list.Len() {
		if n := number(list.Get(i)); n != "" {
			choices = append(choices, n)
		}
	}
	if len(choices) == list.Len() {
		s.choose(choices)
	}
}

// number is "" for what is none: the bound of a duration, say.
func number(v protoreflect.Value) json.Number {
	switch n := v.Interface().(type) {
	case int32, int64, uint32, uint64:
		return json.Number(fmt.Sprint(n))
	case float32:
		return json.Number(strconv.FormatFloat(float64(n), 'g', -1, 32))
	case float64:
		return json.Number(strconv.FormatFloat(n, 'g', -1, 64))
	}
	return ""
}

// turned reports whether both bounds are there and the lower one is the greater.
func turned(low, high json.Number) bool {
	l, errLow := low.Float64()
	h, errHigh := high.Float64()
	return errLow == nil && errHigh == nil && l > h
}

// choose allows the choices, and null where null was allowed.
func (s *schema) choose(choices []any) {
	if slices.Contains(s.Type, "null") {
		choices = append(choices, nil)
	}
	s.Enum = choices
}

// narrow allows only some values of the enum that s refers to.
func narrow(s *schema, enum enumInfo) {
	values, _ := enum.wireValues()
	choices := make([]any, len(values))
	for i, v := range values {
		choices[i] = v
	}
	s.Type = types{"string"}
	if slices.ContainsFunc(s.AnyOf, func(o *schema) bool { return slices.Contains(o.Type, "null") }) {
		s.Type = types{"string", "null"}
	}
	s.Ref, s.AllOf, s.AnyOf = "", nil, nil
	s.choose(choices)
}
