package wire

import (
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// kind is how one value is written and read.
type kind uint8

const (
	kindMessage kind = iota
	kindBool
	kindInt
	kindUint
	kindFloat
	kindString
	kindBytes
	kindEnum
	kindTimestamp
	kindStruct
	kindValue
	kindListValue
	kindMask
	kindEmpty
)

// messagePlan is what descriptors say about a message, looked up once.
type messagePlan struct {
	kind   kind // of the message as a value
	fields []*fieldPlan
	byName map[string]*fieldPlan
	names  []string // of byName, in the order of fields
}

type fieldPlan struct {
	desc     protoreflect.FieldDescriptor
	index    int
	name     string
	key      string // `"name":`
	kind     kind   // of the value, of each element of a list, of each value of a map
	bits     int    // of numbers
	list     bool
	mapped   bool
	presence bool         // absent is not the zero value
	enum     *enumPlan    // for kindEnum
	message  *messagePlan // for all messages
}

// enumPlan translates an enum's values.
type enumPlan struct {
	words   map[protoreflect.EnumNumber]string // quoted
	numbers map[string]protoreflect.EnumNumber
	allowed []string // in the order of the proto file
}

var plans sync.Map // protoreflect.MessageDescriptor → *messagePlan

func planOf(md protoreflect.MessageDescriptor) *messagePlan {
	if p, ok := plans.Load(md); ok {
		return p.(*messagePlan)
	}
	// Messages may hold themselves, so plans refer to each other and are published together when they are whole.
	made := map[protoreflect.MessageDescriptor]*messagePlan{}
	p := makePlan(md, made)
	for k, v := range made {
		plans.LoadOrStore(k, v)
	}
	return p
}

func makePlan(md protoreflect.MessageDescriptor, made map[protoreflect.MessageDescriptor]*messagePlan) *messagePlan {
	if p, ok := plans.Load(md); ok {
		return p.(*messagePlan)
	}
	if p, ok := made[md]; ok {
		return p
	}
	p := &messagePlan{kind: kindOfMessage(md), byName: map[string]*fieldPlan{}}
	made[md] = p
	if p.kind != kindMessage {
		return p
	}
	fields := md.Fields()
	for i := range fields.Len() {
		f := makeField(fields.Get(i), made)
		if f.kind != kindMask {
			p.fields = append(p.fields, f)
		}
	}
	slices.SortFunc(p.fields, func(a, b *fieldPlan) int { return int(a.desc.Number()) - int(b.desc.Number()) })
	for i, f := range p.fields {
		f.index = i
		p.byName[f.name] = f
		p.names = append(p.names, f.name)
	}
	return p
}

func makeField(fd protoreflect.FieldDescriptor, made map[protoreflect.MessageDescriptor]*messagePlan) *fieldPlan {
	f := &fieldPlan{
		desc: fd, name: string(fd.Name()), key: `"` + string(fd.Name()) + `":`,
		list: fd.IsList(), mapped: fd.IsMap(), presence: fd.HasPresence(),
	}
	value := fd
	if f.mapped {
		value = fd.MapValue()
	}
	switch value.Kind() {
	case protoreflect.BoolKind:
		f.kind = kindBool
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		f.kind, f.bits = kindInt, 32
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		f.kind, f.bits = kindInt, 64
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		f.kind, f.bits = kindUint, 32
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		f.kind, f.bits = kindUint, 64
	case protoreflect.FloatKind:
		f.kind, f.bits = kindFloat, 32
	case protoreflect.DoubleKind:
		f.kind, f.bits = kindFloat, 64
	case protoreflect.StringKind:
		f.kind = kindString
	case protoreflect.BytesKind:
		f.kind = kindBytes
	case protoreflect.EnumKind:
		f.kind, f.enum = kindEnum, makeEnum(value.Enum())
	case protoreflect.MessageKind, protoreflect.GroupKind:
		f.message = makePlan(value.Message(), made)
		f.kind = f.message.kind
	}
	return f
}

func kindOfMessage(md protoreflect.MessageDescriptor) kind {
	switch md.FullName() {
	case "google.protobuf.Timestamp":
		return kindTimestamp
	case "google.protobuf.Struct":
		return kindStruct
	case "google.protobuf.Value":
		return kindValue
	case "google.protobuf.ListValue":
		return kindListValue
	case "google.protobuf.FieldMask":
		return kindMask
	case "google.protobuf.Empty":
		return kindEmpty
	}
	return kindMessage
}

const unspecified = "UNSPECIFIED"

// makeEnum takes the prefix from the zero value, which the style of our protos names PREFIX_UNSPECIFIED.
func makeEnum(ed protoreflect.EnumDescriptor) *enumPlan {
	p := &enumPlan{words: map[protoreflect.EnumNumber]string{}, numbers: map[string]protoreflect.EnumNumber{}}
	values := ed.Values()
	prefix, _ := strings.CutSuffix(string(values.Get(0).Name()), unspecified)
	for i := range values.Len() {
		v := values.Get(i)
		word := strings.TrimPrefix(string(v.Name()), prefix)
		if word == unspecified {
			continue
		}
		word = strings.ToLower(word)
		if _, alias := p.words[v.Number()]; !alias {
			p.words[v.Number()] = `"` + word + `"`
			p.allowed = append(p.allowed, word)
		}
		p.numbers[word] = v.Number()
	}
	return p
}
