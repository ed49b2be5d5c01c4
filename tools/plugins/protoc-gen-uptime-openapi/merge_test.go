package main

import (
	"os"
	"strings"
	"testing"
)

// parse reads a document that a test writes out.
func parse(t *testing.T, text string) *document {
	t.Helper()
	doc, err := parseDocument([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

const frogsDocument = `{
	"paths": {"/frogs/{id}": {"get": {
		"operationId": "GetFrog",
		"parameters": [{"name": "id", "in": "path"}],
		"responses": {"200": {"description": "A frog."}}
	}}},
	"components": {"schemas": {"Frog": {"type": "object"}}}
}`

func TestAddRefuses(t *testing.T) {
	for _, tt := range []struct{ name, fragment, want string }{
		{"same operation", `{"paths": {"/frogs/{id}": {"get": {"operationId": "Other"}}}}`, "described twice"},
		{"same operation, other name", `{"paths": {"/frogs/{frog}": {"get": {"summary": "Other."}}}}`, "described twice"},
		{"same parameter", `{"paths": {"/frogs/{frog}": {"get": {"parameters": [{"name": "frog", "in": "path"}]}}}}`, `parameter "id" described twice`},
		{"same response", `{"paths": {"/frogs/{id}": {"get": {"responses": {"200": {"content": {}}}}}}}`, "response 200 described twice"},
		{"other schema of the same name", `{"components": {"schemas": {"Frog": {"type": "string"}}}}`, `schema "Frog" differs`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := newDocument()
			if err := doc.add(parse(t, frogsDocument)); err != nil {
				t.Fatal(err)
			}
			err := doc.add(parse(t, tt.fragment))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestAddAugments(t *testing.T) {
	doc := newDocument()
	if err := doc.add(parse(t, frogsDocument)); err != nil {
		t.Fatal(err)
	}
	err := doc.add(parse(t, `{"paths": {"/frogs/{frog}": {"get": {
		"parameters": [{"name": "If-Match", "in": "header"}],
		"responses": {"200": {"headers": {"ETag": {"description": "Version."}}}, "412": {"$ref": "#/components/responses/Error"}}
	}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	op := doc.Paths["/frogs/{id}"]["get"]
	if len(doc.Paths) != 1 || op == nil {
		t.Fatalf("got paths %v, want one", doc.Paths)
	}
	if len(op.Parameters) != 2 || op.Parameters[1].Name != "If-Match" {
		t.Errorf("got %d parameters, want id and If-Match", len(op.Parameters))
	}
	if op.Responses["200"].Headers["ETag"] == nil || op.Responses["200"].Description != "A frog." {
		t.Errorf("response 200 has lost its description or has no ETag: %+v", op.Responses["200"])
	}
	if op.Responses["412"] == nil {
		t.Error("response 412 was not added")
	}
}

func TestCheckReferences(t *testing.T) {
	for _, tt := range []struct{ name, fragment, want string }{
		{"missing schema", `{"paths": {"/a": {"get": {"operationId": "A", "responses": {"200": {"content": {"a/b": {"schema": {"$ref": "#/components/schemas/Gone"}}}}}}}}}`, `schema "Gone"`},
		{"augmented nothing", `{"paths": {"/a": {"get": {"operationId": "A", "parameters": [{"name": "If-Match", "in": "header"}]}}}}`, "GET /a has no response"},
		{"same operation id", `{"paths": {"/a": {"get": {"operationId": "A", "responses": {"200": {}}}}, "/b": {"get": {"operationId": "A", "responses": {"200": {}}}}}}`, `operationId "A"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := newDocument()
			if err := doc.add(parse(t, tt.fragment)); err != nil {
				t.Fatal(err)
			}
			err := doc.checkReferences()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestShortenNames(t *testing.T) {
	doc := newDocument()
	err := doc.add(parse(t, `{
		"paths": {},
		"components": {"schemas": {
			"frogstats.uptime.pond.v1.Frog": {"type": "object", "properties": {"home": {"$ref": "#/components/schemas/frogstats.uptime.pond.v1.Place"}}},
			"frogstats.uptime.pond.v1.Place": {"type": "object"},
			"frogstats.uptime.sea.v1.Place": {"type": "object"},
			"frogstats.uptime.pond.v1.Error": {"type": "object"}
		}}
	}`))
	if err != nil {
		t.Fatal(err)
	}
	doc.shortenNames()
	for _, name := range []string{"Frog", "pond.Place", "sea.Place", "pond.Error", "Error"} {
		if doc.Components.Schemas[name] == nil {
			t.Errorf("no schema %q", name)
		}
	}
	if got, want := doc.Components.Schemas["Frog"].Properties["home"].Ref, schemaPrefix+"pond.Place"; got != want {
		t.Errorf("reference: got %q, want %q", got, want)
	}
}

func TestParseRefusesWhatItDoesNotKnow(t *testing.T) {
	if _, err := parseDocument([]byte(`{"paths": {}, "webhooks": {}}`)); err == nil {
		t.Error("an unknown construct was dropped in silence")
	}
}

// TestEdgeFragment keeps the committed fragment readable by this program.
func TestEdgeFragment(t *testing.T) {
	data, err := os.ReadFile("edge.openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	doc := parse(t, string(data))
	if doc.Paths["/readyz"]["get"] == nil {
		t.Error("the fragment does not describe /readyz")
	}
}
