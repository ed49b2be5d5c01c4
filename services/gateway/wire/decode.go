package wire

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
)

// Unmarshal reads one JSON document into m, which should be empty. What is wrong with it is an *Error.
func Unmarshal(data []byte, m proto.Message) error {
	_, err := unmarshal(data, m, false)
	return err
}

// UnmarshalPresent is Unmarshal that also returns the paths of the fields that data holds, nulls included, as a field mask
// of m has them: descending into messages, and naming lists, maps, free-form objects and empty messages as a whole.
func UnmarshalPresent(data []byte, m proto.Message) ([]string, error) {
	return unmarshal(data, m, true)
}

func unmarshal(data []byte, m proto.Message, present bool) ([]string, error) {
	d := &decoder{scanner: scanner{data: data}, collect: present}
	r := m.ProtoReflect()
	if err := d.message(r, planOf(r.Descriptor())); err != nil {
		return nil, err
	}
	if d.peek(); d.pos < len(data) {
		return nil, d.fail("unexpected text after the end of the document, at byte %d", d.pos)
	}
	return d.present, nil
}

type decoder struct {
	scanner
	collect bool // whether the value that is being read belongs to present
	present []string
}

// message reads an object into m.
func (d *decoder) message(m protoreflect.Message, p *messagePlan) error {
	if d.peek() != '{' {
		return d.wrong("an object")
	}
	if err := d.open('{'); err != nil {
		return err
	}
	seen := make(map[int]bool, 8)
	for count := 0; ; count++ {
		more, err := d.more(count, '}')
		if err != nil {
			return err
		}
		if !more {
			if count == 0 && d.collect && len(d.path) > 0 {
				d.present = append(d.present, string(d.path))
			}
			return nil
		}
		f, was, err := d.field(p)
		if err != nil {
			return err
		}
		if seen[f.index] {
			return d.fail("must not be given twice")
		}
		seen[f.index] = true
		if err := d.value(m, f); err != nil {
			return err
		}
		d.path = d.path[:was]
	}
}

// field reads a name and the colon, and steps into that field.
func (d *decoder) field(p *messagePlan) (*fieldPlan, int, error) {
	name, was, err := d.name()
	if err != nil {
		return nil, 0, err
	}
	f := p.byName[name]
	if f == nil {
		return nil, 0, d.fail("unknown field%s", didYouMean(name, p.names))
	}
	return f, was, nil
}

func (d *decoder) name() (string, int, error) {
	if d.peek() != '"' {
		return "", 0, d.broken("expected a name in quotes")
	}
	name, err := d.text()
	if err != nil {
		return "", 0, err
	}
	was := d.descend(name)
	return name, was, d.take(':')
}

// value reads the value of f into m. Null is the same as a field that is not there, except that it is present.
func (d *decoder) value(m protoreflect.Message, f *fieldPlan) error {
	null := d.peek() == 'n'
	if d.collect && (null || f.list || f.mapped || f.kind != kindMessage) {
		d.present = append(d.present, string(d.path))
	}
	if null {
		return d.word("null")
	}
	if o := f.desc.ContainingOneof(); o != nil && !o.IsSynthetic() && m.WhichOneof(o) != nil {
		return d.fail("must not be given beside %s", m.WhichOneof(o).Name())
	}
	switch {
	case f.list, f.mapped:
		defer func(was bool) { d.collect = was }(d.collect)
		d.collect = false
		if f.mapped {
			return d.mapping(m.Mutable(f.desc).Map(), f)
		}
		return d.elements(m.Mutable(f.desc).List(), f)
	case f.kind == kindMessage:
		return d.message(m.Mutable(f.desc).Message(), f.message)
	}
	v, err := d.single(f, func() protoreflect.Value { return m.NewField(f.desc) })
	if err != nil {
		return err
	}
	m.Set(f.desc, v)
	return nil
}

func (d *decoder) elements(l protoreflect.List, f *fieldPlan) error {
	if d.peek() != '[' {
		return d.wrong("a list")
	}
	if err := d.open('['); err != nil {
		return err
	}
	for i := 0; ; i++ {
		more, err := d.more(i, ']')
		if err != nil || !more {
			return err
		}
		was := d.descendIndex(i)
		v, err := d.single(f, l.NewElement)
		if err != nil {
			return err
		}
		l.Append(v)
		d.path = d.path[:was]
	}
}

func (d *decoder) mapping(m protoreflect.Map, f *fieldPlan) error {
	if d.peek() != '{' {
		return d.wrong("an object")
	}
	if err := d.open('{'); err != nil {
		return err
	}
	for count := 0; ; count++ {
		more, err := d.more(count, '}')
		if err != nil || !more {
			return err
		}
		name, was, err := d.name()
		if err != nil {
			return err
		}
		key, err := d.key(name, f.desc.MapKey())
		if err != nil {
			return err
		}
		if m.Has(key) {
			return d.fail("must not be given twice")
		}
		v, err := d.single(f, m.NewValue)
		if err != nil {
			return err
		}
		m.Set(key, v)
		d.path = d.path[:was]
	}
}

// key reads a map's key, which JSON can only write as a string.
func (d *decoder) key(name string, fd protoreflect.FieldDescriptor) (protoreflect.MapKey, error) {
	if fd.Kind() == protoreflect.StringKind {
		return protoreflect.ValueOfString(name).MapKey(), nil
	}
	v, err := parseText(name, makeField(fd, nil))
	if err != nil {
		return protoreflect.MapKey{}, d.fail("the name %s", err.Message)
	}
	return v.MapKey(), nil
}

// single reads one value that is not null. For messages, make gives it an empty one.
func (d *decoder) single(f *fieldPlan, make func() protoreflect.Value) (protoreflect.Value, error) {
	switch f.kind {
	case kindMessage:
		v := make()
		return v, d.message(v.Message(), f.message)
	case kindStruct, kindValue, kindListValue:
		return d.free(f.kind)
	case kindEmpty:
		v := make()
		return v, d.message(v.Message(), f.message)
	}
	return d.scalar(f)
}

// free reads JSON that has no schema.
func (d *decoder) free(k kind) (protoreflect.Value, error) {
	defer func(was bool) { d.collect = was }(d.collect)
	d.collect = false
	none := protoreflect.Value{}
	switch c := d.peek(); {
	case k == kindStruct && c != '{':
		return none, d.wrong("an object")
	case k == kindListValue && c != '[':
		return none, d.wrong("a list")
	}
	v, err := d.any()
	if err != nil {
		return none, err
	}
	switch k {
	case kindStruct:
		return protoreflect.ValueOfMessage(v.GetStructValue().ProtoReflect()), nil
	case kindListValue:
		return protoreflect.ValueOfMessage(v.GetListValue().ProtoReflect()), nil
	}
	return protoreflect.ValueOfMessage(v.ProtoReflect()), nil
}

func (d *decoder) any() (*structpb.Value, error) {
	switch d.peek() {
	case '{':
		return d.anyStruct()
	case '[':
		return d.anyList()
	case '"':
		t, err := d.text()
		return structpb.NewStringValue(t), err
	case 't':
		return structpb.NewBoolValue(true), d.word("true")
	case 'f':
		return structpb.NewBoolValue(false), d.word("false")
	case 'n':
		return structpb.NewNullValue(), d.word("null")
	}
	n, err := d.float(64)
	return structpb.NewNumberValue(n), err
}

func (d *decoder) anyStruct() (*structpb.Value, error) {
	fields := map[string]*structpb.Value{}
	if err := d.open('{'); err != nil {
		return nil, err
	}
	for count := 0; ; count++ {
		more, err := d.more(count, '}')
		if err != nil {
			return nil, err
		}
		if !more {
			return structpb.NewStructValue(&structpb.Struct{Fields: fields}), nil
		}
		name, was, err := d.name()
		if err != nil {
			return nil, err
		}
		if _, ok := fields[name]; ok {
			return nil, d.fail("must not be given twice")
		}
		if fields[name], err = d.any(); err != nil {
			return nil, err
		}
		d.path = d.path[:was]
	}
}

func (d *decoder) anyList() (*structpb.Value, error) {
	list := &structpb.ListValue{}
	if err := d.open('['); err != nil {
		return nil, err
	}
	for i := 0; ; i++ {
		more, err := d.more(i, ']')
		if err != nil {
			return nil, err
		}
		if !more {
			return structpb.NewListValue(list), nil
		}
		was := d.descendIndex(i)
		v, err := d.any()
		if err != nil {
			return nil, err
		}
		list.Values = append(list.Values, v)
		d.path = d.path[:was]
	}
}

// wrong says what was expected in place of what comes next.
func (d *decoder) wrong(expected string) error {
	return d.reject("must be "+expected, true)
}

func (d *decoder) reject(rule string, echo bool) error {
	switch c := d.peek(); {
	case d.pos >= len(d.data):
		return d.broken("")
	case c != '"' && c != '{' && c != '[' && c != '-' && (c < '0' || c > '9') && c != 't' && c != 'f' && c != 'n':
		return d.broken("expected a value")
	}
	return d.fail("%s", fmt.Sprintf("%s, not %s", rule, d.found(echo)))
}
