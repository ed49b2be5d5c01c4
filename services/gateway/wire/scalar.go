package wire

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// scalar reads a value that is one token.
func (d *decoder) scalar(f *fieldPlan) (protoreflect.Value, error) {
	none := protoreflect.Value{}
	c := d.peek()
	switch f.kind {
	case kindBool:
		if c != 't' && c != 'f' {
			return none, d.reject(f.rule(), true)
		}
		if c == 't' {
			return protoreflect.ValueOfBool(true), d.word("true")
		}
		return protoreflect.ValueOfBool(false), d.word("false")
	case kindFloat:
		v, err := d.float(f.bits)
		if f.bits == 32 {
			return protoreflect.ValueOfFloat32(float32(v)), err
		}
		return protoreflect.ValueOfFloat64(v), err
	case kindInt, kindUint:
		if c != '-' && (c < '0' || c > '9') {
			return none, d.reject(f.rule(), true)
		}
		start := d.pos
		n, err := d.number()
		if err != nil {
			return none, err
		}
		v, ok := parseInteger(n, f)
		if !ok {
			d.pos = start
			return none, d.reject(f.rule(), true)
		}
		return v, nil
	}
	// The remaining kinds are strings. What was given in place of a plain one is not repeated: it may be a secret.
	echo := f.kind == kindEnum || f.kind == kindTimestamp
	if c != '"' {
		return none, d.reject(f.rule(), echo)
	}
	start := d.pos
	t, err := d.text()
	if err != nil {
		return none, err
	}
	v, bad := parseText(t, f)
	if bad != nil {
		d.pos = start
		return none, d.reject(f.rule(), echo)
	}
	return v, nil
}

// float reads a number that fits into so many bits.
func (d *decoder) float(bits int) (float64, error) {
	const rule = "must be a number"
	if c := d.peek(); c != '-' && (c < '0' || c > '9') {
		return 0, d.reject(rule, true)
	}
	start := d.pos
	n, err := d.number()
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseFloat(n, bits)
	if err != nil {
		d.pos = start
		return 0, d.reject("must be a number of ordinary size", true)
	}
	return v, nil
}

// rule says what a value of f must be.
func (f *fieldPlan) rule() string {
	switch f.kind {
	case kindBool:
		return "must be true or false"
	case kindInt:
		if f.bits == 64 {
			return "must be a whole number"
		}
		return "must be a whole number from -2147483648 to 2147483647"
	case kindUint:
		if f.bits == 64 {
			return "must be a whole number, at least 0"
		}
		return "must be a whole number from 0 to 4294967295"
	case kindFloat:
		return "must be a number"
	case kindBytes:
		return "must be base64"
	case kindEnum:
		return oneOf(f.enum.allowed)
	case kindTimestamp:
		return `must be a time as in "2026-01-02T03:04:05.000Z"`
	}
	return "must be a string"
}

// parseText reads a value that stands in a string: in JSON, in a query or in a path. The error has no path.
func parseText(t string, f *fieldPlan) (protoreflect.Value, *Error) {
	switch f.kind {
	case kindString:
		if utf8.ValidString(t) {
			return protoreflect.ValueOfString(t), nil
		}
		return protoreflect.Value{}, &Error{Message: "must be UTF-8"}
	case kindBool:
		if t == "true" || t == "false" {
			return protoreflect.ValueOfBool(t == "true"), nil
		}
	case kindInt, kindUint:
		if v, ok := parseInteger(t, f); ok {
			return v, nil
		}
	case kindFloat:
		v, err := strconv.ParseFloat(t, f.bits)
		if err == nil && !math.IsNaN(v) && !math.IsInf(v, 0) {
			if f.bits == 32 {
				return protoreflect.ValueOfFloat32(float32(v)), nil
			}
			return protoreflect.ValueOfFloat64(v), nil
		}
	case kindBytes:
		if v, err := base64.StdEncoding.DecodeString(t); err == nil {
			return protoreflect.ValueOfBytes(v), nil
		}
	case kindEnum:
		if n, ok := f.enum.numbers[t]; ok {
			return protoreflect.ValueOfEnum(n), nil
		}
	case kindTimestamp:
		if v, ok := parseTime(t); ok {
			return protoreflect.ValueOfMessage(timestamppb.New(v).ProtoReflect()), nil
		}
	}
	return protoreflect.Value{}, &Error{Message: f.rule() + ", not " + strconv.Quote(clip(t))}
}

// parseInteger reads a whole number that fits; 30.0 and 3e1 are whole.
func parseInteger(t string, f *fieldPlan) (protoreflect.Value, bool) {
	if strings.ContainsAny(t, ".eE") {
		v, err := strconv.ParseFloat(t, 64)
		if err != nil || v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return protoreflect.Value{}, false
		}
		t = strconv.FormatFloat(v, 'f', 0, 64)
	}
	if t == "-0" {
		t = "0"
	}
	if strings.HasPrefix(t, "+") {
		return protoreflect.Value{}, false
	}
	if f.kind == kindUint {
		v, err := strconv.ParseUint(t, 10, f.bits)
		if f.bits == 32 {
			return protoreflect.ValueOfUint32(uint32(v)), err == nil
		}
		return protoreflect.ValueOfUint64(v), err == nil
	}
	v, err := strconv.ParseInt(t, 10, f.bits)
	if f.bits == 32 {
		return protoreflect.ValueOfInt32(int32(v)), err == nil
	}
	return protoreflect.ValueOfInt64(v), err == nil
}

// parseTime reads RFC 3339 with any offset, and keeps milliseconds because that is what we write.
func parseTime(t string) (time.Time, bool) {
	at, err := time.Parse(time.RFC3339Nano, t)
	if err != nil {
		return time.Time{}, false
	}
	at = at.UTC().Truncate(time.Millisecond)
	return at, timestamppb.New(at).CheckValid() == nil
}
