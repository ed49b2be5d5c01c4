package audit

import (
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// plain is a message as the REST surface writes it: every field by its name in the schema, absent ones null, enums in lower
// case without the prefix that their type gives them. protojson would write the schema's own spelling of enums.
func plain(m protoreflect.Message) (any, error) {
	if m.Descriptor().ParentFile().Package() == "google.protobuf" {
		raw, err := protojson.Marshal(m.Interface())
		return json.RawMessage(raw), err
	}
	out := map[string]any{}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.HasPresence() && !m.Has(f) {
			out[f.TextName()] = nil
			continue
		}
		v, err := plainField(f, m.Get(f))
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name(), err)
		}
		out[f.TextName()] = v
	}
	return out, nil
}

func plainField(f protoreflect.FieldDescriptor, v protoreflect.Value) (any, error) {
	switch {
	case f.IsList():
		list := make([]any, 0, v.List().Len())
		for i := range v.List().Len() {
			item, err := plainValue(f, v.List().Get(i))
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		return list, nil
	case f.IsMap():
		out := map[string]any{}
		var err error
		v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			out[k.String()], err = plainValue(f.MapValue(), v)
			return err == nil
		})
		return out, err
	}
	return plainValue(f, v)
}

func plainValue(f protoreflect.FieldDescriptor, v protoreflect.Value) (any, error) {
	switch {
	case f.Message() != nil:
		return plain(v.Message())
	case f.Enum() != nil:
		return enumName(f.Enum(), v.Enum()), nil
	}
	return v.Interface(), nil
}

// enumName is nil for the value 0, which says nothing.
func enumName(e protoreflect.EnumDescriptor, n protoreflect.EnumNumber) any {
	d := e.Values().ByNumber(n)
	if n == 0 || d == nil {
		return nil
	}
	prefix := snake(string(e.Name())) + "_"
	return strings.TrimPrefix(strings.ToLower(string(d.Name())), prefix)
}

// snake turns CamelCase into snake_case, as the style of enum prefixes does.
func snake(s string) string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}
