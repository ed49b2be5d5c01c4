package rpc

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// wording says in plain words which rule of the schema v breaks, and with which number. What is not a number is never
// repeated, since it may be a secret. Rules that the contract does not use keep the words of the library.
func wording(message protoreflect.MessageDescriptor, v *protovalidate.Violation) string {
	words := plainly(message, v)
	switch {
	case words == "":
		return v.Proto.GetMessage()
	case v.Proto.GetForKey():
		return "key " + words // the field's path is the same for a map's key and for its value
	}
	return words
}

func plainly(message protoreflect.MessageDescriptor, v *protovalidate.Violation) string {
	rule := v.RuleDescriptor
	if rule == nil || rule.IsExtension() || !v.RuleValue.IsValid() {
		return ""
	}
	name, demand := string(rule.Name()), v.RuleValue
	switch rule.ContainingMessage().Name() {
	case "FieldRules":
		if name == "required" {
			return "must be given"
		}
		return ""
	case "StringRules":
		return textWords(name, demand)
	case "RepeatedRules", "MapRules":
		return collectionWords(name, demand)
	case "EnumRules":
		return enumWords(name, demand, v.FieldValue, fieldAt(message, v.Proto.GetField()))
	}
	if got, ok := number(v.FieldValue); ok {
		return numberWords(name, demand, got, v, fieldAt(message, v.Proto.GetField()))
	}
	return ""
}

func textWords(rule string, demand protoreflect.Value) string {
	switch rule {
	case "min_len":
		return atLeast(demand.Uint(), "character")
	case "max_len":
		return "must have at most " + count(demand.Uint(), "character")
	case "len":
		return "must have " + count(demand.Uint(), "character")
	case "min_bytes":
		return atLeast(demand.Uint(), "byte")
	case "max_bytes":
		return "must have at most " + count(demand.Uint(), "byte")
	case "len_bytes":
		return "must have " + count(demand.Uint(), "byte")
	case "pattern":
		return "must match " + demand.String()
	case "email":
		return "must be an e-mail address"
	case "in":
		return "must be one of " + texts(demand.List())
	case "not_in":
		return "must not be one of " + texts(demand.List())
	}
	return ""
}

func collectionWords(rule string, demand protoreflect.Value) string {
	switch rule {
	case "min_items", "min_pairs":
		return atLeast(demand.Uint(), "entry")
	case "max_items", "max_pairs":
		return "must have at most " + count(demand.Uint(), "entry")
	case "unique":
		return "must not have the same entry twice"
	}
	return ""
}

// enumWords takes an enum's zero for nothing, as the wire does.
func enumWords(rule string, demand, got protoreflect.Value, f protoreflect.FieldDescriptor) string {
	if f != nil && f.IsMap() {
		f = f.MapValue()
	}
	if f == nil || f.Enum() == nil {
		return ""
	}
	switch values := f.Enum().Values(); {
	case rule == "not_in" && got.Enum() == 0:
		return "must be given"
	case rule == "defined_only":
		return fmt.Sprintf("must be one of %s, not %d", enumNames(values, nil), got.Enum())
	case rule == "in":
		return "must be one of " + enumNames(values, demand.List())
	case rule == "not_in":
		return "must not be one of " + enumNames(values, demand.List())
	}
	return ""
}

// enumNames lists the values that are in picked, nil for all, as the wire has them: in lower case, without the prefix of
// their type, and without the one that means nothing.
func enumNames(values protoreflect.EnumValueDescriptors, picked protoreflect.List) string {
	prefix := strings.TrimSuffix(string(values.Get(0).Name()), "UNSPECIFIED")
	names := make([]string, 0, values.Len())
	for i := range values.Len() {
		v := values.Get(i)
		name := strings.TrimPrefix(string(v.Name()), prefix)
		if name == "UNSPECIFIED" || picked != nil && !holds(picked, v.Number()) {
			continue
		}
		names = append(names, strings.ToLower(name))
	}
	return strings.Join(names, ", ")
}

func holds(list protoreflect.List, n protoreflect.EnumNumber) bool {
	for i := range list.Len() {
		if list.Get(i).Int() == int64(n) { // enum rules list plain numbers
			return true
		}
	}
	return false
}

func numberWords(rule string, demand protoreflect.Value, got string, v *protovalidate.Violation, f protoreflect.FieldDescriptor) string {
	switch rule {
	case "gt", "gte", "lt", "lte":
		if r := rangeWords(rulesAt(f, v.Proto.GetRule()), v.Proto.GetRuleId()); r != "" {
			return "must be " + r + ", not " + got
		}
	case "in":
		return "must be one of " + texts(demand.List()) + ", not " + got
	case "not_in":
		return "must not be " + got
	case "const":
		want, _ := number(demand)
		return "must be " + want + ", not " + got
	case "finite":
		return "must be finite, not " + got
	}
	return ""
}

// rangeWords reads the bounds from the rules, since a violation names one of the two only; "" when it finds none. A rule
// whose id ends in _exclusive forbids what lies between its bounds.
func rangeWords(rules protoreflect.Message, ruleID string) string {
	if rules == nil {
		return ""
	}
	bound := func(name protoreflect.Name) (string, bool) {
		f := rules.Descriptor().Fields().ByName(name)
		if f == nil || !rules.Has(f) {
			return "", false
		}
		return number(rules.Get(f))
	}
	lowest, inclusiveLow := bound("gte")
	highest, inclusiveHigh := bound("lte")
	if inclusiveLow && inclusiveHigh && !strings.HasSuffix(ruleID, "_exclusive") {
		return "between " + lowest + " and " + highest
	}
	var low, high string
	if inclusiveLow {
		low = "at least " + lowest
	} else if n, ok := bound("gt"); ok {
		low = "greater than " + n
	}
	if inclusiveHigh {
		high = "at most " + highest
	} else if n, ok := bound("lt"); ok {
		high = "less than " + n
	}
	switch {
	case low == "" || high == "":
		return low + high
	case strings.HasSuffix(ruleID, "_exclusive"):
		return high + " or " + low
	}
	return low + " and " + high
}

// fieldAt follows a violation's path to the field that has the rules; nil when the path leads to none, as with a oneof.
// The violation itself does not name it for a map's keys and values and for a list's items.
func fieldAt(message protoreflect.MessageDescriptor, path *validate.FieldPath) protoreflect.FieldDescriptor {
	var f protoreflect.FieldDescriptor
	for _, element := range path.GetElements() {
		if message == nil {
			return nil
		}
		if f = message.Fields().ByNumber(protoreflect.FieldNumber(element.GetFieldNumber())); f == nil {
			return nil
		}
		if message = f.Message(); f.IsMap() {
			message = f.MapValue().Message()
		}
	}
	return f
}

// rulesAt follows a rule's path to the message that holds the rule beside its kin, nil when there is none.
func rulesAt(f protoreflect.FieldDescriptor, path *validate.FieldPath) protoreflect.Message {
	if f == nil || len(path.GetElements()) == 0 {
		return nil
	}
	all, err := protovalidate.ResolveFieldRules(f)
	if err != nil || all == nil {
		return nil
	}
	rules, elements := all.ProtoReflect(), path.GetElements()
	for _, element := range elements[:len(elements)-1] {
		next := rules.Descriptor().Fields().ByNumber(protoreflect.FieldNumber(element.GetFieldNumber()))
		if next == nil || next.Message() == nil || next.IsList() || next.IsMap() {
			return nil
		}
		rules = rules.Get(next).Message()
	}
	return rules
}

func atLeast(n uint64, what string) string {
	if n == 1 {
		return "must not be empty"
	}
	return "must have at least " + count(n, what)
}

// count is n with what in the singular or plural.
func count(n uint64, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case what == "entry":
		what = "entrie"
	}
	return strconv.FormatUint(n, 10) + " " + what + "s"
}

// texts joins strings or numbers from a rule.
func texts(list protoreflect.List) string {
	out := make([]string, list.Len())
	for i := range out {
		n, ok := number(list.Get(i))
		if !ok {
			n = list.Get(i).String()
		}
		out[i] = n
	}
	return strings.Join(out, ", ")
}

// number writes an integer or a fraction the way JSON does; false for everything else.
func number(v protoreflect.Value) (string, bool) {
	switch n := v.Interface().(type) {
	case int32, int64, uint32, uint64:
		return fmt.Sprint(n), true
	case float32:
		return fraction(float64(n), 32), true
	case float64:
		return fraction(n, 64), true
	}
	return "", false
}

func fraction(n float64, bits int) string {
	format := byte('f')
	if size := math.Abs(n); size >= 1e21 || size != 0 && size < 1e-6 {
		format = 'e'
	}
	return strconv.FormatFloat(n, format, -1, bits)
}
