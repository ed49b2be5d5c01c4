package wire

import (
	"encoding/base64"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// timeLayout is RFC 3339 in UTC with exactly milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z"

func appendMessage(b []byte, m protoreflect.Message, p *messagePlan) []byte {
	b = append(b, '{')
	for i, f := range p.fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, f.key...)
		switch {
		case f.list:
			b = appendList(b, m.Get(f.desc).List(), f)
		case f.mapped:
			b = appendMap(b, m.Get(f.desc).Map(), f)
		case f.presence && !m.Has(f.desc):
			b = append(b, "null"...)
		default:
			b = appendValue(b, m.Get(f.desc), f)
		}
	}
	return append(b, '}')
}

func appendList(b []byte, l protoreflect.List, f *fieldPlan) []byte {
	b = append(b, '[')
	for i := range l.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendValue(b, l.Get(i), f)
	}
	return append(b, ']')
}

// appendMap writes the keys in order, so that the same message is always the same bytes.
func appendMap(b []byte, m protoreflect.Map, f *fieldPlan) []byte {
	b = append(b, '{')
	if m.Len() > 0 {
		keys := make([]string, 0, m.Len())
		values := make(map[string]protoreflect.Value, m.Len())
		m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			keys = append(keys, k.String())
			values[k.String()] = v
			return true
		})
		slices.Sort(keys)
		for i, k := range keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, k), ':')
			b = appendValue(b, values[k], f)
		}
	}
	return append(b, '}')
}

func appendValue(b []byte, v protoreflect.Value, f *fieldPlan) []byte {
	switch f.kind {
	case kindBool:
		return strconv.AppendBool(b, v.Bool())
	case kindInt:
		return strconv.AppendInt(b, v.Int(), 10)
	case kindUint:
		return strconv.AppendUint(b, v.Uint(), 10)
	case kindFloat:
		return appendFloat(b, v.Float(), f.bits)
	case kindString:
		return appendString(b, v.String())
	case kindBytes:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, v.Bytes())
		return append(b, '"')
	case kindEnum:
		if word, ok := f.enum.words[v.Enum()]; ok {
			return append(b, word...)
		}
		return append(b, "null"...) // unspecified, or a value of a newer service
	case kindMessage:
		return appendMessage(b, v.Message(), f.message)
	default:
		return appendWellKnown(b, v.Message().Interface())
	}
}

// appendWellKnown writes the messages whose JSON is not an object of their fields.
func appendWellKnown(b []byte, m proto.Message) []byte {
	switch m := m.(type) {
	case *timestamppb.Timestamp:
		return appendTime(b, m)
	case *structpb.Struct:
		return appendStruct(b, m)
	case *structpb.ListValue:
		return appendAnyList(b, m)
	case *structpb.Value:
		return appendAny(b, m)
	}
	return append(b, "{}"...) // Empty as a field
}

// appendTime writes null for a time that RFC 3339 cannot say.
func appendTime(b []byte, ts *timestamppb.Timestamp) []byte {
	if ts.CheckValid() != nil {
		return append(b, "null"...)
	}
	b = append(b, '"')
	b = time.Unix(ts.GetSeconds(), int64(ts.GetNanos())).UTC().AppendFormat(b, timeLayout)
	return append(b, '"')
}

func appendAny(b []byte, v *structpb.Value) []byte {
	switch k := v.GetKind().(type) {
	case *structpb.Value_BoolValue:
		return strconv.AppendBool(b, k.BoolValue)
	case *structpb.Value_NumberValue:
		return appendFloat(b, k.NumberValue, 64)
	case *structpb.Value_StringValue:
		return appendString(b, k.StringValue)
	case *structpb.Value_StructValue:
		return appendStruct(b, k.StructValue)
	case *structpb.Value_ListValue:
		return appendAnyList(b, k.ListValue)
	}
	return append(b, "null"...)
}

func appendStruct(b []byte, s *structpb.Struct) []byte {
	b = append(b, '{')
	for i, k := range slices.Sorted(maps.Keys(s.GetFields())) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, k), ':')
		b = appendAny(b, s.GetFields()[k])
	}
	return append(b, '}')
}

func appendAnyList(b []byte, l *structpb.ListValue) []byte {
	b = append(b, '[')
	for i, v := range l.GetValues() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendAny(b, v)
	}
	return append(b, ']')
}

// appendFloat writes the shortest text that reads back as v, and null for what JSON has no number for.
func appendFloat(b []byte, v float64, bits int) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(b, "null"...)
	}
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, v, format, -1, bits)
}

const hex = "0123456789abcdef"

// appendString quotes s. It leaves <, > and & alone, because the answer is never HTML, and replaces what is not UTF-8.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = append(b, s[start:i]...)
			b = appendEscaped(b, c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[start:i]...), `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029': // line ends to older JavaScript
			b = append(append(b, s[start:i]...), `\u202`...)
			b = append(b, hex[r&0xf])
			start = i + size
		}
		i += size
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

func appendEscaped(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
}
