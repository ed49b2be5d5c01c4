package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/transform"
)

// What a body may hold to be read as JSON.
const (
	maxJSONDepth  = 100
	maxJSONValues = 200_000
)

// evaluation is one look at the facts. What is derived from the body is derived
// once, and only if somebody asks.
type evaluation struct {
	facts Facts
	doc   *document
}

// document is what was derived from the body.
type document struct {
	facts    Facts
	text     []byte // in UTF-8
	hasText  bool
	value    any // as JSON
	problem  error
	hasValue bool
}

// document copies the facts, so that an evaluation need not live on the heap for
// the many checks that have no use for it.
func (e *evaluation) document() *document {
	if e.doc == nil {
		e.doc = &document{facts: e.facts}
	}
	return e.doc
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// text is the kept body in UTF-8.
func (e *evaluation) text() []byte {
	if e.doc == nil && charsetOf(&e.facts) == nil {
		return bytes.TrimPrefix(e.facts.Body, byteOrderMark)
	}
	return e.document().body()
}

func (d *document) body() []byte {
	if d.hasText {
		return d.text
	}
	d.hasText = true
	d.text = bytes.TrimPrefix(d.facts.Body, byteOrderMark)
	if charset := charsetOf(&d.facts); charset != nil {
		d.text = toUTF8(charset, d.facts.Body, d.facts.BodyTruncated)
	}
	return d.text
}

// charsetOf is the encoding that the response names; nil for UTF-8 and its
// subsets, for none and for one that nobody knows.
func charsetOf(f *Facts) encoding.Encoding {
	for _, h := range f.Headers {
		if !strings.EqualFold(h.Name, "Content-Type") {
			continue
		}
		if !hasCharset(h.Value) {
			return nil
		}
		_, params, err := mime.ParseMediaType(h.Value)
		name := strings.ToLower(params["charset"])
		if err != nil || name == "" || name == "utf-8" || name == "us-ascii" {
			return nil
		}
		charset, err := htmlindex.Get(name)
		if err != nil {
			return nil
		}
		return charset
	}
	return nil
}

// hasCharset tells the common case apart without taking the header to pieces.
func hasCharset(contentType string) bool {
	i := strings.IndexByte(contentType, ';')
	if i < 0 {
		return false
	}
	_, value, found := strings.Cut(contentType[i:], "=")
	return !found || len(contentType) > 1<<10 || !strings.EqualFold(strings.Trim(value, `" `), "utf-8")
}

// toUTF8 decodes at most what body can become; one byte is at most three.
func toUTF8(charset encoding.Encoding, body []byte, truncated bool) []byte {
	text, _, err := transform.Bytes(charset.NewDecoder(), body)
	if err != nil && !truncated {
		return body
	}
	return bytes.TrimPrefix(text, byteOrderMark)
}

// json is the body as JSON: nil, bool, float64, string, []any or map[string]any.
func (d *document) json() (any, error) {
	if d.hasValue {
		return d.value, d.problem
	}
	d.hasValue = true
	body := bytes.TrimSpace(d.body())
	switch {
	case len(body) == 0:
		d.problem = errors.New("there is no body")
	case d.facts.BodyTruncated:
		d.problem = fmt.Errorf("the body is too long to be read as JSON: %d bytes were kept of %d", len(d.facts.Body), d.facts.Size)
	default:
		if d.problem = checkJSON(body); d.problem == nil {
			d.problem = json.Unmarshal(body, &d.value)
		}
		if d.problem != nil {
			d.value = nil
		}
		var syntax *json.SyntaxError
		if errors.As(d.problem, &syntax) {
			d.problem = fmt.Errorf("the body is not JSON: %w", syntax)
		}
	}
	return d.value, d.problem
}

// checkJSON refuses what would take much memory or stack, before anything is built.
func checkJSON(body []byte) error {
	depth, values, quoted := 0, 1, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			values++
		case c == '}' || c == ']':
			depth--
		case c == ',':
			values++
		}
		if depth > maxJSONDepth {
			return fmt.Errorf("the body nests deeper than %d levels of JSON", maxJSONDepth)
		}
		if values > maxJSONValues {
			return fmt.Errorf("the body has more than %d values of JSON", maxJSONValues)
		}
	}
	return nil
}

// textOf is a value of JSON as texts are compared with it.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case nil:
		return "null"
	case bool:
		if v {
			return "true"
		}
		return "false"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// show is a value of JSON as messages write it.
func show(v any) string {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%q", clip(s))
	}
	return clip(textOf(v))
}

// validUTF8 makes a text fit for messages and contracts.
func validUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
