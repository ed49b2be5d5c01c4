package main

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/types/descriptorpb"
)

// repairSchemas makes the component schemas say what our wire carries.
func repairSchemas(doc *document, ix *index) {
	for name, s := range doc.Components.Schemas {
		if enum, ok := ix.enums[name]; ok {
			repairEnum(s, enum)
		}
		if msg, ok := ix.messages[name]; ok {
			dropOneofConstraint(s, msg)
			repairProperties(s, msg, ix)
		}
	}
	doc.eachSchema(repairScalar)
}

// repairEnum lists the values as the wire has them and puts their comments into
// the description, which is the only place OpenAPI has for them.
func repairEnum(s *schema, enum enumInfo) {
	values, comments := enum.wireValues()
	s.Enum = nil
	lines := []string{s.Description}
	for i, v := range values {
		s.Enum = append(s.Enum, v)
		if comments[i] != "" {
			lines = append(lines, "- `"+v+"`: "+comments[i])
		}
	}
	s.Description = strings.Join(lines, "\n")
}

// dropOneofConstraint replaces the generator's encoding of a oneof, which forbids
// the null that our wire writes for the members that are not set, by a sentence.
func dropOneofConstraint(s *schema, msg *descriptorpb.DescriptorProto) {
	var sentences []string
	for i := range msg.GetOneofDecl() {
		var names []string
		for _, f := range msg.GetField() {
			if f.OneofIndex != nil && int(f.GetOneofIndex()) == i && !f.GetProto3Optional() {
				names = append(names, f.GetName())
			}
		}
		if len(names) > 1 {
			sentences = append(sentences, "At most one of "+strings.Join(names, ", ")+" is set.")
		}
	}
	if len(sentences) == 0 {
		return
	}
	s.OneOf, s.AllOf = nil, nil
	s.Description = strings.TrimSpace(strings.Join(append([]string{s.Description}, sentences...), "\n"))
}

// repairProperties marks what may be null, what is read-only or write-only according
// to the field's comment, and what the validation rules allow.
func repairProperties(s *schema, msg *descriptorpb.DescriptorProto, ix *index) {
	for _, field := range msg.GetField() {
		prop := s.Properties[field.GetName()]
		if prop == nil {
			continue
		}
		if nullable(field) {
			allowNull(prop)
		}
		constrain(prop, field, ix) // after null, which it keeps
		prop.ReadOnly = prop.ReadOnly || strings.Contains(prop.Description, "Read-only.")
		prop.WriteOnly = prop.WriteOnly || strings.Contains(prop.Description, "Write-only")
	}
}

// nullable reports whether our JSON writes null for the field when it has no
// value: everything that can be absent, and an enum without a value.
func nullable(f *descriptorpb.FieldDescriptorProto) bool {
	if f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REPEATED {
		return false
	}
	switch f.GetType() {
	case descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, descriptorpb.FieldDescriptorProto_TYPE_ENUM:
		return true
	default:
		return f.OneofIndex != nil // proto3 optional is a oneof of one
	}
}

// allowNull adds null to what a schema accepts.
func allowNull(s *schema) {
	null := &schema{Type: types{"null"}}
	switch {
	case s.Ref != "":
		s.AnyOf = []*schema{{Ref: s.Ref}, null}
		s.Ref = ""
	case len(s.AllOf) == 1:
		s.AnyOf = []*schema{s.AllOf[0], null}
		s.AllOf = nil
	case len(s.Type) > 0 && !slices.Contains(s.Type, "null"):
		s.Type = append(s.Type, "null")
	}
}

// repairScalar turns 64-bit integers into numbers, as our wire writes them, and
// lets an object without named properties hold any, which code generators would
// otherwise read as an object that must stay empty.
func repairScalar(s *schema) {
	if s.Format == "int64" || s.Format == "uint64" {
		for i, t := range s.Type {
			if t == "string" {
				s.Type[i] = "integer"
			}
		}
	}
	if slices.Contains(s.Type, "object") && len(s.Properties) == 0 && s.AdditionalProperties == nil {
		s.AdditionalProperties = &anySchema{allowed: true}
	}
}
