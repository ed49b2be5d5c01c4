package wire

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// MaskParameter is the query parameter that carries a field mask from the edge to the generated handler. Clients cannot
// send it: to ParseQuery it is unknown.
const MaskParameter = "update_mask"

// Query reads query parameters for the generated handlers.
type Query struct{}

var _ runtime.QueryParameterParser = Query{}

// Parse fills msg from values. Fields that the path or the body set are taken out by filter.
func (Query) Parse(msg proto.Message, values url.Values, filter *utilities.DoubleArray) error {
	rest := values
	if mask, ok := values[MaskParameter]; ok {
		rest = url.Values{}
		for k, v := range values {
			if k != MaskParameter {
				rest[k] = v
			}
		}
		if err := setMask(msg.ProtoReflect(), mask); err != nil {
			return err
		}
	}
	taken := func(name string) bool { return filter != nil && filter.HasCommonPrefix([]string{name}) }
	if err := parseQuery(msg.ProtoReflect(), rest, taken); err != nil {
		return err // not the typed nil that err would be otherwise
	}
	return nil
}

// ParseQuery fills m from the query parameters of a client: the field's own names, enums by their wire names, repeated
// fields by repeating the parameter. Fields in taken are set from elsewhere and so unknown here; messages cannot be given
// in a query at all. It returns nil or what is wrong with the first parameter, by name.
func ParseQuery(m proto.Message, values url.Values, taken ...string) *Error {
	return parseQuery(m.ProtoReflect(), values, func(name string) bool { return slices.Contains(taken, name) })
}

func parseQuery(m protoreflect.Message, values url.Values, taken func(string) bool) *Error {
	p := planOf(m.Descriptor())
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		f := p.byName[name]
		if f == nil || !f.inQuery() || taken(name) {
			return &Error{Path: clip(name), Message: "unknown parameter" + didYouMean(name, p.inQuery(taken))}
		}
		given := values[name]
		if !f.list && len(given) > 1 {
			return &Error{Path: name, Message: "must not be given twice"}
		}
		for i, text := range given {
			v, err := parseText(text, f)
			if err != nil {
				err.Path = name
				if f.list {
					err.Path += "[" + strconv.Itoa(i) + "]"
				}
				return err
			}
			if f.list {
				m.Mutable(f.desc).List().Append(v)
			} else {
				m.Set(f.desc, v)
			}
		}
	}
	return nil
}

// inQuery reports whether f can be given as text.
func (f *fieldPlan) inQuery() bool {
	switch f.kind {
	case kindMessage, kindStruct, kindValue, kindListValue, kindEmpty, kindMask:
		return false
	}
	return !f.mapped
}

func (p *messagePlan) inQuery(taken func(string) bool) []string {
	var out []string
	for _, f := range p.fields {
		if f.inQuery() && !taken(f.name) {
			out = append(out, f.name)
		}
	}
	return out
}

func setMask(m protoreflect.Message, given []string) error {
	fd := m.Descriptor().Fields().ByName(MaskParameter)
	if fd == nil || fd.Message() == nil || fd.Message().FullName() != "google.protobuf.FieldMask" {
		return &Error{Path: MaskParameter, Message: "unknown parameter"}
	}
	mask := &fieldmaskpb.FieldMask{}
	for _, paths := range given {
		if paths != "" {
			mask.Paths = append(mask.Paths, strings.Split(paths, ",")...)
		}
	}
	m.Set(fd, protoreflect.ValueOfMessage(mask.ProtoReflect()))
	return nil
}

// ParsePath reads a path parameter for the field name of m. It returns nil or what is wrong with it.
func ParsePath(m protoreflect.MessageDescriptor, name, text string) *Error {
	f := planOf(m).byName[name]
	if f == nil || f.list || !f.inQuery() {
		return &Error{Path: name, Message: "unknown parameter"}
	}
	if _, err := parseText(text, f); err != nil {
		err.Path = name
		return err
	}
	return nil
}
