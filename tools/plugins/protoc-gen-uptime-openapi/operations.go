package main

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"google.golang.org/protobuf/types/descriptorpb"
)

// repair corrects one generated document; source is the proto file it came from.
func repair(doc *document, ix *index, source string) error {
	paths := make(map[string]map[string]*operation, len(doc.Paths))
	for path, item := range doc.Paths {
		newPath, renamed := shortPath(path)
		if paths[newPath] == nil {
			paths[newPath] = map[string]*operation{}
		}
		for verb, op := range item {
			method, ok := ix.methods[source+"/"+bindingSuffix.ReplaceAllString(op.OperationID, "")]
			if !ok {
				return fmt.Errorf("operation %q has no method", op.OperationID)
			}
			if err := repairOperation(op, method, ix); err != nil {
				return fmt.Errorf("operation %q: %w", op.OperationID, err)
			}
			renameParameters(op, renamed)
			if paths[newPath][verb] != nil {
				return fmt.Errorf("%s %s is bound twice", strings.ToUpper(verb), newPath)
			}
			paths[newPath][verb] = op
		}
	}
	doc.Paths = paths
	repairSchemas(doc, ix)
	for i := range doc.Tags {
		doc.Tags[i].Name = strings.TrimSuffix(doc.Tags[i].Name, "Service")
	}
	return nil
}

// bindingSuffix is what the generator appends for additional_bindings.
var bindingSuffix = regexp.MustCompile(`_[0-9]+$`)

var pathParameter = regexp.MustCompile(`\{([^{}]+)\}`)

// shortPath names every path parameter by the last part of its field path:
// {monitor.id} is {id} to a reader of the REST surface.
func shortPath(path string) (string, map[string]string) {
	renamed := map[string]string{}
	short := pathParameter.ReplaceAllStringFunc(path, func(m string) string {
		name := m[1 : len(m)-1]
		renamed[name] = name[strings.LastIndexByte(name, '.')+1:]
		return "{" + renamed[name] + "}"
	})
	return short, renamed
}

func renameParameters(op *operation, renamed map[string]string) {
	for _, p := range op.Parameters {
		if name, ok := renamed[p.Name]; ok && p.In == "path" {
			p.Name = name
		}
	}
}

// repairOperation sets what the generator cannot know of one method.
func repairOperation(op *operation, method *descriptorpb.MethodDescriptorProto, ix *index) error {
	if method.GetServerStreaming() || method.GetClientStreaming() {
		return fmt.Errorf("a stream has no REST form here: describe it in an extra fragment")
	}
	access := ix.access(method)
	if access == "service" {
		return fmt.Errorf("only services may call it, so it must not have an http rule")
	}
	op.Summary = withoutSubject(strings.Join(strings.Fields(op.Summary), " "), method.GetName())
	for i, t := range op.Tags {
		op.Tags[i] = strings.TrimSuffix(t, "Service")
	}
	if access == "public" {
		op.Security = &[]map[string][]string{}
	} else if access != "" {
		op.Description = strings.TrimSpace(op.Description + "\n\n" + accessSentence(access))
	}
	request := ix.messages[strings.TrimPrefix(method.GetInputType(), ".")]
	if s := inlineBody(op); s != nil {
		repairProperties(s, request, ix)
		op.RequestBody.Required = !allOptional(s, request)
	}
	for _, p := range op.Parameters {
		if field := ix.field(request, p.Name); field != nil {
			constrain(p.Schema, field, ix)
		}
	}
	repairResponses(op, method, ix)
	return nil
}

// inlineBody returns the schema that the generator writes in place for body "*":
// the request message without its path parameters. It is nil for other bodies.
func inlineBody(op *operation) *schema {
	if op.RequestBody == nil {
		return nil
	}
	media := op.RequestBody.Content["application/json"]
	if media == nil || media.Schema == nil || media.Schema.Properties == nil {
		return nil
	}
	return media.Schema
}

// allOptional reports whether every field of a whole body may be absent, so that the body itself may.
func allOptional(s *schema, request *descriptorpb.DescriptorProto) bool {
	for _, field := range request.GetField() {
		if s.Properties[field.GetName()] != nil && !field.GetProto3Optional() {
			return false
		}
	}
	return true
}

// withoutSubject turns "GetMonitor returns one monitor." into "Returns one monitor.".
func withoutSubject(comment, subject string) string {
	rest, ok := strings.CutPrefix(comment, subject+" ")
	if !ok {
		return comment
	}
	runes := []rune(rest)
	runes[0] = unicode.ToUpper(runes[0])
	return string(runes)
}

func accessSentence(access string) string {
	if access == "user" {
		return "Any signed-in caller."
	}
	return "Needs the role " + access + " or above."
}

// repairResponses sets the status codes that the gateway answers with: 201 for
// Create…, 204 for an empty response, 200 otherwise, and our error shape for
// everything else.
func repairResponses(op *operation, method *descriptorpb.MethodDescriptorProto, ix *index) {
	ok := op.Responses["200"]
	delete(op.Responses, "200")
	switch {
	case method.GetOutputType() == ".google.protobuf.Empty":
		op.Responses["204"] = &response{Description: "Done; no body."}
	case strings.HasPrefix(method.GetName(), "Create"):
		op.Responses["201"] = ok
	default:
		op.Responses["200"] = ok
	}
	if method.GetOutputType() == ".google.api.HttpBody" {
		ok.Description = "The document."
		ok.Content = map[string]*mediaType{"*/*": {Schema: &schema{Type: types{"string"}, Format: "binary"}}}
	}
	if isBareList(ok) && hasField(ix.messages[strings.TrimPrefix(method.GetOutputType(), ".")], "next_page_token") {
		ok.Headers = map[string]*header{
			"X-Next-Page-Token": {Description: "Token of the next page; missing on the last.", Schema: &schema{Type: types{"string"}}},
			"Link":              {Description: "RFC 8288 link to the next page, rel=\"next\"; missing on the last.", Schema: &schema{Type: types{"string"}}},
		}
	}
	op.Responses["default"] = &response{Ref: "#/components/responses/Error"}
}

// isBareList reports whether a response is an array, which an http rule's
// response_body makes of a list response.
func isBareList(r *response) bool {
	media := r.Content["application/json"]
	return media != nil && media.Schema != nil && len(media.Schema.Type) == 1 && media.Schema.Type[0] == "array"
}

func hasField(msg *descriptorpb.DescriptorProto, name string) bool {
	for _, f := range msg.GetField() {
		if f.GetName() == name {
			return true
		}
	}
	return false
}
