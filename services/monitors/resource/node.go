package resource

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// kind is what a node of a document is.
type kind string

const (
	isNull   kind = "null"
	isBool   kind = "boolean"
	isInt    kind = "integer"
	isFloat  kind = "decimal number"
	isString kind = "string"
	isList   kind = "list"
	isMap    kind = "mapping"
)

// node is a value of a document, from YAML or JSON.
type node struct {
	kind         kind
	text         string // of scalars, as written but without quotes
	line, column int
	items        []*node
	fields       []field
}

type field struct{ key, value *node }

// get is the value of a field; nil if there is none.
func (n *node) get(name string) *node {
	for _, f := range n.fields {
		if f.key.text == name {
			return f.value
		}
	}
	return nil
}

// documentError is why a document cannot be read as one.
type documentError struct {
	line, column  int
	rule, message string
}

func (e *documentError) Error() string { return e.message }

// readYAML reads one document whose first line has the number line. A document without content is nil.
func readYAML(doc []byte, line int) (root *node, err error) {
	defer func() {
		// The parser is not ours, and what it reads is not either: a slip of one must not end the process.
		if r := recover(); r != nil {
			root, err = nil, &documentError{line, 1, "yaml-syntax", fmt.Sprintf("cannot be read as YAML: %v", r)}
		}
	}()
	if bytes.HasPrefix(bytes.TrimSpace(doc), []byte("%YAML 1.")) {
		doc = bytes.Replace(doc, []byte("%"), []byte("#"), 1) // the library refuses 1.2, whose rules hold here
	}
	var y yaml.Node
	if err := yaml.Unmarshal(doc, &y); err != nil {
		return nil, yamlError(err, doc, line)
	}
	if len(y.Content) == 0 {
		return nil, nil
	}
	c := converter{shift: line - 1, budget: maxNodes, open: map[*yaml.Node]bool{}}
	return c.convert(y.Content[0])
}

// yamlError is a syntax error at its place. The library tells the line in its text alone.
func yamlError(err error, doc []byte, first int) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	at := 1
	if n, scanned := 0, 0; true {
		if scanned, _ = fmt.Sscanf(text, "line %d:", &n); scanned == 1 {
			at = n
			_, text, _ = strings.Cut(text, ": ")
		}
	}
	lines := splitLines(doc)
	at = min(max(at, 1), len(lines))
	// The library sees a tab when it has gone on to it; the line is that one or the next.
	for _, n := range []int{at, at + 1} {
		if n > len(lines) {
			break
		}
		l := lines[n-1]
		indent := l[:len(l)-len(strings.TrimLeft(l, " \t"))]
		if tab := strings.IndexByte(indent, '\t'); tab >= 0 {
			return &documentError{first + n - 1, tab + 1, "yaml-tab", "must be indented with spaces: YAML allows no tabs"}
		}
	}
	l := lines[at-1]
	return &documentError{first + at - 1, len(l) - len(strings.TrimLeft(l, " ")) + 1, "yaml-syntax", "is not YAML: " + text}
}

// converter makes nodes of the library's, within bounds: an alias costs what it stands for.
type converter struct {
	shift  int
	budget int
	depth  int
	open   map[*yaml.Node]bool // those that are being converted, to find circles
}

var kindsOfTags = map[string]kind{
	"!!null": isNull, "!!bool": isBool, "!!int": isInt, "!!float": isFloat, "!!str": isString,
	"!!timestamp": isString, // dates are text here, as in YAML 1.2
	"!!seq":       isList, "!!map": isMap, "!!merge": isString,
}

func (c *converter) convert(y *yaml.Node) (*node, error) {
	fail := func(rule, format string, args ...any) (*node, error) {
		return nil, &documentError{y.Line + c.shift, y.Column, rule, fmt.Sprintf(format, args...)}
	}
	if c.budget--; c.budget < 0 {
		return fail("document-size", "has more than %d values, aliases counted as what they stand for", maxNodes)
	}
	if c.depth++; c.depth > maxDepth {
		return fail("document-size", "is nested more than %d levels deep", maxDepth)
	}
	defer func() { c.depth-- }()
	if y.Kind == yaml.AliasNode {
		if c.open[y.Alias] {
			return fail("yaml-alias", "must not refer to what it is part of")
		}
		return c.convert(y.Alias)
	}
	tag := y.ShortTag()
	k, known := kindsOfTags[tag]
	if !known || tag == "!!timestamp" && y.Style&yaml.TaggedStyle != 0 {
		return fail("yaml-tag", "must not have the tag %q", clip(tag))
	}
	n := &node{kind: k, text: y.Value, line: y.Line + c.shift, column: y.Column}
	c.open[y] = true
	defer delete(c.open, y)
	switch y.Kind {
	case yaml.SequenceNode:
		n.kind = isList
		for _, item := range y.Content {
			v, err := c.convert(item)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, v)
		}
	case yaml.MappingNode:
		n.kind = isMap
		return n, c.fields(n, y)
	}
	return n, nil
}

// fields fills in those of a mapping; what is merged in with "<<" stands behind what the mapping says itself.
func (c *converter) fields(n *node, y *yaml.Node) error {
	var merged []*node
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, err := c.convert(y.Content[i])
		if err != nil {
			return err
		}
		value, err := c.convert(y.Content[i+1])
		if err != nil {
			return err
		}
		if y.Content[i].ShortTag() != "!!merge" {
			n.fields = append(n.fields, field{key, value})
			continue
		}
		list := []*node{value}
		if value.kind == isList {
			list = value.items
		}
		for _, m := range list {
			if m.kind != isMap {
				return &documentError{key.line, key.column, "yaml-alias", "must merge mappings only"}
			}
			merged = append(merged, m)
		}
	}
	have := make(map[string]bool, len(n.fields))
	for _, f := range n.fields {
		have[f.key.text] = true
	}
	for _, m := range merged {
		for _, f := range m.fields {
			if !have[f.key.text] {
				have[f.key.text] = true
				n.fields = append(n.fields, f)
			}
		}
	}
	return nil
}

// asDocumentError is err with a place.
func asDocumentError(err error, line int) *documentError {
	var d *documentError
	if errors.As(err, &d) {
		return d
	}
	return &documentError{line, 1, "yaml-syntax", err.Error()}
}
