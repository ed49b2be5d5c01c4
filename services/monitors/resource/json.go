package resource

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"unicode/utf8"
)

// jsonReader makes nodes of the tokens of concatenated JSON documents.
type jsonReader struct {
	data   []byte
	dec    *json.Decoder
	starts []int // offsets at which lines begin
	budget int
}

func newJSONReader(data []byte) *jsonReader {
	r := &jsonReader{data: data, dec: json.NewDecoder(bytes.NewReader(data)), starts: []int{0}}
	r.dec.UseNumber()
	for i, b := range data {
		if b == '\n' {
			r.starts = append(r.starts, i+1)
		}
	}
	return r
}

// place is line and column of an offset.
func (r *jsonReader) place(offset int) (line, column int) {
	offset = min(max(offset, 0), len(r.data))
	line = sort.SearchInts(r.starts, offset+1)
	return line, utf8.RuneCount(r.data[r.starts[line-1]:offset]) + 1
}

// next reads a document; io.EOF after the last.
func (r *jsonReader) next() (*node, error) {
	r.budget = maxNodes
	return r.value(0)
}

// token reads one, and tells where it begins.
func (r *jsonReader) token() (json.Token, int, error) {
	from := int(r.dec.InputOffset())
	token, err := r.dec.Token()
	for separators := 1; from < len(r.data) && strings.IndexByte(" \t\r\n,:", r.data[from]) >= 0; from++ {
		if r.data[from] == ',' || r.data[from] == ':' {
			if separators--; separators < 0 {
				break
			}
		}
	}
	if err == nil || errors.Is(err, io.EOF) && from >= len(r.data) {
		return token, from, err
	}
	line, column := r.place(from)
	return nil, from, &documentError{line, column, "json-syntax", "is not JSON: " + err.Error()}
}

func (r *jsonReader) value(depth int) (*node, error) {
	token, at, err := r.token()
	if err != nil {
		if errors.Is(err, io.EOF) && depth > 0 {
			line, column := r.place(at)
			err = &documentError{line, column, "json-syntax", "is not JSON: it ends too early"}
		}
		return nil, err
	}
	n := &node{}
	n.line, n.column = r.place(at)
	if r.budget--; r.budget < 0 || depth > maxDepth {
		return nil, &documentError{n.line, n.column, "document-size", fmt.Sprintf("has more than %d values, or is nested more than %d levels deep", maxNodes, maxDepth)}
	}
	switch v := token.(type) {
	case nil:
		n.kind, n.text = isNull, "null"
	case bool:
		n.kind, n.text = isBool, fmt.Sprint(v)
	case string:
		n.kind, n.text = isString, v
	case json.Number:
		n.kind, n.text = isInt, v.String()
		if strings.ContainsAny(n.text, ".eE") {
			n.kind = isFloat
		}
	case json.Delim:
		n.kind = isMap
		if v == '[' {
			n.kind = isList
		}
		return n, r.content(n, depth)
	}
	return n, nil
}

func (r *jsonReader) content(n *node, depth int) error {
	for r.dec.More() {
		v, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		if n.kind == isList {
			n.items = append(n.items, v)
			continue
		}
		value, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.fields = append(n.fields, field{v, value})
	}
	_, at, err := r.token() // the closing bracket
	if errors.Is(err, io.EOF) {
		line, column := r.place(at)
		return &documentError{line, column, "json-syntax", "is not JSON: it ends too early"}
	}
	return err
}
