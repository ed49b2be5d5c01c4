package main

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// The OpenAPI 3.1 objects that the generator and our fragments use. Decoding is
// strict, so that a construct we do not know is an error here and never silently
// lost from the document.

type document struct {
	OpenAPI    string                           `json:"openapi"`
	Info       info                             `json:"info"`
	Servers    []server                         `json:"servers,omitempty"`
	Security   []map[string][]string            `json:"security,omitempty"`
	Tags       []tag                            `json:"tags,omitempty"`
	Paths      map[string]map[string]*operation `json:"paths"`
	Components components                       `json:"components"`
}

type info struct {
	Title       string   `json:"title"`
	Description string   `json:"description,omitempty"`
	Version     string   `json:"version"`
	License     *license `json:"license,omitempty"`
}

type license struct {
	Name       string `json:"name"`
	Identifier string `json:"identifier,omitempty"`
}

type server struct {
	URL         string `json:"url"`
	Description string `json:"description,omitempty"`
}

type tag struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

type components struct {
	Schemas         map[string]*schema         `json:"schemas,omitempty"`
	Responses       map[string]*response       `json:"responses,omitempty"`
	SecuritySchemes map[string]*securityScheme `json:"securitySchemes,omitempty"`
}

type securityScheme struct {
	Type         string `json:"type"`
	Description  string `json:"description,omitempty"`
	Name         string `json:"name,omitempty"`
	In           string `json:"in,omitempty"`
	Scheme       string `json:"scheme,omitempty"`
	BearerFormat string `json:"bearerFormat,omitempty"`
}

type operation struct {
	Tags        []string             `json:"tags,omitempty"`
	Summary     string               `json:"summary,omitempty"`
	Description string               `json:"description,omitempty"`
	OperationID string               `json:"operationId,omitempty"`
	Parameters  []*parameter         `json:"parameters,omitempty"`
	RequestBody *requestBody         `json:"requestBody,omitempty"`
	Responses   map[string]*response `json:"responses,omitempty"`
	Deprecated  bool                 `json:"deprecated,omitempty"`
	// Security overrides the document's; an empty list, which must be written, means none.
	Security *[]map[string][]string `json:"security,omitempty"`
}

type parameter struct {
	Name        string  `json:"name"`
	In          string  `json:"in"`
	Description string  `json:"description,omitempty"`
	Required    bool    `json:"required,omitempty"`
	Deprecated  bool    `json:"deprecated,omitempty"`
	Schema      *schema `json:"schema,omitempty"`
}

type requestBody struct {
	Description string                `json:"description,omitempty"`
	Content     map[string]*mediaType `json:"content"`
	Required    bool                  `json:"required,omitempty"`
}

type response struct {
	Ref         string                `json:"$ref,omitempty"`
	Description string                `json:"description,omitempty"`
	Headers     map[string]*header    `json:"headers,omitempty"`
	Content     map[string]*mediaType `json:"content,omitempty"`
}

type header struct {
	Description string  `json:"description,omitempty"`
	Schema      *schema `json:"schema,omitempty"`
}

type mediaType struct {
	Schema *schema `json:"schema,omitempty"`
}

type schema struct {
	Ref                  string             `json:"$ref,omitempty"`
	Type                 types              `json:"type,omitempty"`
	Format               string             `json:"format,omitempty"`
	Title                string             `json:"title,omitempty"`
	Description          string             `json:"description,omitempty"`
	Default              any                `json:"default,omitempty"`
	Examples             []any              `json:"examples,omitempty"`
	Enum                 []any              `json:"enum,omitempty"`
	MinLength            uint64             `json:"minLength,omitempty"`
	MaxLength            *uint64            `json:"maxLength,omitempty"`
	Pattern              string             `json:"pattern,omitempty"`
	Minimum              json.Number        `json:"minimum,omitempty"`
	ExclusiveMinimum     json.Number        `json:"exclusiveMinimum,omitempty"`
	Maximum              json.Number        `json:"maximum,omitempty"`
	ExclusiveMaximum     json.Number        `json:"exclusiveMaximum,omitempty"`
	Properties           map[string]*schema `json:"properties,omitempty"`
	Required             []string           `json:"required,omitempty"`
	AdditionalProperties *anySchema         `json:"additionalProperties,omitempty"`
	PropertyNames        *schema            `json:"propertyNames,omitempty"`
	MinProperties        uint64             `json:"minProperties,omitempty"`
	MaxProperties        *uint64            `json:"maxProperties,omitempty"`
	Items                *schema            `json:"items,omitempty"`
	MinItems             uint64             `json:"minItems,omitempty"`
	MaxItems             *uint64            `json:"maxItems,omitempty"`
	UniqueItems          bool               `json:"uniqueItems,omitempty"`
	AllOf                []*schema          `json:"allOf,omitempty"`
	OneOf                []*schema          `json:"oneOf,omitempty"`
	AnyOf                []*schema          `json:"anyOf,omitempty"`
	Not                  *schema            `json:"not,omitempty"`
	ReadOnly             bool               `json:"readOnly,omitempty"`
	WriteOnly            bool               `json:"writeOnly,omitempty"`
	Deprecated           bool               `json:"deprecated,omitempty"`
}

// types is JSON Schema's "type": one string, or a list of them.
type types []string

// MarshalJSON writes a single type as a plain string.
func (t types) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

// UnmarshalJSON reads both forms.
func (t *types) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		*t = types{one}
		return nil
	}
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("type: %w", err)
	}
	*t = list
	return nil
}

// anySchema is a schema or a boolean, which JSON Schema allows for
// additionalProperties. A nil schema is the boolean.
type anySchema struct {
	schema  *schema
	allowed bool
}

// MarshalJSON writes whichever of the two it is.
func (a anySchema) MarshalJSON() ([]byte, error) {
	if a.schema != nil {
		return encodeJSON(a.schema)
	}
	return json.Marshal(a.allowed)
}

// UnmarshalJSON reads both forms.
func (a *anySchema) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &a.allowed); err == nil {
		return nil
	}
	a.schema = &schema{}
	return decodeStrictly(data, a.schema)
}

func parseDocument(data []byte) (*document, error) {
	doc := &document{}
	if err := decodeStrictly(data, doc); err != nil {
		return nil, fmt.Errorf("parse OpenAPI document: %w", err)
	}
	return doc, nil
}

func decodeStrictly(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}

// encodeJSON leaves <, > and & readable: the document is never embedded in HTML
// without being escaped there.
func encodeJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// eachSchema calls f for every schema of the document, children before parents.
func (d *document) eachSchema(f func(*schema)) {
	for _, s := range d.Components.Schemas {
		s.walk(f)
	}
	for _, r := range d.Components.Responses {
		r.walk(f)
	}
	for _, item := range d.Paths {
		for _, op := range item {
			op.walk(f)
		}
	}
}

func (o *operation) walk(f func(*schema)) {
	for _, p := range o.Parameters {
		p.Schema.walk(f)
	}
	if o.RequestBody != nil {
		for _, m := range o.RequestBody.Content {
			m.Schema.walk(f)
		}
	}
	for _, r := range o.Responses {
		r.walk(f)
	}
}

func (r *response) walk(f func(*schema)) {
	for _, h := range r.Headers {
		h.Schema.walk(f)
	}
	for _, m := range r.Content {
		m.Schema.walk(f)
	}
}

func (s *schema) walk(f func(*schema)) {
	if s == nil {
		return
	}
	for _, p := range s.Properties {
		p.walk(f)
	}
	if s.AdditionalProperties != nil {
		s.AdditionalProperties.schema.walk(f)
	}
	s.PropertyNames.walk(f)
	s.Items.walk(f)
	for _, list := range [][]*schema{s.AllOf, s.OneOf, s.AnyOf} {
		for _, child := range list {
			child.walk(f)
		}
	}
	s.Not.walk(f)
	f(s)
}
