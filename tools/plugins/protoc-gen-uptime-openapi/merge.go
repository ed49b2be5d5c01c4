package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// newDocument returns the frame that the generated documents are merged into.
func newDocument() *document {
	text := func(description string) *schema {
		return &schema{Type: types{"string"}, Description: description}
	}
	detail := &schema{
		Type:       types{"object"},
		Properties: map[string]*schema{"field": text("Path of the field, as in tcp_config.port."), "message": text("What is wrong with it.")},
		Required:   []string{"field", "message"},
	}
	problem := &schema{
		Type:        types{"object"},
		Description: "Error is the body of every answer that is not a success.",
		Properties: map[string]*schema{
			"error":      text("One short sentence."),
			"code":       text("Name of the gRPC code, as in INVALID_ARGUMENT."),
			"details":    {Type: types{"array"}, Description: "Fields at fault; empty when no field is.", Items: detail},
			"request_id": text("Identifier of the request, as in the header X-Request-Id."),
		},
		Required: []string{"code", "details", "error", "request_id"},
	}
	return &document{
		OpenAPI: "3.1.0",
		Info: info{
			Title:   "Frogstats Uptime API",
			Version: "v1",
			License: &license{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Servers:  []server{{URL: "/"}},
		Security: []map[string][]string{{"api_key": {}}, {"session": {}}},
		Paths:    map[string]map[string]*operation{},
		Components: components{
			Schemas: map[string]*schema{"Error": problem},
			Responses: map[string]*response{"Error": {
				Description: "The request was refused or failed.",
				Content:     map[string]*mediaType{"application/json": {Schema: &schema{Ref: schemaPrefix + "Error"}}},
			}},
			SecuritySchemes: map[string]*securityScheme{
				"api_key": {Type: "http", Scheme: "bearer", Description: "API key of an organization."},
				"session": {Type: "apiKey", In: "cookie", Name: sessionCookie, Description: "Session of a signed-in user."},
			},
		},
	}
}

const (
	schemaPrefix = "#/components/schemas/"
	// sessionCookie is the cookie that the gateway sets at login.
	sessionCookie = "frogup_session"
)

// add merges another document into d. Schemas of one name must be equal. An
// operation that d has already is augmented: the fragment's parameters and
// response headers are added, and nothing of it may be replaced.
func (d *document) add(other *document) error {
	for name, s := range other.Components.Schemas {
		if have, ok := d.Components.Schemas[name]; ok && !reflect.DeepEqual(have, s) {
			return fmt.Errorf("schema %q differs from the one of another file", name)
		}
		d.Components.Schemas[name] = s
	}
	for _, t := range other.Tags {
		if !slices.ContainsFunc(d.Tags, func(have tag) bool { return have.Name == t.Name }) {
			d.Tags = append(d.Tags, t)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(other.Paths)) {
		item := other.Paths[path]
		same := d.samePath(path)
		if d.Paths[same] == nil {
			d.Paths[same] = map[string]*operation{}
		}
		for verb, op := range item {
			renameParameters(op, positionalNames(path, same))
			have := d.Paths[same][verb]
			if have == nil {
				d.Paths[same][verb] = op
				continue
			}
			if err := have.augment(op); err != nil {
				return fmt.Errorf("%s %s: %w", strings.ToUpper(verb), path, err)
			}
		}
	}
	return nil
}

// augment adds the parameters and response headers of a fragment.
func (o *operation) augment(extra *operation) error {
	if extra.OperationID != "" || extra.RequestBody != nil || extra.Summary != "" {
		return errors.New("described twice")
	}
	for _, p := range extra.Parameters {
		if slices.ContainsFunc(o.Parameters, func(have *parameter) bool { return have.Name == p.Name && have.In == p.In }) {
			return fmt.Errorf("parameter %q described twice", p.Name)
		}
		o.Parameters = append(o.Parameters, p)
	}
	for code, r := range extra.Responses {
		have, ok := o.Responses[code]
		if !ok {
			o.Responses[code] = r
			continue
		}
		if r.Content != nil || r.Ref != "" {
			return fmt.Errorf("response %s described twice", code)
		}
		if have.Headers == nil {
			have.Headers = map[string]*header{}
		}
		maps.Copy(have.Headers, r.Headers)
	}
	return nil
}

// samePath returns the path that d has already for the same URLs, which OpenAPI
// wants written once only whatever its parameters are called, or path itself.
func (d *document) samePath(path string) string {
	shape := pathParameter.ReplaceAllString(path, "{}")
	for have := range d.Paths {
		if pathParameter.ReplaceAllString(have, "{}") == shape {
			return have
		}
	}
	return path
}

// positionalNames maps the parameter names of one path to those of another of the
// same shape.
func positionalNames(from, to string) map[string]string {
	names := map[string]string{}
	target := pathParameter.FindAllStringSubmatch(to, -1)
	for i, m := range pathParameter.FindAllStringSubmatch(from, -1) {
		names[m[1]] = target[i][1]
	}
	return names
}

// areaName is a full schema name of ours: the area and the type.
var areaName = regexp.MustCompile(`^frogstats\.uptime\.([a-z]+)\.v[0-9]+\.(.+)$`)

// shortenNames drops the package from schema names, so that clients read Monitor
// and not frogstats.uptime.monitors.v1.Monitor. A name that two areas use keeps
// its area in front.
func (d *document) shortenNames() {
	uses := map[string]int{}
	for name := range d.Components.Schemas {
		if m := areaName.FindStringSubmatch(name); m != nil {
			uses[m[2]]++
		} else {
			uses[name]++
		}
	}
	renamed := map[string]string{}
	schemas := make(map[string]*schema, len(d.Components.Schemas))
	for name, s := range d.Components.Schemas {
		short := name
		if m := areaName.FindStringSubmatch(name); m != nil {
			short = m[2]
			if uses[m[2]] > 1 {
				short = m[1] + "." + m[2]
			}
		}
		renamed[schemaPrefix+name] = schemaPrefix + short
		schemas[short] = s
	}
	d.eachSchema(func(s *schema) {
		if ref, ok := renamed[s.Ref]; ok {
			s.Ref = ref
		}
	})
	d.Components.Schemas = schemas
}

// checkReferences refuses a document that a client generator could not read.
func (d *document) checkReferences() error {
	var errs []error
	d.eachSchema(func(s *schema) {
		if name, ok := strings.CutPrefix(s.Ref, schemaPrefix); ok && d.Components.Schemas[name] == nil {
			errs = append(errs, fmt.Errorf("schema %q is referred to and missing", name))
		}
	})
	ids := map[string]string{}
	for path, item := range d.Paths {
		for verb, op := range item {
			where := strings.ToUpper(verb) + " " + path
			if len(op.Responses) == 0 {
				errs = append(errs, fmt.Errorf("%s has no response", where))
			}
			if before, ok := ids[op.OperationID]; ok || op.OperationID == "" {
				errs = append(errs, fmt.Errorf("%s: operationId %q is empty or also that of %s", where, op.OperationID, before))
			}
			ids[op.OperationID] = where
		}
	}
	return errors.Join(errs...)
}

// encode writes the document with two spaces of indentation, maps in order of
// their keys, so that the same protos always give the same bytes.
func (d *document) encode() (string, error) {
	used := map[string]bool{}
	for _, item := range d.Paths {
		for _, op := range item {
			for _, t := range op.Tags {
				used[t] = true
			}
		}
	}
	// A service that speaks gRPC only has nothing to show here.
	d.Tags = slices.DeleteFunc(d.Tags, func(t tag) bool { return !used[t.Name] })
	slices.SortFunc(d.Tags, func(a, b tag) int { return strings.Compare(a.Name, b.Name) })
	data, err := encodeJSON(d)
	if err != nil {
		return "", fmt.Errorf("encode document: %w", err)
	}
	var buf bytes.Buffer
	if err := json.Indent(&buf, data, "", "  "); err != nil {
		return "", fmt.Errorf("indent document: %w", err)
	}
	return buf.String(), nil
}
